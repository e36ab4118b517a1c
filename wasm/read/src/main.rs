//! `read`: a file's lines, numbered, or an image. Writes an envelope, so that an image can be one.

mod image;
mod kind;
mod source;
mod window;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Seek, Write};
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::json::write_envelope;
use common::names::shown;
use common::place::Place;
use common::size;
use common::text;

use window::{Wanted, Window};

const HEAD: u64 = 8 << 10; // bytes from which text is told from everything else

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let mut args = Args::read()?;
    let wanted = Wanted {
        offset: args.number("offset", 1, 1..=u64::MAX)?,
        limit: args.number("limit", window::LINES, 1..=1_000_000)?,
        column: args.number("column", 1, 1..=u64::MAX)?,
    };
    let place = Place::find(&args::only(args.finish()?, "path")?)?;
    let file = open(&place)?;
    let mut out = BufWriter::new(io::stdout().lock());
    show(file, &wanted, &mut out)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of(&shown(&place.given), &error))
}

fn open(place: &Place) -> Result<File, Failure> {
    let name = shown(&place.given);
    let data = std::fs::metadata(&place.path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(place, &name),
        _ => Failure::of(&name, &error),
    })?;
    if data.is_dir() {
        return Err(format!("{name} is a folder: \"list\" shows what is in it").into());
    }
    File::open(&place.path).map_err(|error| Failure::of(&name, &error))
}

/// For a path that does not exist, the nearest folder that does is what the call has open.
fn missing(place: &Place, name: &str) -> Failure {
    match place.folder.as_str() {
        "." => format!("{name} does not exist").into(),
        folder => format!("{name} does not exist; the folder {} does", shown(folder)).into(),
    }
}

fn show(mut file: File, wanted: &Wanted, out: &mut impl Write) -> io::Result<()> {
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    let length = file.metadata()?.len();
    if head.is_empty() {
        return write_envelope(out, "[empty file]");
    }
    if let Some(format) = image::format(&head) {
        file.rewind()?;
        return image::show(file, length, format, out);
    }
    let encoding = match kind::binary(&head) {
        None => text::sniff(&head),
        Some(_) => None,
    };
    let Some(encoding) = encoding else {
        let name = kind::binary(&head).unwrap_or("a binary file of unknown kind");
        let size = size::short(length);
        return write_envelope(out, &format!("[{name}, {size}: read shows text and images]"));
    };
    let mut window = Window::new(wanted);
    file.rewind()?;
    let is_whole = source::feed(&mut file, encoding, &mut window)?;
    write_envelope(out, &window.text(encoding, is_whole))
}
