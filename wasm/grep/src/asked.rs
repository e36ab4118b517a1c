//! What a call asks for: options, then the path, the pattern, and perhaps a glob.

use common::args::Args;
use common::fail::Failure;
use common::place::Place;
use common::walk::Choice;
use ignore::types::Types;

use crate::kinds;
use crate::page::Mode;

pub struct Asked {
    pub place: Place,
    pub pattern: String,
    pub fixed: bool,
    pub ignore_case: bool,
    pub multiline: bool,
    pub mode: Mode,
    pub limit: usize,
    /// Lines of context around each match.
    pub before: usize,
    pub after: usize,
    pub glob: Option<String>,
    types: Option<Types>,
    pub choice: Choice,
}

impl Asked {
    pub fn read() -> Result<Self, Failure> {
        const MOST: u64 = 1000; // lines of context; whole files are read's business
        let mut args = Args::read()?;
        let mode = match args.text("output-mode").as_deref() {
            None | Some("content") => Mode::Content,
            Some("files_with_matches") => Mode::Files,
            Some("count") => Mode::Count,
            Some(other) => return Err(format!("output_mode: {other:?} is no mode").into()),
        };
        let limit = args.number("limit", 200, 1..=10_000)? as usize;
        let around = args.number("context", 0, 0..=MOST)?;
        let before = args.number("before", around, 0..=MOST)? as usize;
        let after = args.number("after", around, 0..=MOST)? as usize;
        let fixed = args.flag("fixed-strings")?;
        let ignore_case = args.flag("ignore-case")?;
        let multiline = args.flag("multiline")?;
        let choice = Choice { hidden: args.flag("hidden")?, no_ignore: args.flag("no-ignore")? };
        // Some models write "" for what they do not want to say.
        let is_said = |text: &String| !text.is_empty();
        let types = args.text("type").filter(is_said);
        let types = types.map(|name| kinds::select(&name)).transpose()?;
        let mut operands = args.finish()?.into_iter();
        let (Some(path), Some(pattern)) = (operands.next(), operands.next()) else {
            return Err("path and pattern are needed".into());
        };
        let (place, glob) = (Place::find(&path)?, operands.next().filter(is_said));
        Ok(Self {
            place,
            pattern,
            fixed,
            ignore_case,
            multiline,
            mode,
            limit,
            before,
            after,
            glob,
            types,
            choice,
        })
    }

    /// Whether a file's name is of the kind that is asked for.
    pub fn takes(&self, name: &str) -> bool {
        !self.types.as_ref().is_some_and(|types| types.matched(name, false).is_ignore())
    }
}
