//! `write`: a file's whole content, from stdin. Beside, fsync, rename: the file is the old or the new.

use common::{Arguments, explain, fail, size};
use similar::TextDiff;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

const SUFFIX: &str = ".preopen-part"; // names what a killed call leaves; the next call clears it
const DIFF_AT_MOST: usize = 60; // lines
const DIFFED_AT_MOST: usize = 1 << 20; // bytes

fn main() {
    let arguments = Arguments::read();
    let [path] = arguments.operands.as_slice() else { fail("write takes one path") };
    let mut content = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut content) {
        fail(format!("the content could not be read: {error}"));
    }
    match write(path, content) {
        Ok(said) => println!("{said}"),
        Err(error) => fail(explain(path, &error)),
    }
}

fn write(path: &str, mut content: String) -> io::Result<String> {
    let target = Path::new(path);
    let old = match fs::metadata(target) {
        Ok(about) if about.is_dir() => fail(format!("{path} is a folder; name a file")),
        Ok(_) => Some(fs::read(target)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if old.as_deref().is_some_and(has_crlf) && !content.contains("\r\n") {
        content = content.replace('\n', "\r\n");
    }
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    replace(target, content.as_bytes())?;
    let bytes = size(content.len() as u64);
    Ok(match old {
        None => format!("created {path}, {bytes}"),
        Some(old) if old == content.as_bytes() => format!("{path} already held just that, {bytes}"),
        Some(old) => format!("overwrote {path}, {bytes}{}", diff(&old, &content)),
    })
}

/// Writes beside the target and renames: whoever looks sees the old file or the new one.
fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = target.with_file_name(format!(".{name}{SUFFIX}"));
    let _ = fs::remove_file(&beside); // a killed call's; where there is none, there is nothing to do
    let done = File::create_new(&beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, target));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

/// Whether every line of a text ends in CR LF.
fn has_crlf(old: &[u8]) -> bool {
    let ends = old.iter().filter(|byte| **byte == b'\n').count();
    ends > 0 && ends == old.windows(2).filter(|pair| pair == b"\r\n").count()
}

fn diff(old: &[u8], new: &str) -> String {
    let Ok(old) = std::str::from_utf8(old) else { return String::new() };
    if old.len().max(new.len()) > DIFFED_AT_MOST {
        return String::new();
    }
    let text = TextDiff::from_lines(old, new).unified_diff().context_radius(1).to_string();
    let lines: Vec<&str> = text.lines().collect();
    let more = lines.len().saturating_sub(DIFF_AT_MOST);
    let shown = lines[..lines.len() - more].join("\n");
    let rest = if more > 0 { format!("\n[{more} more lines of diff]") } else { String::new() };
    format!("\n{shown}{rest}")
}
