//! A request's parts out of words. Nothing is corrected: the host is to see what the test wrote.

use net::request::{Parts, Timeouts};
use wasip2::http::types::{Method, Scheme};

/// The parts that a URL names, cut at `://` and at the first of `/`, `?` and `#`.
pub fn of(verb: &str, url: &str) -> Option<Parts> {
    let (before, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.is_empty() { "/" } else { path };
    raw(verb, before, authority, path, &[])
}

/// The parts as they are given; of the rest, `NAME=VALUE` are headers.
pub fn raw(verb: &str, before: &str, authority: &str, path: &str, rest: &[&str]) -> Option<Parts> {
    let pairs = rest.iter().take_while(|word| **word != "body");
    let headers = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((unescaped(name), unescaped(value).into_bytes()))
    });
    Some(Parts {
        method: method(&unescaped(verb)),
        scheme: given(before).map(|text| scheme(&text)),
        authority: given(authority),
        path: given(path),
        headers: headers.collect::<Option<_>>()?,
        timeouts: Timeouts::default(),
    })
}

/// The length behind the word "body"; Some(None) where there is no such word.
pub fn length(rest: &[&str]) -> Option<Option<u64>> {
    match rest.iter().position(|word| *word == "body").map(|at| &rest[at + 1..]) {
        None => Some(None),
        Some([bytes]) => bytes.parse().ok().map(Some),
        Some(_) => None,
    }
}

pub fn timeouts(connect: &str, first: &str, between: &str) -> Option<Timeouts> {
    let time = |text: &str| if text == "-" { Some(None) } else { text.parse().ok().map(Some) };
    Some(Timeouts {
        connect: time(connect)?,
        first_byte: time(first)?,
        between_bytes: time(between)?,
    })
}

fn given(text: &str) -> Option<String> {
    (text != "-").then(|| unescaped(text))
}

fn method(text: &str) -> Method {
    match text {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.strip_prefix("other:").unwrap_or(other).to_owned()),
    }
}

fn scheme(text: &str) -> Scheme {
    match text {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.strip_prefix("other:").unwrap_or(other).to_owned()),
    }
}

/// Replace each `\xNN` by the character of that number.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split("\\x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..2).map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(number)) => {
                plain.push(char::from(number));
                plain.push_str(&piece[2..]);
            }
            _ => {
                plain.push_str("\\x");
                plain.push_str(piece);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_one_character_and_all_else_stays() {
        assert_eq!(unescaped(r"a\x00b\x0d\xe9"), "a\0b\r\u{e9}");
        assert_eq!(unescaped(r"\xzz\x1\"), r"\xzz\x1\");
        assert_eq!(unescaped("é#?"), "é#?");
    }

    #[test]
    fn a_url_is_cut_and_not_corrected() {
        let parts = of("GET", "http://u@h:1?q#f").unwrap();
        assert_eq!(
            (parts.authority.as_deref(), parts.path.as_deref()),
            (Some("u@h:1"), Some("?q#f"))
        );
        assert!(matches!(parts.scheme, Some(Scheme::Http)));
    }
}
