//! A guest that tries things. Each argument pair is an act and its object; each prints one line:
//! `act object: done …` or `act object: <error kind>`. It ends with 0 whatever was refused, so that
//! a test reads what happened and not how this program felt about it.
//!
//! One source for both kinds of binary: `wasm32-wasip1` (a module), `wasm32-wasip2` (a component).

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        let act = pair[0].as_str();
        let object = pair.get(1).map_or("", String::as_str);
        match run(act, object) {
            Ok(said) => println!("{act} {object}: done{}{said}", if said.is_empty() { "" } else { " " }),
            Err(error) => println!("{act} {object}: {:?}", error.kind()),
        }
    }
}

fn run(act: &str, object: &str) -> io::Result<String> {
    match act {
        "read" => Ok(fs::read_to_string(object)?.replace('\n', "|")),
        "stat" => Ok(fs::metadata(object)?.len().to_string()),
        "ls" => names(object),
        "write" => fs::write(object, "written by the guest").map(none),
        "append" => OpenOptions::new().append(true).open(object)?.write_all(b"+").map(none),
        "truncate" => OpenOptions::new().write(true).open(object)?.set_len(0).map(none),
        "create" => File::create_new(object).map(|_| String::new()),
        "mkdir" => fs::create_dir(object).map(none),
        "rmdir" => fs::remove_dir(object).map(none),
        "unlink" => fs::remove_file(object).map(none),
        "rename" => fs::rename(object, format!("{object}.renamed")).map(none),
        "link" => fs::hard_link(object, format!("{object}.linked")).map(none),
        "utime" => File::open(object)?.set_modified(std::time::UNIX_EPOCH).map(none),
        "env" => Ok(std::env::var(object).unwrap_or_else(|_| "(unset)".into())),
        "environ" => Ok(std::env::vars().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")),
        "args" => Ok(std::env::args().collect::<Vec<_>>().join("|")),
        "stdin" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            Ok(text)
        }
        "print" => io::stdout().write_all(object.as_bytes()).map(none),
        "warn" => io::stderr().write_all(object.as_bytes()).map(none),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(object)));
            Ok(String::new())
        }
        "spin" => loop {
            std::hint::black_box(0);
        },
        "exit" => std::process::exit(number(object) as i32),
        "panic" => panic!("the guest panics on purpose"),
        "recurse" => Ok(recurse(0).to_string()),
        "grow" => grow(number(object)),
        "random" => Ok(RandomState::new().hash_one(0).to_string()), // keys from the host's randomness
        "hoard" => hoard(number(object)),
        "flood" => flood(object),
        "fill" => fill(object),
        "open" => open_many(object),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn none(_: ()) -> String {
    String::new()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn names(object: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(object)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(","))
}

#[allow(unconditional_recursion)] // the point of it
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(depth) + 1)) + 1
}

/// Takes memory, a MiB at a time, and touches it, until there is no more or `most` MiB are taken.
fn grow(most: u64) -> io::Result<String> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    while (kept.len() as u64) < most {
        let mut chunk: Vec<u8> = Vec::new();
        if chunk.try_reserve_exact(1 << 20).is_err() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        chunk.resize(1 << 20, 1);
        kept.push(chunk);
    }
    Ok(kept.len().to_string())
}

/// As `grow`, and keeps it: what comes next finds all memory taken.
fn hoard(most: u64) -> io::Result<String> {
    let mut kept = 0;
    while kept < most {
        let mut chunk: Vec<u8> = Vec::new();
        if chunk.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        chunk.resize(1 << 20, 1);
        std::mem::forget(chunk);
        kept += 1;
    }
    Ok(kept.to_string())
}

/// Writes for ever to stdout, to stderr, or in turn to both.
fn flood(object: &str) -> io::Result<String> {
    let block = [b'x'; 4096];
    loop {
        if object != "stderr" {
            io::stdout().write_all(&block)?;
        }
        if object != "stdout" {
            io::stderr().write_all(&block)?;
        }
    }
}

/// Writes to one file until something stops it; says how far it got.
fn fill(object: &str) -> io::Result<String> {
    let mut file = File::create(object)?;
    let block = [b'x'; 65536];
    let mut written = 0u64;
    while written < 1 << 30 {
        if let Err(error) = file.write_all(&block) {
            return Ok(format!("{} {:?}", file.metadata()?.len(), error.kind()));
        }
        written += block.len() as u64;
    }
    Ok(written.to_string())
}

/// Opens one file again and again until it may not; says how often it could.
fn open_many(object: &str) -> io::Result<String> {
    let mut kept = Vec::new();
    loop {
        match File::open(object) {
            Ok(file) if kept.len() < 100_000 => kept.push(file),
            Ok(_) => return Ok("100000".into()),
            Err(error) => return Ok(format!("{} {:?}", kept.len(), error.kind())),
        }
    }
}
