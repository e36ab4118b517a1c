//! `hash`: the digests of files, as one JSON object.
//!
//! A path that leads to no readable file has an error in its own entry and takes no other's digest
//! away. Where none leads to one there is no result, and the call fails.

mod algorithm;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::ExitCode;

use common::args::Args;
use common::fail::{self, Failure, reason};
use common::json::write_string;
use common::names::shown;
use common::place::Place;

use algorithm::Hasher;

const PIECE: usize = 1 << 20; // each read is a trip to the host

struct Entry {
    path: String,
    found: Result<Found, String>,
}

struct Found {
    digest: String,
    size: u64, // of what was digested, also where the file grew meanwhile
}

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let mut args = Args::read()?;
    let algorithm = args.text("algorithm").unwrap_or_else(|| "sha256".into());
    let mut piece = vec![0; PIECE];
    let mut entries = Vec::new();
    for path in args.finish()? {
        let hasher = Hasher::named(&algorithm)
            .ok_or_else(|| format!("algorithm: {algorithm:?} is none of this tool's"))?;
        let found = digest(&path, hasher, &mut piece);
        entries.push(Entry { path, found });
    }
    if entries.iter().all(|entry| entry.found.is_err()) {
        return Err(all_failed(&entries));
    }
    write_result(&algorithm, &entries).map_err(|error| Failure::of("stdout", &error))
}

/// Digest one file, or say why there is nothing to digest.
fn digest(path: &str, mut hasher: Hasher, piece: &mut [u8]) -> Result<Found, String> {
    let place = Place::find(path).map_err(|Failure(sentence)| sentence)?;
    if fs::metadata(&place.path).map_err(|error| reason(&error))?.is_dir() {
        return Err("is a folder: name the files in it".into());
    }
    let mut file = File::open(&place.path).map_err(|error| reason(&error))?;
    let mut size = 0;
    loop {
        let length = file.read(piece).map_err(|error| reason(&error))?;
        if length == 0 {
            return Ok(Found { digest: hasher.finish(), size });
        }
        hasher.update(&piece[..length]);
        size += length as u64;
    }
}

fn all_failed(entries: &[Entry]) -> Failure {
    let lines: Vec<_> = entries
        .iter()
        .filter_map(|Entry { path, found }| {
            Some(format!("{}: {}", shown(path), found.as_ref().err()?))
        })
        .collect();
    if lines.is_empty() { "paths: at least one is needed".into() } else { lines.join("\n").into() }
}

fn write_result(algorithm: &str, entries: &[Entry]) -> io::Result<()> {
    let mut out = Vec::new();
    write!(out, r#"{{"algorithm":"{algorithm}","files":["#)?;
    for (number, Entry { path, found }) in entries.iter().enumerate() {
        out.write_all(if number > 0 { br#",{"path":"# } else { br#"{"path":"# })?;
        write_string(&mut out, path)?;
        match found {
            Ok(Found { digest, size }) => write!(out, r#","digest":"{digest}","size":{size}}}"#)?,
            Err(sentence) => {
                out.write_all(br#","error":"#)?;
                write_string(&mut out, sentence)?;
                out.write_all(b"}")?;
            }
        }
    }
    out.write_all(b"]}")?;
    io::stdout().write_all(&out)
}
