//! Images that a client can show: an image block, with its kind and size before it.

use std::fs::File;
use std::io::{self, Read, Write};

use common::image::{Format, LARGEST, write_base64};
use common::json::write_envelope;
use common::size;

/// Write the image, or the sentence that it is too large.
pub fn show(file: &mut File, length: u64, format: Format, out: &mut impl Write) -> io::Result<()> {
    let (name, short) = (format.name, size::short(length));
    if length > LARGEST {
        let text = format!("[{name} image, {short}: too large, up to 3.75M are shown]");
        return write_envelope(out, &text);
    }
    write!(out, r#"{{"content":[{{"type":"text","text":"[{name} image, {short}]"}},"#)?;
    write!(out, r#"{{"type":"image","mimeType":"{}","data":""#, format.media_type)?;
    write_base64(file.take(LARGEST), out)?;
    out.write_all(br#""}]}"#)
}
