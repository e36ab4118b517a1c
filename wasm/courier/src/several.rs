//! Many requests: at once, or in turn.

use std::collections::BTreeMap;

use net::request::{self, Parts, Sent, Trouble};
use wasip2::http::types::{FutureIncomingResponse, IncomingResponse, OutgoingBody};

use crate::line::Line;
use crate::parts;
use crate::single::answer;

/// Send all, wait for all, and only then read any.
pub fn many(url: &str, count: u64) -> Option<()> {
    let parts = parts::of("GET", url)?;
    let sent: Vec<_> = (0..count).map(|_| begin(&parts)).collect();
    let answered: Vec<Result<IncomingResponse, Trouble>> =
        sent.into_iter().map(|future| Ok(request::wait(&future?)?)).collect();
    for (number, response) in (1..).zip(answered) {
        answer(Line::new().number("request", number), response).print();
    }
    Some(())
}

fn begin(parts: &Parts) -> Result<FutureIncomingResponse, Trouble> {
    let Sent { response, body } = request::send(parts)?;
    OutgoingBody::finish(body, None)?;
    Ok(response)
}

/// Ask again and again; count the answers by their names, in one line.
pub fn deny(count: u64, url: &str) -> Option<()> {
    let parts = parts::of("GET", url)?;
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..count {
        let name = match request::ask(&parts) {
            Ok(response) => response.status().to_string(),
            Err(Trouble::Code(code)) => net::code::name(&code).to_owned(),
            Err(Trouble::Part(part)) => part,
        };
        *answers.entry(name).or_default() += 1;
    }
    answers.iter().fold(Line::new(), |line, (name, times)| line.number(name, *times)).print();
    Some(())
}
