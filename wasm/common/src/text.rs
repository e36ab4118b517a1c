//! Bytes as text and back: UTF-8, UTF-16, and Latin-1 as the web reads it (Windows-1252).

use std::borrow::Cow;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Utf8,
    /// With a byte order mark, which is no part of the text.
    Utf8Marked,
    Utf16 {
        big: bool,
        marked: bool,
    },
    Latin1,
}

const MARK: &str = "\u{feff}";
const HEAD: usize = 8 << 10; // bytes from which text is told from everything else

/// What 0x80 to 0x9f mean in Windows-1252. The five that mean nothing stand for themselves, so that
/// every byte comes back as it was.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf8Marked => "UTF-8 with a byte order mark",
            Encoding::Utf16 { big: false, .. } => "UTF-16LE",
            Encoding::Utf16 { big: true, .. } => "UTF-16BE",
            Encoding::Latin1 => "Latin-1",
        }
    }

    /// The bytes before the text.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Encoding::Utf8Marked => b"\xef\xbb\xbf",
            Encoding::Utf16 { big: false, marked: true } => b"\xff\xfe",
            Encoding::Utf16 { big: true, marked: true } => b"\xfe\xff",
            _ => b"",
        }
    }

    /// The bytes of a text, which is UTF-8 but for what was broken before it was decoded; None
    /// where Latin-1 lacks one of its characters.
    pub fn encode(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut bytes = self.mark().to_vec();
        match self {
            Encoding::Utf8 => return Some(Cow::Borrowed(text)),
            Encoding::Utf8Marked => bytes.extend_from_slice(text),
            Encoding::Utf16 { big, .. } => {
                for unit in std::str::from_utf8(text).ok()?.encode_utf16() {
                    bytes.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
            }
            Encoding::Latin1 => {
                for each in std::str::from_utf8(text).ok()?.chars() {
                    bytes.push(latin1_byte(each)?);
                }
            }
        }
        Some(Cow::Owned(bytes))
    }

    /// The first character that has no byte in this encoding.
    pub fn lacks(self, text: &str) -> Option<char> {
        match self {
            Encoding::Latin1 => text.chars().find(|each| latin1_byte(*each).is_none()),
            _ => None,
        }
    }
}

/// What a file's first bytes say that it is; None where it is not text. Latin-1 is not told from
/// UTF-8 here: see `decode` and `guess`.
pub fn sniff(head: &[u8]) -> Option<Encoding> {
    if head.starts_with(b"\xef\xbb\xbf") {
        return Some(Encoding::Utf8Marked);
    }
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        return None; // UTF-32, which nobody writes
    }
    if head.starts_with(b"\xff\xfe") {
        return Some(Encoding::Utf16 { big: false, marked: true });
    }
    if head.starts_with(b"\xfe\xff") {
        return Some(Encoding::Utf16 { big: true, marked: true });
    }
    if head.contains(&0) {
        return unmarked_utf16(head);
    }
    Some(Encoding::Utf8)
}

/// UTF-16 without a mark: mostly European text, so every other byte is mostly NUL.
fn unmarked_utf16(head: &[u8]) -> Option<Encoding> {
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, units) = (zeros(0), zeros(1), head.len() / 2);
    let is_text = |zero: usize, other: usize| units > 1 && zero * 10 > units * 7 && other == 0;
    match () {
        () if is_text(odd, even) => Some(Encoding::Utf16 { big: false, marked: false }),
        () if is_text(even, odd) => Some(Encoding::Utf16 { big: true, marked: false }),
        () => None,
    }
}

/// A whole file as UTF-8, and how it is encoded; None for what is no text, and for UTF-16 that is
/// broken. What is broken in UTF-8 stays as it is: encoding gives these bytes again, always.
pub fn decode(mut bytes: Vec<u8>) -> Option<(Vec<u8>, Encoding)> {
    let encoding = sniff(&bytes[..bytes.len().min(HEAD)])?;
    bytes.drain(..encoding.mark().len());
    match encoding {
        Encoding::Utf16 { big, .. } => Some((utf16(&bytes, big)?.into_bytes(), encoding)),
        Encoding::Utf8 if std::str::from_utf8(&bytes).is_err() => match guess(&bytes) {
            Encoding::Latin1 => Some((latin1(&bytes).into_bytes(), Encoding::Latin1)),
            _ => Some((bytes, encoding)),
        },
        _ => Some((bytes, encoding)),
    }
}

