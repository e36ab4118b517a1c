//! `write`: creates a file or replaces its content. The path after `--`, the content on stdin.

mod old;

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::names::shown;
use common::place::Place;
use common::replace::{Way, replace};
use common::size::count;
use common::text::Encoding;
use common::unified::unified;

use old::Old;

const DIFF_LINES: usize = 60;

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let place = Place::find(&args::only(Args::read()?.finish()?, "path")?)?;
    let mut content = String::new();
    io::stdin().read_to_string(&mut content).map_err(|error| Failure::of("content", &error))?;
    let name = shown(&place.given);
    let old = Old::read(&place.path).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => format!("{name} is a folder: name a file in it").into(),
        _ => Failure::of(&name, &error),
    })?;
    print!("{}", write(&place.path, &name, &content, old)?);
    Ok(())
}

/// Write it and say what was done.
fn write(path: &Path, name: &str, content: &str, old: Option<Old>) -> Result<String, Failure> {
    let Some(old) = old else {
        make_parents(path).map_err(|error| Failure::of(name, &error))?;
        replace(path, content.as_bytes()).map_err(|error| Failure::of(name, &error))?;
        return Ok(format!("created {name}: {}\n", count(content.len() as u64, "byte")));
    };
    let (bytes, mut notes) = old.dress(content);
    if old.is(&bytes) {
        return Ok(format!("{name} holds just this already: {} unchanged\n", size(&bytes)));
    }
    let way = replace(path, &bytes).map_err(|error| Failure::of(name, &error))?;
    if let Way::InPlace(reason) = way {
        notes.push(format!("rewritten in place, not atomically: {reason}"));
    }
    let mut said = format!("overwrote {name}: {}, before {}", size(&bytes), old.length);
    for note in notes {
        said.push_str("; ");
        said.push_str(&note);
    }
    said.push('\n');
    if let Some((text, _)) = &old.text {
        said.push_str(&unified(&text.replace("\r\n", "\n"), &plain(content), DIFF_LINES));
    }
    Ok(said)
}

fn size(bytes: &[u8]) -> String {
    count(bytes.len() as u64, "byte")
}

fn plain(content: &str) -> String {
    common::text::without_mark(content).replace("\r\n", "\n")
}

fn make_parents(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    }
}

/// The names of encodings as notes have them.
fn kept(encoding: Encoding) -> Option<String> {
    (encoding != Encoding::Utf8).then(|| format!("{} kept", encoding.name()))
}
