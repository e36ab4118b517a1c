//! One request at a time.

use net::body::{self, Reading};
use net::request::{self, Parts, Sent, Trouble};
use sha2::{Digest, Sha256};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse};

use crate::line::Line;
use crate::parts;

const SHOWN: usize = 4096; // bytes of a body
const PIECE: u64 = 64 << 10;
const DAY: u64 = 86_400_000_000_000; // in nanoseconds

pub fn get(method: &str, url: &str) -> Option<()> {
    let parts = parts::of(method, url)?;
    answer(Line::new(), request::ask(&parts)).print();
    Some(())
}

/// A request whose body is so many bytes long, not declared; None is no body.
pub fn send(parts: &Parts, length: Option<u64>) -> Option<()> {
    match length {
        None => answer(Line::new(), request::ask(parts)),
        Some(length) => posted(parts, length),
    }
    .print();
    Some(())
}

fn posted(parts: &Parts, length: u64) -> Line {
    let Sent { response, body } = match request::send(parts) {
        Ok(sent) => sent,
        Err(trouble) => return Line::new().trouble(&trouble),
    };
    let line = match body::write(body, &response, pieces(length)) {
        Ok(written) => Line::new().number("sent", written),
        Err(error) => Line::new().text("unsent", net::code::name(&error)),
    };
    answer(line, request::wait(&response).map_err(Trouble::from))
}

fn pieces(length: u64) -> impl Iterator<Item = Vec<u8>> {
    let sizes = (0..length.div_ceil(PIECE)).map(move |at| PIECE.min(length - at * PIECE));
    sizes.map(|size| vec![b'x'; size as usize])
}

/// Declare a body and keep it back until there is an answer.
pub fn stall(url: &str, length: u64) -> Option<()> {
    let mut parts = parts::of("POST", url)?;
    parts.headers.push(("content-length".into(), length.to_string().into_bytes()));
    match request::send(&parts) {
        Err(trouble) => Line::new().trouble(&trouble),
        Ok(Sent { response, body }) => {
            let stream = body.write(); // held: a body that is dropped is an error of its own
            let line = answer(Line::new(), request::wait(&response).map_err(Trouble::from));
            drop(stream);
            line
        }
    }
    .print();
    Some(())
}

/// Status, bytes and the body's beginning.
pub fn answer(line: Line, response: Result<IncomingResponse, Trouble>) -> Line {
    let response = match response {
        Ok(response) => response,
        Err(trouble) => return line.trouble(&trouble),
    };
    let line = line.number("status", response.status().into());
    let mut begin = Vec::new();
    let (bytes, end) = drain(response, |piece| {
        let room = SHOWN - begin.len();
        begin.extend_from_slice(&piece[..piece.len().min(room)]);
    });
    let line = line.number("bytes", bytes).text("body", &String::from_utf8_lossy(&begin));
    ended(line, end)
}

pub fn download(parts: &Parts) -> Option<()> {
    let line = match request::ask(parts) {
        Err(trouble) => Line::new().trouble(&trouble),
        Ok(response) => {
            let line = Line::new().number("status", response.status().into());
            let mut hash = Sha256::new();
            let (bytes, end) = drain(response, |piece| hash.update(piece));
            let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
            ended(line.number("bytes", bytes).text("sha256", &digest), end)
        }
    };
    line.print();
    Some(())
}

/// Read a body to its end; say how long it was, and whether it ended well.
fn drain(response: IncomingResponse, mut take: impl FnMut(&[u8])) -> (u64, Result<(), ErrorCode>) {
    let mut bytes = 0;
    let mut reading = match Reading::new(response, None) {
        Ok(reading) => reading,
        Err(error) => return (0, Err(error)),
    };
    loop {
        match reading.piece() {
            Ok(Some(piece)) => {
                bytes += piece.len() as u64;
                take(&piece);
            }
            Ok(None) => return (bytes, Ok(())),
            Err(error) => return (bytes, Err(error)),
        }
    }
}

fn ended(line: Line, end: Result<(), ErrorCode>) -> Line {
    match end {
        Ok(()) => line,
        Err(error) => line.error(&error),
    }
}

pub fn headers(url: &str) -> Option<()> {
    let line = match request::ask(&parts::of("GET", url)?) {
        Err(trouble) => Line::new().trouble(&trouble),
        Ok(response) => {
            let line = Line::new().number("status", response.status().into());
            line.pairs("headers", &pairs(&response.headers()))
        }
    };
    line.print();
    Some(())
}

fn pairs(fields: &Fields) -> Vec<(String, String)> {
    let lossy = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    fields.entries().into_iter().map(|(name, value)| (name, lossy(value))).collect()
}

/// Read half of what the response declares, or one piece, and drop the rest unread.
pub fn cut(url: &str) -> Option<()> {
    let line = match request::ask(&parts::of("GET", url)?) {
        Err(trouble) => Line::new().trouble(&trouble),
        Ok(response) => {
            let line = Line::new().number("status", response.status().into());
            let half = declared(&response) / 2;
            match read_to(response, half) {
                Ok(bytes) => line.number("read", bytes).yes("cut"),
                Err(error) => line.error(&error),
            }
        }
    };
    line.print();
    Some(())
}

fn declared(response: &IncomingResponse) -> u64 {
    let values = response.headers().get("content-length");
    let text = values.first().map(|value| String::from_utf8_lossy(value));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn read_to(response: IncomingResponse, least: u64) -> Result<u64, ErrorCode> {
    let mut reading = Reading::new(response, None)?;
    let mut bytes = 0;
    while let Some(piece) = reading.piece()? {
        bytes += piece.len() as u64;
        if bytes >= least {
            break;
        }
    }
    Ok(bytes)
}

pub fn hold(url: &str) -> Option<()> {
    match request::send(&parts::of("GET", url)?) {
        Err(trouble) => Line::new().trouble(&trouble).print(),
        Ok(Sent { response, body }) => {
            let body = wasip2::http::types::OutgoingBody::finish(body, None);
            Line::new().yes("held").print();
            loop {
                subscribe_duration(DAY).block();
                std::hint::black_box((&response, &body));
            }
        }
    }
    Some(())
}
