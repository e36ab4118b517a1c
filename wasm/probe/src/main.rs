//! A guest that tries things. Each argument pair is an act and its object; each prints one line:
//! `act object: done …` or `act object: <error kind>`. It ends with 0 whatever was refused, so that
//! a test reads what happened and not how this program felt about it.
//!
//! One source for both kinds of binary: `wasm32-wasip1` (a module), `wasm32-wasip2` (a component).

mod hogs;
mod memory;
mod sockets;

use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

const LURKING: Duration = Duration::from_millis(400);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for pair in words.chunks(2) {
        let act = pair[0].as_str();
        let object = pair.get(1).map_or("", String::as_str);
        match run(act, object) {
            Ok(said) => {
                println!("{act} {object}: done{}{said}", if said.is_empty() { "" } else { " " })
            }
            Err(error) => println!("{act} {object}: {}", named(&error)),
        }
    }
}

/// An error's kind; where Rust has no word for it, the system's number or sentence.
fn named(error: &io::Error) -> String {
    match (format!("{:?}", error.kind()), error.raw_os_error()) {
        (kind, _) if kind != "Uncategorized" => kind,
        (_, Some(number)) => format!("errno {number}"),
        (_, None) => error.to_string(),
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
        "environ" => {
            Ok(std::env::vars().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","))
        }
        "args" => Ok(std::env::args().collect::<Vec<_>>().join("|")),
        "stdin" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            Ok(text)
        }
        "print" => io::stdout().write_all(object.as_bytes()).map(none),
        "emit" => emit(object),
        "nest" => nest(number(object) as usize),
        "fail" => fail(object),
        "warn" => io::stderr().write_all(object.as_bytes()).map(none),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(object)));
            Ok(String::new())
        }
        "exit" => std::process::exit(number(object) as i32),
        "panic" => panic!("the guest panics on purpose"),
        "random" => Ok(RandomState::new().hash_one(0).to_string()), // keys from the host's randomness
        "move" => pair(object).and_then(|(from, to)| fs::rename(from, to)).map(none),
        "bind" => pair(object).and_then(|(from, to)| fs::hard_link(from, to)).map(none),
        "symlink" => pair(object).and_then(|(target, name)| plant(target, name)).map(none),
        "lurk" => lurk(object),
        "remember" => Ok(memory::remember(object)),
        "recall" => Ok(memory::recall(object)),
        "connect" | "udp" | "listen" | "resolve" => sockets::run(act, object),
        _ if act.starts_with("sock-") => sockets::run(act, object),
        _ => hogs::run(act, object),
    }
}

fn none(_: ()) -> String {
    String::new()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Writes bytes, given in hexadecimal, and ends: nothing else comes after them.
fn emit(object: &str) -> io::Result<String> {
    let bytes: Vec<u8> = (0..object.len() / 2)
        .map(|at| u8::from_str_radix(&object[2 * at..2 * at + 2], 16).unwrap_or(b'?'))
        .collect();
    io::stdout().write_all(&bytes)?;
    io::stdout().flush()?;
    std::process::exit(0)
}

/// Writes a JSON array in an array, and so on, and ends.
fn nest(levels: usize) -> io::Result<String> {
    io::stdout().write_all(&[vec![b'['; levels], vec![b']'; levels]].concat())?;
    std::process::exit(0)
}

/// Gives up with a reason.
fn fail(object: &str) -> io::Result<String> {
    io::stderr().write_all(object.as_bytes())?;
    std::process::exit(1)
}

/// Both halves of "from>to".
fn pair(object: &str) -> io::Result<(&str, &str)> {
    object.split_once('>').ok_or(io::ErrorKind::InvalidInput.into())
}

// Stable Rust wraps this function of wasi-libc nowhere.
unsafe extern "C" {
    fn symlink(target: *const c_char, name: *const c_char) -> c_int;
}

fn plant(target: &str, name: &str) -> io::Result<()> {
    let (target, name) = (CString::new(target)?, CString::new(name)?);
    // SAFETY: both are strings with a NUL at the end, and outlive the call.
    match unsafe { symlink(target.as_ptr(), name.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads a file again and again for a while; says every content that it got.
fn lurk(object: &str) -> io::Result<String> {
    let begin = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    while begin.elapsed() < LURKING {
        if let Ok(text) = fs::read_to_string(object) {
            let line = text.replace('\n', "|");
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
    }
    Ok(seen.join(","))
}

fn names(object: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(object)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(","))
}
