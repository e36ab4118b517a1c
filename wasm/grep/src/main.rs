//! `grep`: lines that match a regular expression, by the crates that ripgrep is made of.

mod asked;
mod kinds;
mod page;
mod regex;
mod search;

use std::io;
use std::process::ExitCode;

use common::dir::{Dir, File};
use common::fail::{self, Failure};
use common::names::shown;
use common::place::Place;
use common::size::count;
use common::walk::hunt::{Hunt, Missed};
use common::walk::pattern::{Pattern, rooted};
use common::walk::{self, Folder};

use asked::Asked;
use search::Search;

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let asked = Asked::read()?;
    let mut search = Search::new(&asked)?;
    let notes = if walk::is_folder(&asked.place)? {
        search_folder(&asked, &mut search)?
    } else {
        search_file(&asked.place, &mut search)?
    };
    let hint = hint(&asked, &search);
    print!("{}{notes}{hint}", search.page.text());
    Ok(())
}

fn search_file(place: &Place, search: &mut Search) -> Result<String, Failure> {
    let name = shown(&place.given);
    let below = place.path.strip_prefix(&place.folder).unwrap_or(&place.path);
    let file = Dir::open(&place.folder, "").and_then(|dir| dir.file(&below.to_string_lossy()));
    file.and_then(|file| search.file(&place.given, file))
        .map_err(|error| Failure::of(&name, &error))?;
    Ok(match search.page.is_empty() {
        true if search.binaries > 0 => format!("[{name} is a binary file: not searched]\n"),
        true => format!("[no match in {name}]\n"),
        false => String::new(),
    })
}

fn search_folder(asked: &Asked, search: &mut Search) -> Result<String, Failure> {
    let (wanted, unwanted) = match asked.glob.as_deref() {
        None => (Pattern::everything(), None),
        Some(glob) => match glob.strip_prefix('!') {
            None => (parse(glob, &asked.place)?, None),
            Some(glob) => (Pattern::everything(), Some(parse(glob, &asked.place)?)),
        },
    };
    let first = Folder::first(&asked.place, asked.choice);
    let mut hunt = Hunt::start(first, wanted, unwanted, asked.choice)
        .map_err(|error| Failure::of(&shown(&asked.place.given), &error))?;
    // One file is opened ahead, so that the host reads it while another is searched.
    let mut ahead: Option<(String, io::Result<File>)> = None;
    while let Some(caught) = hunt.next() {
        for name in caught.names.iter().filter(|name| !name.is_link && asked.takes(&name.text)) {
            let path = caught.folder.shown_below(&name.text);
            let file = caught.dir.file(&name.text).inspect(File::read_ahead);
            if let Some((path, file)) = ahead.replace((path, file)) {
                search_one(search, &path, file, &mut hunt.missed);
            }
            if search.page.is_full() {
                return Ok(hunt.missed.faults());
            }
        }
    }
    if let Some((path, file)) = ahead {
        search_one(search, &path, file, &mut hunt.missed);
    }
    let none = if search.page.is_empty() { none(search, &hunt.missed) } else { String::new() };
    Ok(none + &hunt.missed.faults())
}

fn search_one(search: &mut Search, path: &str, file: io::Result<File>, missed: &mut Missed) {
    if let Err(error) = file.and_then(|file| search.file(path, file)) {
        missed.note(path, &error);
    }
}

fn parse(glob: &str, place: &Place) -> Result<Pattern, Failure> {
    let rest = rooted(glob)?.map_or(glob, |(_, rest)| rest);
    Pattern::parse(rest, place)
}

/// No match is a good result; what might be the reason is said.
fn none(search: &Search, missed: &Missed) -> String {
    let binaries = match search.binaries {
        0 => String::new(),
        number => format!("; {} skipped", count(number, "binary file")),
    };
    let searched = match search.files {
        0 => "no file to search".to_owned(),
        number => format!("no match in {}", count(number, "file")),
    };
    format!("[{searched}{binaries}]\n{}", missed.hint())
}

/// Other tools write alternatives so, and a pattern that finds nothing looks like a good one.
fn hint(asked: &Asked, search: &Search) -> &'static str {
    if search.page.is_empty() && !asked.fixed && asked.pattern.contains("\\|") {
        return "[\\| is the character | itself; alternatives are written a|b]\n";
    }
    ""
}
