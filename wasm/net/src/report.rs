//! What a tool answers, as an envelope.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use common::fail::{self, Failure};
use common::image::{Format, write_base64};
use common::json::write_string;

/// A text, and an image below it.
pub struct Report {
    pub text: String,
    pub image: Option<(Format, Vec<u8>)>,
    pub is_error: bool,
}

/// Write what was done and end: a failure is an envelope, too, for stderr is not kept that well.
pub fn end(done: Result<Report, Failure>) -> ExitCode {
    let out = &mut BufWriter::new(io::stdout().lock());
    let report = done.unwrap_or_else(|Failure(text)| Report { text, image: None, is_error: true });
    let written = write(out, &report).and_then(|()| out.flush());
    fail::end(written.map_err(|error| Failure::of("stdout", &error)))
}

fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    out.write_all(b"{\"content\":")?;
    match &report.image {
        None => write_string(out, &report.text)?,
        Some((format, bytes)) => {
            out.write_all(br#"[{"type":"text","text":"#)?;
            write_string(out, &report.text)?;
            write!(out, r#"}},{{"type":"image","mimeType":"{}","data":""#, format.media_type)?;
            write_base64(&bytes[..], out)?;
            out.write_all(br#""}]"#)?;
        }
    }
    let end: &[u8] = if report.is_error { b",\"is_error\":true}" } else { b"}" };
    out.write_all(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(image: Option<(Format, Vec<u8>)>, is_error: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, &Report { text: "a \"b\"".into(), image, is_error }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_envelope_says_what_is_an_error() {
        assert_eq!(written(None, false), r#"{"content":"a \"b\""}"#);
        assert_eq!(written(None, true), r#"{"content":"a \"b\"","is_error":true}"#);
    }

    #[test]
    fn an_image_is_a_block_below_the_text() {
        let gif = b"GIF89a".to_vec();
        let format = common::image::format(&gif).unwrap();
        let text = r#"{"type":"text","text":"a \"b\""}"#;
        let image = r#"{"type":"image","mimeType":"image/gif","data":"R0lGODlh"}"#;
        assert_eq!(
            written(Some((format, gif)), false),
            format!(r#"{{"content":[{text},{image}]}}"#)
        );
    }
}
