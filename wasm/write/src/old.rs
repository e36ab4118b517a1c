//! The content that is replaced, as far as the new one takes after it.

use std::io;

use common::replace::Current;
use common::text::{self, Encoding, LineEnds};

const LARGEST: u64 = 4 << 20; // of a larger file only so much is looked at, and it gets no diff

pub struct Old {
    bytes: Vec<u8>,
    is_whole: bool,
    /// None for what is no text.
    pub text: Option<(Vec<u8>, Encoding)>,
}

impl Old {
    pub fn read(file: &mut Current) -> io::Result<Self> {
        let bytes = file.read(LARGEST)?;
        let is_whole = bytes.len() as u64 == file.length;
        let head = if is_whole { bytes.len() } else { whole_characters(&bytes) };
        let text = text::decode(bytes[..head].to_vec());
        Ok(Self { bytes, is_whole, text })
    }

    pub fn is(&self, bytes: &[u8]) -> bool {
        self.is_whole && self.bytes == bytes
    }

    /// The whole old text, for a diff.
    pub fn whole_text(&self) -> Option<&[u8]> {
        self.text.as_ref().filter(|_| self.is_whole).map(|(text, _)| text.as_slice())
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
        match encoding.encode(content.as_bytes()) {
            Some(bytes) => {
                if *encoding != Encoding::Utf8 {
                    notes.push(format!("{} kept", encoding.name()));
                }
                (bytes.into_owned(), notes)
            }
            None => {
                notes.push(format!("now UTF-8: {} lacks a character of it", encoding.name()));
                (content.into_bytes(), notes)
            }
        }
    }
}

/// How many bytes of a beginning to look at, so that no character is cut: to its last line end,
/// and in UTF-16 to the whole character before that.
fn whole_characters(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) & !1
}
