//! Names as they are shown: one line each, whatever they hold.

use std::borrow::Cow;
use std::fmt::Write;

/// A name or path as it can stand in a line. One with a control character in it is put in quotes
/// and escaped, so that no name ends its line or looks like another line of the result.
pub fn shown(name: &str) -> Cow<'_, str> {
    if !name.chars().any(needs_escape) {
        return Cow::Borrowed(name);
    }
    let mut text = String::from("\"");
    for each in name.chars() {
        match each {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            // A String takes every write.
            c if needs_escape(c) => drop(write!(text, "\\u{{{:x}}}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    Cow::Owned(text)
}

/// Control characters, line separators, and the marks that turn a line's direction around.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
