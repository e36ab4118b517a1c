//! What the tools share: arguments, sizes, and a way to fail that a model can act on.

use std::collections::HashMap;
use std::io;

/// Options as `--name value` pairs and bare flags, then `--`, then the operands.
pub struct Arguments {
    options: HashMap<String, String>,
    pub operands: Vec<String>,
}

impl Arguments {
    /// Read the command line that the manifest's templates made.
    pub fn read() -> Self {
        let mut words = std::env::args().skip(1);
        let mut options = HashMap::new();
        let mut operands = Vec::new();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("") => operands.extend(words.by_ref()),
                Some(name) => {
                    options.insert(name.to_owned(), words.next().unwrap_or_default());
                }
                None => operands.push(word),
            }
        }
        Self { options, operands }
    }

    /// The number of an option; its schema saw that it is one.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// Whether an option is "true".
    pub fn flag(&self, name: &str) -> bool {
        self.options.get(name).is_some_and(|text| text == "true")
    }
}

/// End with one sentence on stderr and exit code 1.
pub fn fail(sentence: impl AsRef<str>) -> ! {
    eprintln!("{}", sentence.as_ref());
    std::process::exit(1)
}

/// What an error means, for a model that knows paths and not errno.
pub fn explain(path: &str, error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let why = match error.kind() {
        Kind::NotFound => "there is no such file or folder".to_owned(),
        Kind::PermissionDenied => "it may not be opened".to_owned(),
        Kind::NotADirectory => "a part of the path is a file".to_owned(),
        Kind::IsADirectory => "it is a folder".to_owned(),
        Kind::StorageFull | Kind::QuotaExceeded => "the disk is full".to_owned(),
        Kind::FileTooLarge => "it would be larger than [limits] file_size".to_owned(),
        Kind::ReadOnlyFilesystem => "it lies where nothing may be written".to_owned(),
        _ => error.to_string(),
    };
    format!("{path}: {why}")
}

/// A size as people read it: `512 B`, `3.4 KB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
