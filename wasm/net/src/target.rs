//! A URL as it is asked for.

use common::fail::Failure;
use url::{ParseError, Position, Url};
use wasip2::http::types::Scheme;

/// Parse what a model wrote.
pub fn parse(text: &str) -> Result<Url, Failure> {
    let mut url = Url::parse(text.trim()).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => {
            Failure(format!("url: {text:?} has no scheme; write https://…"))
        }
        error => Failure(format!("url: {text:?}: {error}")),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("url: {}: only http and https can be asked", url.scheme()).into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: a name or password in a URL is not sent; leave it out".into());
    }
    url.set_fragment(None);
    Ok(url)
}

pub fn scheme(url: &Url) -> Scheme {
    if url.scheme() == "http" { Scheme::Http } else { Scheme::Https }
}

/// Host and port, the port where it is not the scheme's own; never a user's name.
pub fn authority(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}

/// Path and query.
pub fn path(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// Whether two URLs lead to the same scheme, host and port: to what one grant is for.
pub fn is_same_place(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = parse(" https://Exämple.com:443/a b?q#f ").unwrap();
        assert_eq!(url.as_str(), "https://xn--exmple-cua.com/a%20b?q");
        assert_eq!(
            (authority(&url).as_str(), path(&url).as_str()),
            ("xn--exmple-cua.com", "/a%20b?q")
        );
        assert_eq!(authority(&Url::parse("http://u:p@h:81/").unwrap()), "h:81");
        let url = parse("http://[::1]:8080").unwrap();
        assert_eq!((authority(&url).as_str(), path(&url).as_str()), ("[::1]:8080", "/"));
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let refused = |text: &str| parse(text).unwrap_err().0;
        assert!(refused("example.com").ends_with("has no scheme; write https://…"));
        assert!(refused("file:///etc/passwd").contains("only http and https"));
        assert!(refused("https://u:p@h/").contains("password"));
        assert!(refused("https://u@h/").contains("password"));
    }

    #[test]
    fn another_port_scheme_or_host_is_another_place() {
        let url = parse("https://a.example/x").unwrap();
        let is_same = |text: &str| is_same_place(&url, &parse(text).unwrap());
        assert!(is_same("https://a.example:443/y?z"));
        let others = ["http://a.example/x", "https://a.example:444/", "https://b.a.example/"];
        assert!(!others.into_iter().any(is_same));
    }
}
