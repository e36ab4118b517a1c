//! `read`: a text file as numbered lines, an image as an image, anything else by what it is.
//!
//! Prints one envelope. Streams: a file of any size is read in bounded memory.

mod kind;
mod lines;

use base64::Engine as _;
use common::{Arguments, explain, fail, size};
use encoding_rs::{UTF_16BE, UTF_16LE};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

const IMAGE_AT_MOST: u64 = 5 << 20; // what clients show; the manifest's `output` has room for its base64
const UTF16_AT_MOST: u64 = 16 << 20; // is decoded whole

fn main() {
    let arguments = Arguments::read();
    let [path] = arguments.operands.as_slice() else { fail("read takes one path") };
    let wanted = lines::Wanted {
        first: arguments.number("offset", 1).max(1),
        count: arguments.number("limit", 2000),
    };
    println!("{}", json!({ "content": content(path, &wanted) }));
}

fn content(path: &str, wanted: &lines::Wanted) -> Value {
    let broken = |error| -> ! { fail(explain(path, &error)) };
    let about = std::fs::metadata(path).unwrap_or_else(|error| broken(error));
    if about.is_dir() {
        fail(format!("{path} is a folder; list shows what is in it"));
    }
    let mut file = File::open(path).unwrap_or_else(|error| broken(error));
    let mut head = Vec::new();
    file.by_ref().take(8192).read_to_end(&mut head).unwrap_or_else(|error| broken(error));
    file.seek(SeekFrom::Start(0)).unwrap_or_else(|error| broken(error));
    match kind::of(&head) {
        kind::Kind::Empty => json!(format!("{path} is empty.")),
        kind::Kind::Image(mime) if about.len() <= IMAGE_AT_MOST => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap_or_else(|error| broken(error));
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            json!([{ "type": "image", "data": data, "mimeType": mime }])
        }
        kind::Kind::Image(mime) => {
            json!(format!("{path} is an image ({mime}) of {}; up to {} are shown.", size(about.len()), size(IMAGE_AT_MOST)))
        }
        kind::Kind::Binary(what) => json!(format!("{path} is {what}, {}; it is not shown as text.", size(about.len()))),
        kind::Kind::Utf16 { big_endian } => {
            let mut bytes = Vec::new();
            file.take(UTF16_AT_MOST).read_to_end(&mut bytes).unwrap_or_else(|error| broken(error));
            let (encoding, name) = if big_endian { (UTF_16BE, "UTF-16BE") } else { (UTF_16LE, "UTF-16LE") };
            let text = encoding.decode(&bytes).0.into_owned();
            let note = format!("[decoded from {name}]\n");
            json!(note + &lines::show(Cursor::new(text.into_bytes()), wanted).unwrap_or_else(|error| broken(error)))
        }
        kind::Kind::Text => json!(lines::show(file, wanted).unwrap_or_else(|error| broken(error))),
    }
}
