//! `edit`: replaces exact texts in a file. The path after `--`, all arguments as JSON on stdin.
//!
//! Writes an envelope, in failures too: what differs may be a tab, and stderr is not kept that well.

mod align;
mod apply;
mod asked;
mod beside;
mod changes;
mod differs;
mod document;
mod excerpt;
mod miss;
mod named;
mod nearest;
mod slips;
mod squeezed;
mod twice;

use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::json::{write_envelope, write_string};
use common::names::shown;
use common::place::Place;
use common::replace::{Current, Done, replace, tidy};
use common::size::{count, short};
use common::text::Encoding;
use common::unified::unified_at;

use apply::{Applied, apply};
use asked::Edit;
use document::Document;

const LARGEST: u64 = 128 << 20; // the memory that the manifest asks for takes it some times over
const DIFF_LINES: usize = 80;
const ROUNDS: usize = 20; // each further one means that another call wrote the file in between

fn main() -> ExitCode {
    let done = run();
    let out = &mut io::stdout().lock();
    let written = match done {
        Ok(said) => write_envelope(out, &said),
        Err(Failure(sentence)) => write_error(out, &sentence),
    };
    fail::end(written.and_then(|()| out.flush()).map_err(|error| Failure::of("stdout", &error)))
}

fn write_error(out: &mut impl Write, sentence: &str) -> io::Result<()> {
    out.write_all(b"{\"error\":")?;
    write_string(out, sentence)?;
    out.write_all(b"}")
}

fn run() -> Result<String, Failure> {
    let place = Place::find(&args::only(Args::read()?.finish()?, "path")?)?;
    let mut arguments = Vec::new();
    io::stdin().read_to_end(&mut arguments).map_err(|error| Failure::of("arguments", &error))?;
    let edits = asked::read(&arguments)?;
    tidy(&place.path);
    for _ in 0..ROUNDS {
        if let Some(said) = edit(&place, &edits)? {
            return Ok(said);
        }
    }
    Err(format!("{}: others write it all the time; nothing was edited", shown(&place.given)).into())
}

/// Edit the file and say what was done; None where another call was faster.
fn edit(place: &Place, edits: &[Edit]) -> Result<Option<String>, Failure> {
    let name = shown(&place.given);
    let failure = |error: io::Error| match error.kind() {
        ErrorKind::IsADirectory => format!("{name} is a folder: name a file in it").into(),
        _ => Failure::of(&name, &error),
    };
    let Some(mut file) = Current::open(&place.path).map_err(failure)? else {
        return Err(format!("{name} does not exist: \"write\" makes new files").into());
    };
    if file.length > LARGEST {
        let (length, most) = (short(file.length), short(LARGEST));
        return Err(format!("{name} has {length}: edit takes files up to {most}").into());
    }
    let bytes = file.read(LARGEST).map_err(failure)?;
    let Some(mut document) = Document::read(bytes) else {
        return Err(format!("{name} is no text: edit would break it").into());
    };
    let before = document.text.clone();
    let applied = apply(&mut document, &before, edits, &name)?;
    if document.text == before {
        return Ok(Some(format!("{name} is unchanged: the edits undo one another\n")));
    }
    let bytes = document.bytes().ok_or_else(|| lacks(&document, edits, &name))?;
    let done = replace(&place.path, Some(&mut file), &bytes).map_err(failure)?;
    if done == Done::Overtaken {
        return Ok(None);
    }
    let mut said = report(&name, &document, &applied, done);
    said.push_str(&unified_at(&before, &document.text, &applied.spans, DIFF_LINES));
    Ok(Some(said))
}

/// The sentence for a text that its file's encoding cannot hold.
fn lacks(document: &Document, edits: &[Edit], name: &str) -> Failure {
    let encoding = document.encoding;
    let character = edits.iter().find_map(|edit| encoding.lacks(&edit.new)).unwrap_or_default();
    let encoding = encoding.name();
    let hint = "leave it out, or \"write\" the whole file, which makes it UTF-8";
    format!("{name} is {encoding}, which has no \"{character}\": {hint}").into()
}

/// The line before the diff.
fn report(name: &str, document: &Document, applied: &Applied, done: Done) -> String {
    let mut said = format!("edited {name}");
    let mut notes = Vec::new();
    if applied.places > 1 {
        notes.push(count(applied.places as u64, "place"));
    }
    if document.has_crlf() {
        notes.push("CRLF line ends kept".into());
    }
    if document.encoding != Encoding::Utf8 {
        notes.push(format!("{} kept", document.encoding.name()));
    }
    if let Done::InPlace(reason) = done {
        notes.push(format!("in place, not atomically: {reason}"));
    }
    for (number, note) in notes.iter().enumerate() {
        said.push_str(if number == 0 { ": " } else { "; " });
        said.push_str(note);
    }
    said.push('\n');
    said
}
