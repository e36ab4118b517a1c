//! `list`: a folder as a tree. Level by level, so that a limit cuts the depths and not the top.

mod content;
mod sizes;
mod tree;

use std::fs;
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::names::shown;
use common::place::Place;
use common::size;
use common::walk::{Choice, is_folder};

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let mut args = Args::read()?;
    let depth = args.number("depth", 2, 1..=100)?;
    let limit = args.number("limit", 500, 1..=10_000)?;
    let choice = Choice { hidden: args.flag("hidden")?, no_ignore: args.flag("no-ignore")? };
    let place = Place::find(&args::only(args.finish()?, "path")?)?;
    if is_folder(&place)? {
        print!("{}", tree::draw(&place, choice, depth, limit as usize)?);
        return Ok(());
    }
    let name = shown(&place.given);
    let data = fs::metadata(&place.path).map_err(|error| Failure::of(&name, &error))?;
    println!("{name} {} (a file)", size::short(data.len()));
    Ok(())
}
