//! `write`: creates a file or replaces its content. The path after `--`, the content on stdin.

mod old;

use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::names::shown;
use common::place::Place;
use common::replace::{Current, Done, replace, tidy};
use common::size::count;
use common::unified::unified;

use old::Old;

const DIFF_LINES: usize = 60;
const ROUNDS: usize = 20; // each further one means that another call wrote the file in between

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let place = Place::find(&args::only(Args::read()?.finish()?, "path")?)?;
    if place.given.ends_with('/') {
        return Err(format!("{} names a folder: name a file in it", shown(&place.given)).into());
    }
    let mut content = String::new();
    io::stdin().read_to_string(&mut content).map_err(|error| Failure::of("content", &error))?;
    tidy(&place.path);
    for _ in 0..ROUNDS {
        if let Some(said) = write(&place, &content)? {
            print!("{said}");
            return Ok(());
        }
    }
    Err(format!("{}: others write it all the time; nothing was written", shown(&place.given))
        .into())
}

/// Write it and say what was done; None where another call was faster.
fn write(place: &Place, content: &str) -> Result<Option<String>, Failure> {
    let name = shown(&place.given);
    let failure = |error: io::Error| match error.kind() {
        ErrorKind::IsADirectory => format!("{name} is a folder: name a file in it").into(),
        _ => Failure::of(&name, &error),
    };
    let mut file = Current::open(&place.path).map_err(failure)?;
    let old = file.as_mut().map(Old::read).transpose().map_err(failure)?;
    let (bytes, mut notes) = match &old {
        Some(old) => old.dress(content),
        None => (content.as_bytes().to_vec(), Vec::new()),
    };
    let size = count(bytes.len() as u64, "byte");
    if old.as_ref().is_some_and(|old| old.is(&bytes)) {
        return Ok(Some(format!("{name} holds just this already: {size} unchanged\n")));
    }
    match replace(&place.path, file.as_mut(), &bytes).map_err(failure)? {
        Done::Atomically => {}
        Done::InPlace(reason) => notes.push(format!("in place, not atomically: {reason}")),
        Done::Overtaken => return Ok(None),
    }
    let mut said = match &file {
        Some(file) => format!("overwrote {name}: {size}, before {}", file.length),
        None => format!("created {name}: {size}"),
    };
    for note in notes {
        said.push_str("; ");
        said.push_str(&note);
    }
    said.push('\n');
    if let Some(text) = old.as_ref().and_then(Old::whole_text) {
        said.push_str(&diff(text, content));
    }
    Ok(Some(said))
}

/// The diff by lines, however they end.
fn diff(old: &[u8], content: &str) -> String {
    let plain = |text: &str| text.replace("\r\n", "\n").into_bytes();
    let new = plain(common::text::without_mark(content));
    let diff = unified(&plain(&String::from_utf8_lossy(old)), &new, DIFF_LINES);
    if diff.is_empty() { "[only line ends differ]\n".into() } else { diff }
}
