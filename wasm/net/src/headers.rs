//! The headers of a response, by name. wasi:http gives the names in lower case.

use wasip2::http::types::IncomingResponse;

const SHOWN: usize = 1000; // characters of one value

pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The headers, in their order; what is not UTF-8 in them is replaced.
    pub fn of(response: &IncomingResponse) -> Self {
        let lossy = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        let entries = response.headers().entries();
        Self(entries.into_iter().map(|(name, value)| (name, lossy(value))).collect())
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    }

    /// The media type without its parameters, in lower case; "" where none is said.
    pub fn media_type(&self) -> String {
        let value = self.get("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The charset that the media type names.
    pub fn charset(&self) -> Option<&str> {
        self.get("content-type")?.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_charset = name.trim().eq_ignore_ascii_case("charset");
            is_charset.then(|| value.trim().trim_matches('"'))
        })
    }

    /// A line for each header of which `is_shown` says so, long values cut.
    pub fn lines(&self, is_shown: impl Fn(&str) -> bool) -> String {
        let mut lines = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| is_shown(name)) {
            let end = value.char_indices().nth(SHOWN).map_or(value.len(), |(at, _)| at);
            let rest = if end < value.len() { "…" } else { "" };
            lines.push_str(&format!("\n{name}: {}{rest}", &value[..end]));
        }
        lines
    }

    pub fn length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut() {
        let (long, short) = ("x".repeat(SHOWN + 1), "ä".repeat(SHOWN));
        let headers = Headers(vec![("a".into(), long), ("b".into(), short.clone())]);
        assert_eq!(headers.lines(|name| name == "a"), format!("\na: {}…", "x".repeat(SHOWN)));
        assert_eq!(headers.lines(|name| name == "b"), format!("\nb: {short}"));
    }

    #[test]
    fn a_media_type_is_read_with_its_charset() {
        let headers =
            Headers(vec![("content-type".into(), "Text/HTML ; CharSet=\"KOI8-R\"".into())]);
        assert_eq!(
            (headers.media_type().as_str(), headers.charset()),
            ("text/html", Some("KOI8-R"))
        );
        assert_eq!((Headers(vec![]).media_type().as_str(), Headers(vec![]).charset()), ("", None));
    }
}
