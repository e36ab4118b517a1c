//! One request, from its parts to the response.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};

/// The parts of a request, as they are handed to the host: nothing here looks into them.
pub struct Parts {
    pub method: Method,
    pub scheme: Option<Scheme>,
    pub authority: Option<String>,
    pub path: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timeouts: Timeouts,
}

/// How long to wait, in milliseconds; None is as long as the host will.
#[derive(Clone, Copy, Default)]
pub struct Timeouts {
    pub connect: Option<u64>,
    pub first_byte: Option<u64>,
    pub between_bytes: Option<u64>,
}

/// Why there is no response.
pub enum Trouble {
    /// A part cannot stand in a request: the setter of wasi:http said so. Nothing was sent.
    Part(String),
    /// The host's answer, or what became of the connection.
    Code(ErrorCode),
}

impl From<ErrorCode> for Trouble {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

/// A request on its way: its response when that comes, and the body that may be written meanwhile.
pub struct Sent {
    pub response: FutureIncomingResponse,
    /// Unfinished. A request whose body is dropped like this is an error for wasi:http.
    pub body: OutgoingBody,
}

/// Hand a request to the host. It may be refused at once.
pub fn send(parts: &Parts) -> Result<Sent, Trouble> {
    let request = build(parts)?;
    let body = request.body().map_err(|()| part("body"))?;
    let response = outgoing_handler::handle(request, Some(options(parts.timeouts)?))?;
    Ok(Sent { response, body })
}

/// Send a request without a body, and wait for its response.
pub fn ask(parts: &Parts) -> Result<IncomingResponse, Trouble> {
    let Sent { response, body } = send(parts)?;
    OutgoingBody::finish(body, None)?;
    Ok(wait(&response)?)
}

/// Wait for the response. It can be taken once.
pub fn wait(response: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    response.subscribe().block();
    match response.get() {
        Some(Ok(taken)) => taken,
        Some(Err(())) | None => Err(ErrorCode::InternalError(Some("no response is left".into()))),
    }
}

fn build(parts: &Parts) -> Result<OutgoingRequest, Trouble> {
    let fields = Fields::new();
    for (name, value) in &parts.headers {
        fields.append(name, value).map_err(|error| {
            let why = match error {
                HeaderError::InvalidSyntax => "invalid syntax",
                HeaderError::Forbidden => "forbidden",
                HeaderError::Immutable => "immutable",
            };
            Trouble::Part(format!("header {name}: {why}"))
        })?;
    }
    let request = OutgoingRequest::new(fields);
    request.set_method(&parts.method).map_err(|()| part("method"))?;
    request.set_scheme(parts.scheme.as_ref()).map_err(|()| part("scheme"))?;
    request.set_authority(parts.authority.as_deref()).map_err(|()| part("authority"))?;
    request.set_path_with_query(parts.path.as_deref()).map_err(|()| part("path"))?;
    Ok(request)
}

fn options(timeouts: Timeouts) -> Result<RequestOptions, Trouble> {
    let options = RequestOptions::new();
    let nanoseconds = |time: Option<u64>| time.map(|time| time.saturating_mul(1_000_000));
    options
        .set_connect_timeout(nanoseconds(timeouts.connect))
        .and_then(|()| options.set_first_byte_timeout(nanoseconds(timeouts.first_byte)))
        .and_then(|()| options.set_between_bytes_timeout(nanoseconds(timeouts.between_bytes)))
        .map_err(|()| part("time-out"))?;
    Ok(options)
}

fn part(name: &str) -> Trouble {
    Trouble::Part(name.to_owned())
}
