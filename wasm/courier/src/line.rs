//! One line of JSON, from its first key to its last.

use std::io::{self, Write};

use common::json::write_string;
use net::code;
use net::request::Trouble;
use wasip2::http::types::ErrorCode;

pub struct Line(Vec<u8>);

impl Line {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn number(self, name: &str, value: u64) -> Self {
        self.raw(name, value.to_string().as_bytes())
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &quoted(value))
    }

    pub fn yes(self, name: &str) -> Self {
        self.raw(name, b"true")
    }

    /// Pairs of texts, in their order.
    pub fn pairs(self, name: &str, pairs: &[(String, String)]) -> Self {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| pair(a, b)).collect();
        let mut value = b"[".to_vec();
        value.extend(pairs.join(&b','));
        value.push(b']');
        self.raw(name, &value)
    }

    /// The name that WIT gives an error, and what it says beside.
    pub fn error(self, error: &ErrorCode) -> Self {
        let line = self.text("error", code::name(error));
        match code::detail(error) {
            detail if detail.is_empty() => line,
            detail => line.text("detail", &detail),
        }
    }

    /// What kept a request from having a response.
    pub fn trouble(self, trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Part(part) => self.text("refused", part),
            Trouble::Code(code) => self.error(code),
        }
    }

    pub fn print(self) {
        let mut out = io::stdout().lock();
        let line = [b"{", self.0.as_slice(), b"}\n"].concat();
        // Where nobody reads, there is nobody to tell.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }

    fn raw(mut self, name: &str, value: &[u8]) -> Self {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.extend(quoted(name));
        self.0.push(b':');
        self.0.extend(value);
        self
    }
}

fn pair(one: &str, other: &str) -> Vec<u8> {
    [b"[".as_slice(), &quoted(one), b",", &quoted(other), b"]"].concat()
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    // A Vec takes every write.
    let _ = write_string(&mut out, text);
    out
}
