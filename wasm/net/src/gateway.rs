//! What a gateway between this tool and the network says of a connection that failed.

use crate::headers::Headers;

const NAME: &str = "preopen";

/// The gateway's own word (`Proxy-Status`, RFC 9209) in place of a page, or None.
pub fn failure(status: u16, headers: &Headers, host: &str) -> Option<String> {
    if !matches!(status, 502 | 504) {
        return None;
    }
    let parameters = headers.all("proxy-status").find_map(|value| {
        let (name, parameters) = value.split_once(';')?;
        (name.trim() == NAME).then_some(parameters)
    })?;
    let said = parameter(parameters, "details");
    let error = parameter(parameters, "error").map(|token| token.replace('_', " "));
    let reason = said.or(error).unwrap_or_else(|| "it did not say why".into());
    Some(format!("{host} could not be reached: {reason}"))
}

/// The value of one parameter: a token, or a string without its quotes (RFC 8941).
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = value(after);
        if key.trim_matches([' ', ';']) == name {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// A value, and what stands behind it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, each)) = characters.next() {
        match each {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(each),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, value: &str) -> Option<String> {
        let headers = Headers(vec![("proxy-status".into(), value.into())]);
        failure(status, &headers, "h")
    }

    #[test]
    fn the_gateways_word_is_its_details_or_its_error() {
        let both = r#"preopen; error=connection_refused; details="a \"b\"; error=c""#;
        assert_eq!(said(502, both).unwrap(), r#"h could not be reached: a "b"; error=c"#);
        let error = said(504, "preopen;error=connection_timeout").unwrap();
        assert_eq!(error, "h could not be reached: connection timeout");
    }

    #[test]
    fn a_page_is_shown_where_the_gateway_says_nothing() {
        assert_eq!(said(502, "other; error=dns_error"), None);
        assert_eq!(said(500, "preopen; error=dns_error"), None);
        assert_eq!(failure(502, &Headers(vec![]), "h"), None);
    }
}
