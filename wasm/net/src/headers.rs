//! The headers of a response, by name. wasi:http gives the names in lower case.

use wasip2::http::types::IncomingResponse;

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

    pub fn length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
