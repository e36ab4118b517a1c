//! `fetch`: a page by GET, as a model reads it: HTML as Markdown, JSON laid out, text, or an image.
//!
//! Redirects are followed within one scheme, host and port: what a call is allowed was decided for
//! the URL that was asked for. One that leads elsewhere is the model's to follow.

mod inline;
mod markdown;
mod page;
mod table;
mod tree;

use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::Failure;
use common::image::LARGEST;
use common::size::short;
use net::deadline::Deadline;
use net::exchange::{self, Answer, Body};
use net::media::{self, Content, Kind};
use net::report::{self, Report};
use net::{charset, laid_out, target, window};
use url::Url;
use wasip2::http::types::Method;

const REDIRECTS: usize = 10;
const ELSEWHERE: &str = "[another site: it was not asked; call fetch again with that URL]";
const HEADERS: [(&str, &str); 3] = [
    ("accept", "text/markdown, text/html;q=0.9, */*;q=0.8"),
    ("accept-encoding", "gzip"),
    ("user-agent", "preopen-fetch/0.1"),
];

struct Asked {
    url: Url,
    offset: u64,
    limit: u64,
    is_raw: bool,
    is_head: bool,
}

fn main() -> ExitCode {
    report::end(asked().and_then(run))
}

fn asked() -> Result<Asked, Failure> {
    let mut args = Args::read()?;
    Ok(Asked {
        offset: args.number("offset", 1, 1..=u64::MAX)?,
        limit: args.number("limit", window::CHARACTERS, 1..=window::MOST)?,
        is_raw: args.flag("raw")?,
        is_head: args.flag("head")?,
        url: target::parse(&args::only(args.finish()?, "url")?)?,
    })
}

fn run(asked: Asked) -> Result<Report, Failure> {
    let deadline = Deadline::after(exchange::TIME);
    let mut url = asked.url.clone();
    for _ in 0..=REDIRECTS {
        let answer = get(&url, asked.is_head, deadline)?;
        let Some(next) = redirect(&url, &answer) else { return show(&asked, &url, answer) };
        if !target::is_same_place(&url, &next) {
            let status = answer.status;
            let text = format!("{url} · {status} → {next}\n{ELSEWHERE}");
            return Ok(Report { text, image: None, is_error: false });
        }
        url = next;
    }
    Err(format!("{}: more than {REDIRECTS} redirects, the last one to {url}", asked.url).into())
}

fn get(url: &Url, is_head: bool, deadline: Deadline) -> Result<Answer, Failure> {
    let method = if is_head { Method::Head } else { Method::Get };
    let headers = HEADERS.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    exchange::ask(method, url, headers.to_vec(), None, deadline)
}

/// Where a response leads, or None where it is the last one.
fn redirect(url: &Url, answer: &Answer) -> Option<Url> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut next = url.join(answer.headers.get("location")?).ok()?;
    next.set_fragment(None);
    Some(next)
}

fn show(asked: &Asked, url: &Url, answer: Answer) -> Result<Report, Failure> {
    let is_error = answer.status >= 400;
    let media_type = answer.headers.media_type();
    let charset = answer.headers.charset().map(str::to_owned);
    let line = format!("{url} · {}", answer.status);
    if asked.is_head {
        let text = format!("{line}{}", answer.headers.lines(|_| true));
        return Ok(Report { text, image: None, is_error });
    }
    if media::of(&media_type) == Kind::Other {
        let length = answer.headers.length();
        return Ok(Report { text: named(&line, &media_type, length), image: None, is_error });
    }
    let body = answer.read()?;
    let line = format!("{line} · {} · {}", or_unsaid(&media_type), size(&body));
    let (text, image) = view(asked, url, &media_type, charset.as_deref(), &body);
    let mut text = [line, text].join(if image.is_some() { " · " } else { "\n" });
    if let Some(broken) = &body.broken {
        text.push_str(&format!("\n[incomplete: {broken}]"));
    }
    let image = image.map(|format| (format, body.bytes));
    Ok(Report { text, image, is_error: is_error || body.broken.is_some() })
}

/// The content below the first line, and the image's format where it is one.
fn view(
    asked: &Asked,
    url: &Url,
    media_type: &str,
    charset: Option<&str>,
    body: &Body,
) -> (String, Option<common::image::Format>) {
    let decoded = |is_markup| charset::text(&body.bytes, charset, is_markup);
    let text = match media::content(media_type, &body.bytes) {
        Content::Image(format) if body.bytes.len() as u64 <= LARGEST && body.broken.is_none() => {
            return (format!("{} image", format.name), Some(format));
        }
        Content::Image(format) => {
            let why = if body.broken.is_some() { "not whole" } else { "up to 3.75M are shown" };
            return (format!("[{} image: {why}]", format.name), None);
        }
        Content::Other => return ("[fetch shows text and images]".into(), None),
        Content::Html if !asked.is_raw => page::read(&decoded(true), url),
        Content::Html => decoded(true),
        Content::Json => {
            let text = decoded(false);
            let laid_out = if asked.is_raw { None } else { laid_out::json(&text) };
            laid_out.unwrap_or(text)
        }
        Content::Text => decoded(media_type.ends_with("xml")),
    };
    (window::part(&text, asked.offset, asked.limit, body.is_cut), None)
}

fn named(line: &str, media_type: &str, length: Option<u64>) -> String {
    let size = length.map_or_else(|| "of unknown length".into(), short);
    format!("{line} · {media_type} · {size}\n[fetch shows text and images]")
}

fn or_unsaid(media_type: &str) -> &str {
    if media_type.is_empty() { "no media type" } else { media_type }
}

fn size(body: &Body) -> String {
    let more = if body.is_cut { "more than " } else { "" };
    format!("{more}{}", short(body.bytes.len() as u64))
}
