//! The content that is replaced, as far as the new one takes after it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use common::text::{self, Encoding, LineEnds};

use crate::kept;

const LARGEST: u64 = 4 << 20; // a larger file is looked at no further, and gets no diff

pub struct Old {
    pub length: u64,
    bytes: Vec<u8>,
    /// None for what is no text, or too large.
    pub text: Option<(String, Encoding)>,
}

impl Old {
    /// Read what is there; None for nothing.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let data = match fs::metadata(path) {
            Ok(data) => data,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if data.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
        let is_whole = data.len() <= LARGEST;
        let text = if is_whole { text::decode(&bytes) } else { None };
        Ok(Some(Self { length: data.len(), bytes, text }))
    }

    pub fn is(&self, bytes: &[u8]) -> bool {
        self.length == self.bytes.len() as u64 && self.bytes == bytes
    }

    /// The new content's bytes, with the line ends and the encoding of the old, and what to say.
    pub fn dress(&self, content: &str) -> (Vec<u8>, Vec<String>) {
        let mut notes = Vec::new();
        let mut content = text::without_mark(content).to_owned();
        let Some((old, encoding)) = &self.text else { return (content.into_bytes(), notes) };
        if text::line_ends(old) == LineEnds::CrLf && content.contains('\n') {
            content = text::with_crlf(&content);
            notes.push("CRLF line ends kept".into());
        }
        match encoding.encode(&content) {
            Some(bytes) => {
                notes.extend(kept(*encoding));
                (bytes, notes)
            }
            None => {
                notes.push(format!("now UTF-8: {} lacks a character of it", encoding.name()));
                (content.into_bytes(), notes)
            }
        }
    }
}
