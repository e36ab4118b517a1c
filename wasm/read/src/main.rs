//! `read`: a file's lines, numbered, or an image. Writes an envelope, so that an image can be one.

mod image;
mod kind;
mod source;
mod window;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::process::ExitCode;

use common::args::{self, Args};
use common::fail::{self, Failure};
use common::json::write_envelope;
use common::names::shown;
use common::place::Place;
use common::size;

use window::{Wanted, Window};

const HEAD: usize = 8 << 10; // bytes from which text is told from everything else

fn main() -> ExitCode {
    fail::end(run())
}

fn run() -> Result<(), Failure> {
    let mut args = Args::read()?;
    let begin = begin(args.text("offset"))?;
    let mut wanted = Wanted {
        offset: 1,
        limit: args.number("limit", window::LINES, 1..=1_000_000)?,
        column: args.number("column", 1, 1..=u64::MAX)?,
    };
    let place = Place::find(&args::only(args.finish()?, "path")?)?;
    let name = shown(&place.given);
    let mut file = File::open(&place.path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(&place, &name),
        _ => Failure::of(&name, &error),
    })?;
    let length = length_of(&mut file).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => {
            format!("{name} is a folder: \"list\" shows what is in it").into()
        }
        _ => Failure::of(&name, &error),
    })?;
    let mut out = BufWriter::new(io::stdout().lock());
    show(&mut file, length, begin, &mut wanted, &mut out)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of(&name, &error))
}

/// How long a file is, without its status, which is two trips to the host; this is one.
fn length_of(file: &mut File) -> io::Result<u64> {
    match file.seek(SeekFrom::End(0)) {
        Ok(length) => file.rewind().map(|()| length),
        Err(error) => match file.metadata() {
            Ok(data) if data.is_dir() => Err(ErrorKind::IsADirectory.into()),
            _ => Err(error),
        },
    }
}

/// Where the lines that are shown begin.
#[derive(Clone, Copy)]
enum Begin {
    /// At this line, from 1 on.
    At(u64),
    /// So many lines before the end.
    BeforeEnd(u64),
}

fn begin(offset: Option<String>) -> Result<Begin, Failure> {
    let Some(text) = offset else { return Ok(Begin::At(1)) };
    match text.parse::<i64>() {
        Ok(0) => Err("offset: 0 is no line: the first is 1, and -1 is the last".into()),
        Ok(number) if number < 0 => Ok(Begin::BeforeEnd(number.unsigned_abs())),
        Ok(number) => Ok(Begin::At(number.unsigned_abs())),
        Err(_) => Err(format!("offset: {text:?} is no number of a line").into()),
    }
}

/// For a path that does not exist, the nearest folder that does is what the call has open.
fn missing(place: &Place, name: &str) -> Failure {
    match place.folder.as_str() {
        "." => format!("{name} does not exist").into(),
        folder => format!("{name} does not exist; the folder {} does", shown(folder)).into(),
    }
}

fn show(
    file: &mut File,
    length: u64,
    begin: Begin,
    wanted: &mut Wanted,
    out: &mut impl Write,
) -> io::Result<()> {
    let first = source::first_piece(file, length)?;
    let head = &first[..first.len().min(HEAD)];
    if head.is_empty() {
        return write_envelope(out, "[empty file]");
    }
    if let Some(format) = common::image::format(head) {
        file.rewind()?;
        return image::show(file, length, format, out);
    }
    let encoding = match kind::of(head) {
        Ok(encoding) => encoding,
        Err(name) => {
            let size = size::short(length);
            return write_envelope(out, &format!("[{name}, {size}: read shows text and images]"));
        }
    };
    wanted.offset = match begin {
        Begin::At(line) => line,
        Begin::BeforeEnd(lines) => {
            let mut counted = Window::new(&Wanted { offset: u64::MAX, ..*wanted });
            source::feed(file, first.clone(), length, encoding, &mut counted)?;
            file.seek(SeekFrom::Start(first.len() as u64))?;
            (counted.total() + 1).saturating_sub(lines).max(1)
        }
    };
    let mut window = Window::new(wanted);
    let is_whole = source::feed(file, first, length, encoding, &mut window)?;
    write_envelope(out, &window.text(encoding, is_whole))
}
