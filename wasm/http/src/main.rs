//! `http`: one request of any method, and its response with status, headers and body. Redirects are
//! shown, not followed. The arguments are JSON on stdin, for a body may be any JSON value.

mod asked;

use std::io::{self, Read};
use std::process::ExitCode;

use common::fail::Failure;
use common::image::{Format, LARGEST};
use common::size::short;
use net::deadline::Deadline;
use net::exchange::{self, Body};
use net::headers::Headers;
use net::media::{self, Content};
use net::report::{self, Report};
use net::{charset, laid_out, window};

use asked::Asked;

/// What a model acts on; the others are for browsers and caches.
const MATTER: [&str; 14] = [
    "allow",
    "content-disposition",
    "content-location",
    "content-range",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "set-cookie",
    "www-authenticate",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

fn main() -> ExitCode {
    report::end(run())
}

fn run() -> Result<Report, Failure> {
    let mut arguments = Vec::new();
    io::stdin().read_to_end(&mut arguments).map_err(|error| Failure::of("arguments", &error))?;
    let asked = asked::read(&arguments)?;
    let deadline = Deadline::after(exchange::TIME);
    let Asked { method, url, headers, content, .. } = &asked;
    let answer =
        exchange::ask(asked::method(method), url, headers.clone(), content.clone(), deadline)?;
    let (status, headers) = (answer.status, Headers(answer.headers.0.clone()));
    let body = if method == "HEAD" { Body::empty() } else { answer.read()? };
    let mut text = format!("{method} {url} · {status}");
    if !headers.media_type().is_empty() && !body.bytes.is_empty() {
        text.push_str(&format!(" · {}", headers.media_type()));
    }
    text.push_str(&format!(" · {}", short(body.bytes.len() as u64)));
    text.push_str(&headers.lines(|name| asked.shows(name)));
    let (content, image) = view(&headers, &body, asked.limit);
    if !content.is_empty() {
        text.push_str(&format!("\n\n{content}"));
    }
    if let Some(broken) = &body.broken {
        text.push_str(&format!("\n[incomplete: {broken}]"));
    }
    let is_error = status >= 400 || body.broken.is_some();
    Ok(Report { text, image: image.map(|format| (format, body.bytes)), is_error })
}

impl Asked {
    fn shows(&self, name: &str) -> bool {
        self.all_headers || self.method == "HEAD" || MATTER.contains(&name)
    }
}

fn view(headers: &Headers, body: &Body, limit: u64) -> (String, Option<Format>) {
    let media_type = headers.media_type();
    if body.bytes.is_empty() {
        return (String::new(), None);
    }
    let decoded = |is_markup| charset::text(&body.bytes, headers.charset(), is_markup);
    let text = match media::content(&media_type, &body.bytes) {
        Content::Image(format) if body.bytes.len() as u64 <= LARGEST && body.broken.is_none() => {
            return (String::new(), Some(format));
        }
        Content::Image(_) => return ("[an image, too large or not whole: not shown]".into(), None),
        Content::Other => return ("[neither text nor an image: not shown]".into(), None),
        Content::Html => decoded(true),
        Content::Json => {
            let text = decoded(false);
            laid_out::json(&text).unwrap_or(text)
        }
        Content::Text => decoded(media_type.ends_with("xml")),
    };
    (window::beginning(&text, limit, body.is_cut), None)
}
