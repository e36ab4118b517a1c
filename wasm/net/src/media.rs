//! What a body is, by the word of its media type and, where that says nothing, by its first bytes.

use common::image::{self, Format};
use common::text;

const HEAD: usize = 8 << 10;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Html,
    Json,
    Text,
    Image,
    /// To be seen by its first bytes.
    Unsaid,
    Other,
}

/// What a media type promises.
pub fn of(media_type: &str) -> Kind {
    match media_type {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "application/json" | "text/json" => Kind::Json,
        "" | "application/octet-stream" | "binary/octet-stream" | "application/unknown" => {
            Kind::Unsaid
        }
        "image/svg+xml" => Kind::Text,
        other if other.ends_with("+json") => Kind::Json,
        other if other.starts_with("text/") || is_textual(other) => Kind::Text,
        other if other.starts_with("image/") => Kind::Image,
        _ => Kind::Other,
    }
}

fn is_textual(media_type: &str) -> bool {
    let Some(name) = media_type.strip_prefix("application/") else { return false };
    const NAMES: [&str; 19] = [
        "xml",
        "javascript",
        "x-javascript",
        "ecmascript",
        "typescript",
        "yaml",
        "x-yaml",
        "toml",
        "x-toml",
        "sql",
        "graphql",
        "x-sh",
        "x-tex",
        "x-www-form-urlencoded",
        "x-ndjson",
        "ndjson",
        "jsonl",
        "x-httpd-php",
        "rtf",
    ];
    name.ends_with("+xml") || name.ends_with("+yaml") || NAMES.contains(&name)
}

/// What a body is, once its first bytes are there.
pub enum Content {
    Html,
    Json,
    Text,
    Image(Format),
    Other,
}

/// Look at the bytes: images must be what they say, for a client shows them.
pub fn content(media_type: &str, bytes: &[u8]) -> Content {
    let head = &bytes[..bytes.len().min(HEAD)];
    let image = image::format(head);
    match (of(media_type), image) {
        (Kind::Image | Kind::Unsaid, Some(format)) => Content::Image(format),
        (Kind::Html, _) => Content::Html,
        (Kind::Json, _) => Content::Json,
        (Kind::Text, _) => Content::Text,
        (Kind::Unsaid, None) if text::sniff(head).is_some() && !is_binary(head) => Content::Text,
        _ => Content::Other,
    }
}

fn is_binary(head: &[u8]) -> bool {
    let is_odd = |byte: &&u8| matches!(byte, 0x00..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f);
    !head.starts_with(b"\xff\xfe")
        && !head.starts_with(b"\xfe\xff")
        && head.iter().any(|b| is_odd(&b))
        || head.starts_with(b"%PDF-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_apart() {
        let kinds = [
            ("text/html", Kind::Html),
            ("application/problem+json", Kind::Json),
            ("text/markdown", Kind::Text),
            ("application/rss+xml", Kind::Text),
            ("image/png", Kind::Image),
            ("image/svg+xml", Kind::Text),
            ("", Kind::Unsaid),
            ("application/pdf", Kind::Other),
            ("video/mp4", Kind::Other),
        ];
        for (media_type, kind) in kinds {
            assert_eq!(of(media_type), kind, "{media_type}");
        }
    }

    #[test]
    fn bytes_decide_where_nothing_is_said() {
        assert!(matches!(content("", b"plain"), Content::Text));
        assert!(matches!(content("application/octet-stream", b"GIF89a"), Content::Image(_)));
        assert!(matches!(content("", b"%PDF-1.7 "), Content::Other));
        assert!(matches!(content("", b"\x7fELF\x01\x02"), Content::Other));
        assert!(matches!(content("image/png", b"<html>"), Content::Other));
        assert!(matches!(content("text/plain", b"GIF89a"), Content::Text));
    }
}
