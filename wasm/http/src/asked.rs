//! The request that is asked for.

use std::collections::BTreeMap;

use common::fail::Failure;
use net::{target, window};
use serde_json::value::RawValue;
use url::Url;
use wasip2::http::types::Method;

pub struct Asked {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, Vec<u8>)>,
    pub content: Option<Vec<u8>>,
    pub all_headers: bool,
    pub limit: u64,
}

/// Numbers and the order of members are sent as they were written, so JSON is not parsed but cut.
type Arguments<'a> = BTreeMap<String, &'a RawValue>;

/// Read the arguments of a call. The schema has seen their types, but cannot say which go together.
pub fn read(arguments: &[u8]) -> Result<Asked, Failure> {
    let arguments: Arguments<'_> = serde_json::from_slice(arguments)
        .map_err(|_| Failure::from("the arguments are no JSON object"))?;
    let Some(url) = text(&arguments, "url") else { return Err("url is missing".into()) };
    let json = given(&arguments, "json").map(|value| value.get().as_bytes().to_vec());
    let body = text(&arguments, "body").map(String::into_bytes);
    if json.is_some() && body.is_some() {
        return Err("give body or json, not both".into());
    }
    let content = json.clone().or(body);
    let method = text(&arguments, "method")
        .unwrap_or_else(|| if content.is_some() { "POST" } else { "GET" }.into())
        .to_ascii_uppercase();
    if content.is_some() && matches!(method.as_str(), "GET" | "HEAD") {
        return Err(format!("{method} has no body: name another method").into());
    }
    // Where a body could be, its length is said: some servers wait for it, or answer 411.
    let is_empty = content.is_none() && !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let content = if is_empty { Some(Vec::new()) } else { content };
    Ok(Asked {
        headers: headers(&arguments, json.is_some(), content.as_deref())?,
        url: target::parse(&url)?,
        method,
        content,
        all_headers: value(&arguments, "all_headers").unwrap_or(false),
        limit: value(&arguments, "limit").unwrap_or(window::CHARACTERS).min(window::MOST),
    })
}

/// The headers that are given, and those that go without saying.
fn headers(
    arguments: &Arguments<'_>,
    is_json: bool,
    content: Option<&[u8]>,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let given: BTreeMap<String, String> = match given(arguments, "headers") {
        None => BTreeMap::new(),
        Some(value) => serde_json::from_str(value.get())
            .map_err(|_| Failure::from("headers: write an object of texts"))?,
    };
    let has = |name: &str| given.keys().any(|known| known.eq_ignore_ascii_case(name));
    let mut added: Vec<(&str, String)> = Vec::new();
    if !has("user-agent") {
        added.push(("user-agent", "preopen-http/0.1".into()));
    }
    if !has("accept-encoding") {
        added.push(("accept-encoding", "gzip".into()));
    }
    if is_json && !has("content-type") {
        added.push(("content-type", "application/json".into()));
    }
    if let (Some(content), false) = (content, has("content-length")) {
        added.push(("content-length", content.len().to_string()));
    }
    let added = added.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
    Ok(given.into_iter().map(|(name, value)| (name, value.into_bytes())).chain(added).collect())
}

pub fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    }
}

/// An argument that is there; null stands for absent, but in `json`, where it is a value.
fn given<'a>(arguments: &Arguments<'a>, name: &str) -> Option<&'a RawValue> {
    let value = arguments.get(name).copied();
    value.filter(|value| name == "json" || value.get() != "null")
}

fn value<T: serde::de::DeserializeOwned>(arguments: &Arguments<'_>, name: &str) -> Option<T> {
    serde_json::from_str(given(arguments, name)?.get()).ok()
}

fn text(arguments: &Arguments<'_>, name: &str) -> Option<String> {
    value(arguments, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &str) -> Asked {
        match read(arguments.as_bytes()) {
            Ok(asked) => asked,
            Err(Failure(sentence)) => panic!("refused: {sentence}"),
        }
    }

    fn header<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
        let found = asked.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(&found.1).ok()
    }

    #[test]
    fn json_is_sent_as_it_was_written() {
        let asked = asked(r#"{"url":"http://h","json":{"b":1.0,"a": 12345678901234567890123}}"#);
        assert_eq!(
            asked.content.as_deref(),
            Some(&br#"{"b":1.0,"a": 12345678901234567890123}"#[..])
        );
        assert_eq!(asked.method, "POST");
        assert_eq!(header(&asked, "content-type"), Some("application/json"));
        assert_eq!(header(&asked, "content-length"), Some("38"));
    }

    #[test]
    fn what_is_given_comes_before_what_goes_without_saying() {
        let asked = asked(
            r#"{"url":"http://h","method":"put","body":"é","headers":{"User-Agent":"me","X":"1"}}"#,
        );
        assert_eq!(
            (asked.method.as_str(), asked.content.as_deref()),
            ("PUT", Some("é".as_bytes()))
        );
        assert_eq!(header(&asked, "user-agent"), None);
        assert_eq!(
            (header(&asked, "User-Agent"), header(&asked, "content-length")),
            (Some("me"), Some("2"))
        );
        assert_eq!(header(&asked, "content-type"), None);
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let refused = |arguments: &str| match read(arguments.as_bytes()) {
            Ok(_) => panic!("accepted: {arguments}"),
            Err(Failure(sentence)) => sentence,
        };
        assert_eq!(refused("[]"), "the arguments are no JSON object");
        assert_eq!(refused(r#"{"url":null}"#), "url is missing");
        assert!(refused(r#"{"url":"http://h","body":"","json":null}"#).contains("not both"));
        assert!(
            refused(r#"{"url":"http://h","method":"get","body":"x"}"#).contains("GET has no body")
        );
        assert!(refused(r#"{"url":"http://h","headers":{"a":1}}"#).contains("object of texts"));
    }
}
