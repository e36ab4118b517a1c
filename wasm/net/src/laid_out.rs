//! JSON laid out to be read: what fits a line stays in one. Numbers, names and their order are as
//! they were sent.

use serde::de::IgnoredAny;

const WIDTH: usize = 100;
const INDENT: usize = 2;
const LONGER: usize = 4; // at most so many times as long: deep in, a digit takes a line of blanks

/// The text laid out, or None where it is no JSON, or would be many times as long.
pub fn json(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let bare = bare(text);
    let ends = ends(&bare);
    lay_out(&bare, &ends)
}

/// Without the white space between its tokens.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut quoted = Quoted::default();
    for each in text.chars() {
        if quoted.take(each) || !each.is_ascii_whitespace() {
            bare.push(each);
        }
    }
    bare
}

/// Whether a character is part of a string, one after another.
#[derive(Default)]
struct Quoted {
    is_open: bool,
    is_escape: bool,
}

impl Quoted {
    fn take(&mut self, each: char) -> bool {
        let was_open = self.is_open;
        if self.is_escape {
            self.is_escape = false;
        } else if each == '"' {
            self.is_open = !self.is_open;
        } else {
            self.is_escape = self.is_open && each == '\\';
        }
        was_open || self.is_open
    }
}

/// Where each bracket that opens is closed, in the order in which they open.
fn ends(bare: &str) -> Vec<usize> {
    let (mut ends, mut open) = (Vec::new(), Vec::new());
    let mut quoted = Quoted::default();
    for (at, each) in bare.char_indices() {
        if quoted.take(each) {
            continue;
        }
        match each {
            '[' | '{' => {
                open.push(ends.len());
                ends.push(at);
            }
            ']' | '}' => {
                if let Some(number) = open.pop() {
                    ends[number] = at;
                }
            }
            _ => {}
        }
    }
    ends
}

fn lay_out(bare: &str, ends: &[usize]) -> Option<String> {
    let most = bare.len() * LONGER + 4096;
    let mut out = String::with_capacity(bare.len() * 3 / 2);
    let mut ends = ends.iter();
    let mut level = 0;
    let mut flat_until = 0; // the end of a bracket that stays in its line
    let mut quoted = Quoted::default();
    for (at, each) in bare.char_indices() {
        if quoted.take(each) {
            out.push(each);
            continue;
        }
        if out.len() > most {
            return None;
        }
        match each {
            '[' | '{' => {
                out.push(each);
                let end = *ends.next().unwrap_or(&at);
                if at >= flat_until && end - at <= WIDTH {
                    flat_until = end + 1;
                } else if at >= flat_until {
                    level += 1;
                    start_line(&mut out, level);
                }
            }
            ']' | '}' if at >= flat_until => {
                level -= 1;
                start_line(&mut out, level);
                out.push(each);
            }
            ',' if at >= flat_until => {
                out.push(',');
                start_line(&mut out, level);
            }
            ',' => out.push_str(", "),
            ':' => out.push_str(": "),
            _ => out.push(each),
        }
    }
    Some(out)
}

fn start_line(out: &mut String, level: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', level * INDENT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays_in_its_line() {
        let text = "{ \"a\" : [ 1.0, 1e400, {\"b\":\"x: [y], \\\"z\\\"\"} ],\n\"a\":null }";
        assert_eq!(
            json(text).unwrap(),
            r#"{"a": [1.0, 1e400, {"b": "x: [y], \"z\""}], "a": null}"#
        );
    }

    #[test]
    fn what_is_long_is_one_member_a_line() {
        let long = "x".repeat(WIDTH);
        let text = format!(r#"{{"a":["{long}",{{}},[2]],"b":"{long}"}}"#);
        let expected = format!(
            "{{\n  \"a\": [\n    \"{long}\",\n    {{}},\n    [2]\n  ],\n  \"b\": \"{long}\"\n}}"
        );
        assert_eq!(json(&text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_json_is_left_to_others() {
        for text in ["", "{", "{\"a\":1}{\"b\":2}", "[1,]", &"[".repeat(100_000)] {
            assert_eq!(json(text), None);
        }
        let deep = format!("{}{}1{}", "[".repeat(100), "1,".repeat(10_000), "]".repeat(100));
        assert_eq!(json(&deep), None);
        assert_eq!(json("\"a b\"").unwrap(), "\"a b\"");
    }
}
