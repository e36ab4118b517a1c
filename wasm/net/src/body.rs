//! The bodies of responses and requests, piece by piece.

use std::io::{self, Read};

use wasip2::http::types::{
    ErrorCode, FutureIncomingResponse, IncomingBody, IncomingResponse, OutgoingBody,
    http_error_code,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::deadline::Deadline;

const PIECE: u64 = 64 << 10;

/// A response's body that is being read.
pub struct Reading {
    deadline: Option<Deadline>,
    stream: InputStream,
    _body: IncomingBody, // dropped after its stream
    _response: IncomingResponse,
}

impl Reading {
    /// Take a response's body: there is one of each.
    pub fn new(response: IncomingResponse, deadline: Option<Deadline>) -> Result<Self, ErrorCode> {
        let gone = |()| ErrorCode::InternalError(Some("the body was taken before".into()));
        let body = response.consume().map_err(gone)?;
        let stream = body.stream().map_err(gone)?;
        Ok(Self { deadline, stream, _body: body, _response: response })
    }

    /// The next bytes, or None at the end of the body.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, ErrorCode> {
        loop {
            let read = match self.deadline {
                None => self.stream.blocking_read(PIECE),
                Some(deadline) if deadline.wait(&self.stream.subscribe()) => {
                    self.stream.read(PIECE)
                }
                Some(_) => return Err(ErrorCode::ConnectionReadTimeout),
            };
            match read {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => return Ok(None),
                Err(error) => return Err(code(error)),
            }
        }
    }
}

/// What remains of a body, as a stream of bytes; an error of wasi:http is the source of its errors.
pub struct Bytes {
    reading: Reading,
    piece: io::Cursor<Vec<u8>>,
}

impl Bytes {
    pub fn new(reading: Reading) -> Self {
        Self { reading, piece: io::Cursor::default() }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(buffer)? {
                0 if !buffer.is_empty() => match self.reading.piece() {
                    Ok(Some(piece)) => self.piece = io::Cursor::new(piece),
                    Ok(None) => return Ok(0),
                    Err(code) => return Err(io::Error::other(code)),
                },
                taken => return Ok(taken),
            }
        }
    }
}

/// Write bytes to a request's body, as many as are taken before the response comes, and end it;
/// say how many they were. A server may answer before it has read everything, as with 413.
pub fn write(
    body: OutgoingBody,
    response: &FutureIncomingResponse,
    bytes: impl IntoIterator<Item = Vec<u8>>,
) -> Result<u64, ErrorCode> {
    let gone = |()| ErrorCode::InternalError(Some("the body was taken before".into()));
    let stream = body.write().map_err(gone)?;
    let mut written = 0;
    for piece in bytes {
        let taken = write_piece(&stream, response, &piece)?;
        written += taken as u64;
        if taken < piece.len() {
            return Ok(written); // unfinished: there is nobody who reads it
        }
    }
    if !matches!(settle(&stream, response)?, Room::Answered) {
        drop(stream);
        OutgoingBody::finish(body, None)?;
    }
    Ok(written)
}

enum Room {
    For(usize),
    Answered,
}

fn write_piece(
    stream: &OutputStream,
    response: &FutureIncomingResponse,
    piece: &[u8],
) -> Result<usize, ErrorCode> {
    let mut taken = 0;
    while taken < piece.len() {
        let Room::For(room) = wait(stream, response)? else { break };
        let end = piece.len().min(taken + room);
        match stream.write(&piece[taken..end]) {
            Ok(()) => taken = end,
            Err(StreamError::Closed) => break,
            Err(error) => return Err(code(error)),
        }
    }
    Ok(taken)
}

/// Flush what was written.
fn settle(stream: &OutputStream, response: &FutureIncomingResponse) -> Result<Room, ErrorCode> {
    match stream.flush() {
        Ok(()) => wait(stream, response),
        Err(StreamError::Closed) => Ok(Room::Answered),
        Err(error) => Err(code(error)),
    }
}

/// Wait until more can be written, or nothing more need be.
fn wait(stream: &OutputStream, response: &FutureIncomingResponse) -> Result<Room, ErrorCode> {
    let (writable, answered) = (stream.subscribe(), response.subscribe());
    loop {
        match stream.check_write() {
            Ok(0) => {}
            Ok(room) => return Ok(Room::For(usize::try_from(room).unwrap_or(usize::MAX))),
            Err(StreamError::Closed) => return Ok(Room::Answered),
            Err(error) => return Err(code(error)),
        }
        if answered.ready() && !writable.ready() {
            return Ok(Room::Answered);
        }
        poll(&[&writable, &answered]);
    }
}

fn code(error: StreamError) -> ErrorCode {
    match error {
        StreamError::Closed => ErrorCode::ConnectionTerminated,
        StreamError::LastOperationFailed(cause) => http_error_code(&cause)
            .unwrap_or_else(|| ErrorCode::InternalError(Some(cause.to_debug_string()))),
    }
}
