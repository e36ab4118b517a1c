//! `glob`: the files that a pattern matches, newest first.

mod newest;

use std::process::ExitCode;

use common::args::Args;
use common::fail::{self, Failure};
use common::names::shown;
use common::place::Place;
use common::size::count;
use common::walk::hunt::{Hunt, Missed};
use common::walk::pattern::{Pattern, rooted};
use common::walk::{self, Choice, Folder};

use newest::{Found, Newest};

const BYTES: usize = 512 << 10; // of all lines; 10 000 of the usual ones are as much

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let mut args = Args::read()?;
    let limit = args.number("limit", 200, 1..=10_000)? as usize;
    let choice = Choice { hidden: args.flag("hidden")?, no_ignore: args.flag("no-ignore")? };
    let [path, text] = <[String; 2]>::try_from(args.finish()?)
        .map_err(|_| Failure::from("path and pattern are needed, and nothing else"))?;
    let (place, rest) = match rooted(&text)? {
        Some(rooted) => rooted,
        None => (Place::find(&path)?, text.as_str()),
    };
    let pattern = Pattern::parse(rest, &place)?;
    let name = shown(&place.given);
    if !walk::is_folder(&place)? {
        return Err(format!("{name} is a file: path is the folder to look in").into());
    }
    let end = if pattern.wants_folders { "/" } else { "" };
    let mut hunt = Hunt::start(Folder::first(&place, choice), pattern, None, choice)
        .map_err(|error| Failure::of(&name, &error))?;
    let newest = collect(&mut hunt, limit, end);
    let result =
        if newest.total() == 0 { none(&text, &name, end, &hunt.missed) } else { lines(newest) };
    print!("{result}{}", hunt.missed.faults());
    Ok(())
}

fn collect(hunt: &mut Hunt, limit: usize, end: &str) -> Newest {
    let mut newest = Newest::new(limit);
    while let Some(caught) = hunt.next() {
        for name in &caught.names {
            let path = caught.folder.shown_below(&name.text) + end;
            match caught.dir.changed(&name.text) {
                Ok(changed) => newest.add(Found { changed, path }),
                Err(error) => hunt.missed.note(&path, &error),
            }
        }
    }
    newest
}

fn lines(newest: Newest) -> String {
    let total = newest.total();
    let mut text = String::new();
    let mut done = 0;
    for path in newest.paths() {
        if text.len() + path.len() >= BYTES {
            break;
        }
        text.push_str(&shown(&path));
        text.push('\n');
        done += 1;
    }
    if done < total {
        text.push_str(&format!("[{} more: raise limit, or narrow the pattern]\n", total - done));
    }
    text
}

/// No match is a good result; what might be the reason is said.
fn none(pattern: &str, folder: &str, end: &str, missed: &Missed) -> String {
    let wanted = if end.is_empty() { "file" } else { "folder" };
    let within = if folder == "." { String::new() } else { format!(" in {folder}") };
    let mut text = format!("[no {wanted} matches {}{within}]\n", shown(pattern));
    if end.is_empty() && missed.folders() > 0 {
        let folders = count(missed.folders(), "folder");
        let ways = "end the pattern with /** for what is in them, with / for themselves";
        text += &format!("[it matches {folders}: {ways}]\n");
    }
    text + &missed.hint()
}