/// Whether bytes that are no UTF-8 are Latin-1, or UTF-8 with something broken in it: the latter
/// where more characters are well made than broken.
pub fn guess(bytes: &[u8]) -> Encoding {
    let (mut good, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    if broken > 0 && good <= broken { Encoding::Latin1 } else { Encoding::Utf8 }
}

/// Every byte as the character that it is in Windows-1252.
pub fn latin1(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
            _ => char::from(*byte),
        })
        .collect()
}

fn latin1_byte(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0..=0x7f | 0xa0..=0xff) => u8::try_from(code).ok(),
        _ => HIGH.iter().zip(0x80..).find_map(|(high, byte)| (*high == c).then_some(byte)),
    }
}

fn utf16(bytes: &[u8], big: bool) -> Option<String> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    char::decode_utf16(pairs.map(|pair| unit(pair[0], pair[1], big))).collect::<Result<_, _>>().ok()
}

pub fn unit(first: u8, second: u8, big: bool) -> u16 {
    if big { u16::from_be_bytes([first, second]) } else { u16::from_le_bytes([first, second]) }
}

/// Text without a byte order mark at its beginning.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// How most lines of a text end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineEnds {
    Lf,
    CrLf,
}

pub fn line_ends(text: &[u8]) -> LineEnds {
    let crlf = text.windows(2).filter(|two| two == b"\r\n").count();
    let all = text.iter().filter(|byte| **byte == b'\n').count();
    if crlf * 2 > all { LineEnds::CrLf } else { LineEnds::Lf }
}

/// The text with every line ending as CRLF, those that did already too.
pub fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(bytes: &[u8], text: &[u8], encoding: Encoding) {
        assert_eq!(decode(bytes.to_vec()), Some((text.to_vec(), encoding)));
        assert_eq!(encoding.encode(text).as_deref(), Some(bytes));
    }

    #[test]
    fn every_byte_comes_back_from_latin1() {
        let bytes: Vec<u8> = (1..=255).collect();
        there_and_back(&bytes, latin1(&bytes).as_bytes(), Encoding::Latin1);
    }

    #[test]
    fn text_and_bytes_go_both_ways() {
        let text = "größer: naïve façade test\r\n".as_bytes();
        for encoding in [
            Encoding::Utf8,
            Encoding::Utf8Marked,
            Encoding::Latin1,
            Encoding::Utf16 { big: false, marked: true },
            Encoding::Utf16 { big: true, marked: false },
        ] {
            there_and_back(&encoding.encode(text).unwrap(), text, encoding);
        }
    }

    #[test]
    fn what_is_broken_in_utf8_is_kept() {
        let broken = [&"äääää".as_bytes()[..9], b"\xff", b"\xe2\x82"].concat();
        there_and_back(&broken, &broken, Encoding::Utf8);
        let marked = [b"\xef\xbb\xbf", broken.as_slice()].concat();
        there_and_back(&marked, &broken, Encoding::Utf8Marked);
    }

    #[test]
    fn binaries_and_broken_utf16_are_no_text() {
        assert!(decode(b"\x7fELF\x02\x01\x01\0\0\0".to_vec()).is_none());
        assert!(decode(b"\xff\xfea".to_vec()).is_none());
        assert!(decode(b"\xff\xfe\0\xd8a\0".to_vec()).is_none());
    }

    #[test]
    fn latin1_lacks_most_characters() {
        assert_eq!(Encoding::Latin1.lacks("é€"), None);
        assert_eq!(Encoding::Latin1.lacks("é → b"), Some('→'));
        assert_eq!(Encoding::Utf8.lacks("→"), None);
    }
}
