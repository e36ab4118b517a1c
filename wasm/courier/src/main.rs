//! A guest that sends requests by wasi:http, for the tests. One verb a run; each request's end is a
//! line of JSON on stdout, so that a test reads what happened and not how this program felt
//! about it. It ends with 0 whatever was refused, and with 2 where a verb is not understood.
//!
//! ```text
//! get URL...                    each in turn: status, bytes, and the body's beginning
//! head URL                      the same by HEAD
//! headers URL                   the response's headers, in their order
//! send METHOD SCHEME AUTHORITY PATH [NAME=VALUE...] [body BYTES]
//!                               the parts as they are; "-" is none; other:TEXT forces other(TEXT);
//!                               \xNN is the character U+00NN, which argv could not carry
//! post URL BYTES                a streamed body, its length not declared
//! stall URL BYTES               declares so long a body and never sends it
//! many URL N                    N at once: none is read before each has an answer
//! download URL                  to the end: bytes and sha256
//! cut URL                       drops the response half way
//! hold URL                      sends it, says so, and waits for ever
//! deny N URL                    N in turn: how often which answer came
//! within CONNECT FIRST BETWEEN URL
//!                               as `download`, with these time-outs in milliseconds; "-" is none
//! ```

mod line;
mod parts;
mod several;
mod single;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if run(&words).is_some() {
        return ExitCode::SUCCESS;
    }
    eprintln!("courier: not understood: {words:?}");
    ExitCode::from(2)
}

/// Do what is asked, or None where it is not understood.
fn run(words: &[&str]) -> Option<()> {
    match words {
        ["get", urls @ ..] => urls.iter().try_for_each(|url| single::get("GET", url)),
        ["head", url] => single::get("HEAD", url),
        ["headers", url] => single::headers(url),
        ["send", method, scheme, authority, path, rest @ ..] => {
            single::send(&parts::raw(method, scheme, authority, path, rest)?, parts::length(rest)?)
        }
        ["post", url, bytes] => single::send(&parts::of("POST", url)?, Some(number(bytes)?)),
        ["stall", url, bytes] => single::stall(url, number(bytes)?),
        ["many", url, count] => several::many(url, number(count)?),
        ["download", url] => single::download(&parts::of("GET", url)?),
        ["within", connect, first, between, url] => {
            let mut parts = parts::of("GET", url)?;
            parts.timeouts = parts::timeouts(connect, first, between)?;
            single::download(&parts)
        }
        ["cut", url] => single::cut(url),
        ["hold", url] => single::hold(url),
        ["deny", count, url] => several::deny(number(count)?, url),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}
