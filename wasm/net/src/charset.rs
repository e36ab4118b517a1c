//! Bytes of the web as text: by the byte order mark, the header's charset, the page's own word, and
//! where nothing is said, UTF-8 if it is that, else Windows-1252.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

const HEAD: usize = 1024; // the bytes in which a page has to say it (HTML, 13.2.3.2)

/// The text. What could not be decoded is shown as U+FFFD.
pub fn text(bytes: &[u8], said: Option<&str>, is_markup: bool) -> String {
    let (text, _, _) = encoding(bytes, said, is_markup).decode(bytes);
    text.into_owned()
}

fn encoding(bytes: &[u8], said: Option<&str>, is_markup: bool) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    if let Some(encoding) = said.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return encoding;
    }
    let own = if is_markup { own_word(&bytes[..bytes.len().min(HEAD)]) } else { None };
    own.unwrap_or_else(|| if is_utf8(bytes) { UTF_8 } else { WINDOWS_1252 })
}

/// What stands behind `charset=` or `encoding=` in a page's first bytes.
fn own_word(head: &[u8]) -> Option<&'static Encoding> {
    let lower = head.to_ascii_lowercase();
    let end = ["charset", "encoding"].iter().find_map(|word| {
        let start = memchr::memmem::find(&lower, word.as_bytes())?;
        Some(start + word.len())
    })?;
    let rest = lower[end..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte);
    let length = rest.iter().take_while(|byte| is_label(byte)).count();
    // Its bytes were read as ASCII, so it cannot be UTF-16, whatever it says.
    match Encoding::for_label(&rest[..length])? {
        wide if wide == UTF_16LE || wide == UTF_16BE => Some(UTF_8),
        encoding => Some(encoding),
    }
}

/// Whether this is UTF-8, but for a character that is cut at the end.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_comes_first_then_the_header_then_the_page() {
        let page = b"<meta charset='windows-1251'>\xe4";
        assert!(text(page, None, true).ends_with('д'));
        assert!(text(page, Some("iso-8859-2"), true).ends_with('ä'));
        assert_eq!(text(b"\xff\xfea\0", Some("utf-8"), true), "a");
        let long = b"<?xml version='1.0' encoding = \"Shift_JIS\"?>\x83\x65";
        assert!(text(long, None, true).ends_with('テ'));
    }

    #[test]
    fn where_nothing_is_said_utf8_is_told_from_the_rest() {
        assert_eq!(text("ä€".as_bytes(), None, false), "ä€");
        assert_eq!(text(b"\xe4\x80.", None, false), "ä€.");
        assert_eq!(text(&"aä".as_bytes()[..2], None, false), "a\u{fffd}");
        assert_eq!(text(b"charset=koi8-r \xc4.", None, false), "charset=koi8-r Ä.");
        assert_eq!(text(b"<meta charset=utf-16>\xc3\xa4", None, true), "<meta charset=utf-16>ä");
        assert_eq!(text(b"a", Some("no-such-charset"), true), "a");
    }
}
