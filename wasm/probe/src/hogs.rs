//! Acts that take more than their share: of time, memory, stack, output, files.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::number;

pub fn run(act: &str, object: &str) -> io::Result<String> {
    match act {
        "spin" => spin(number(object)),
        "recurse" => Ok(recurse(number(object)).to_string()),
        "grow" => grow(number(object)),
        "hoard" => hoard(number(object)),
        "flood" => flood(object),
        "pour" => pour(object, &mut io::stdout().lock(), 4096),
        "pour-stderr" => pour(object, &mut io::stderr().lock(), 4096),
        "drip" => pour(object, &mut io::stdout().lock(), 1),
        "fill" => fill(object),
        "inflate" => inflate(object),
        "litter" => litter(object),
        "open" => open_many(object),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Computes for so many milliseconds; 0 is for ever.
fn spin(most: u64) -> io::Result<String> {
    let begin = Instant::now();
    while most == 0 || begin.elapsed() < Duration::from_millis(most) {
        for round in 0..1_000_000 {
            std::hint::black_box(round);
        }
    }
    Ok(String::new())
}

/// Calls itself so many times, one within another; 0 is for ever.
fn recurse(most: u64) -> u64 {
    if most == 1 {
        return 1;
    }
    std::hint::black_box(recurse(std::hint::black_box(most.wrapping_sub(1)))) + 1
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

/// Writes so many KiB to a stream, at once or a byte at a time.
fn pour(object: &str, stream: &mut dyn Write, piece: usize) -> io::Result<String> {
    let block = [b'x'; 4096];
    for _ in 0..number(object) * 1024 / piece as u64 {
        stream.write_all(&block[..piece])?;
        stream.flush()?;
    }
    Ok(String::new())
}

/// Writes up to 4 MiB to one file; says how far it got.
fn inflate(object: &str) -> io::Result<String> {
    let mut file = File::create(object)?;
    let block = [b'x'; 65536];
    for _ in 0..64 {
        if let Err(error) = file.write_all(&block) {
            return Ok(format!("{} {:?}", file.metadata()?.len(), error.kind()));
        }
    }
    Ok(file.metadata()?.len().to_string())
}

/// Makes empty files in a folder for a second and a half; says how many.
fn litter(object: &str) -> io::Result<String> {
    let begin = Instant::now();
    let mut made = 0;
    while begin.elapsed() < Duration::from_millis(1500) {
        File::create(format!("{object}/{made}"))?;
        made += 1;
    }
    Ok(made.to_string())
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
