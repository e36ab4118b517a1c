//! One request and all that is read of its response, for tools that have so much time and memory.

use std::io::{self, Read};

use common::fail::Failure;
use url::Url;
use wasip2::http::types::{ErrorCode, IncomingResponse, Method, OutgoingBody};

use crate::body::{self, Bytes, Reading};
use crate::code;
use crate::coding;
use crate::deadline::Deadline;
use crate::gateway;
use crate::headers::Headers;
use crate::request::{self, Parts, Sent, Timeouts, Trouble};
use crate::target;

/// How long a tool waits for the network. What is left of its manifest's wall_time, 30 s, is for a
/// page that takes long to be parsed, and for the sentence that nothing came.
pub const TIME: u64 = 20_000; // ms
const CONNECT: u64 = 10_000; // ms
pub const LARGEST: u64 = 8 << 20; // bytes of a body that are read, decompressed

/// A response whose body is not read yet.
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    host: String,
    response: IncomingResponse,
    deadline: Deadline,
}

/// What was read of a body.
pub struct Body {
    pub bytes: Vec<u8>,
    /// There was more than is read.
    pub is_cut: bool,
    /// Why it ended too early; what was read is shown all the same.
    pub broken: Option<String>,
}

impl Body {
    pub fn empty() -> Self {
        Self { bytes: Vec::new(), is_cut: false, broken: None }
    }
}

/// Send a request, and wait until its response begins.
pub fn ask(
    method: Method,
    url: &Url,
    headers: Vec<(String, Vec<u8>)>,
    content: Option<Vec<u8>>,
    deadline: Deadline,
) -> Result<Answer, Failure> {
    let left = Some(deadline.left().max(1));
    let timeouts =
        Timeouts { connect: left.min(Some(CONNECT)), first_byte: left, between_bytes: left };
    let parts = Parts {
        method,
        scheme: Some(target::scheme(url)),
        authority: Some(target::authority(url)),
        path: Some(target::path(url)),
        headers,
        timeouts,
    };
    let host = target::authority(url);
    let response = respond(&parts, content, deadline).map_err(|trouble| match trouble {
        Trouble::Part(part) => Failure(format!("the request cannot have this {part}")),
        Trouble::Code(error) => Failure(code::sentence(&error, &host)),
    })?;
    let (status, headers) = (response.status(), Headers::of(&response));
    match gateway::failure(status, &headers, &host) {
        Some(sentence) => Err(sentence.into()),
        None => Ok(Answer { status, headers, host, response, deadline }),
    }
}

fn respond(
    parts: &Parts,
    content: Option<Vec<u8>>,
    deadline: Deadline,
) -> Result<IncomingResponse, Trouble> {
    let Sent { response, body } = request::send(parts)?;
    let written = match content {
        None => OutgoingBody::finish(body, None),
        Some(content) => body::write(body, &response, [content]).map(|_| ()),
    };
    if !deadline.wait(&response.subscribe()) {
        return Err(ErrorCode::HttpResponseTimeout.into());
    }
    // Where both failed, the response says more than the body that nobody took.
    let answer = request::wait(&response);
    match (answer, written) {
        (Ok(answer), _) => Ok(answer),
        (Err(ErrorCode::HttpProtocolError), Err(error)) | (Err(error), _) => Err(error.into()),
    }
}

impl Answer {
    /// Read the body, decompressed, up to `LARGEST`.
    pub fn read(self) -> Result<Body, Failure> {
        let coding: Vec<_> = self.headers.all("content-encoding").collect();
        let coding = coding.join(",");
        let host = self.host;
        let failed = |error: ErrorCode| Failure(code::sentence(&error, &host));
        let reading = Reading::new(self.response, Some(self.deadline)).map_err(failed)?;
        // What is compressed well is bounded on its way in, too: an endless row of empty members.
        let sent = Bytes::new(reading).take(LARGEST + 1);
        let reader = coding::decoded(sent, &coding).map_err(|name| {
            Failure(format!("{host} compressed the body by {name:?}, which is not supported"))
        })?;
        let mut bytes = Vec::new();
        let end = reader.take(LARGEST + 1).read_to_end(&mut bytes);
        let is_cut = bytes.len() as u64 > LARGEST;
        bytes.truncate(LARGEST as usize);
        let broken = end.err().filter(|_| !is_cut).map(|error| reason(&error, &host));
        Ok(Body { bytes, is_cut, broken })
    }
}

fn reason(error: &io::Error, host: &str) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ErrorCode>()) {
        Some(error) => code::sentence(error, host),
        None => format!("its compressed data is broken: {error}"),
    }
}
