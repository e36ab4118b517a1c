//! Failures: one sentence on stderr that a model can act on, and exit code 1.

use std::io;
use std::process::ExitCode;

/// A sentence without a full stop at its end.
#[derive(Debug)]
pub struct Failure(pub String);

impl Failure {
    /// Say what could not be done to a path, and why.
    pub fn of(path: &str, error: &io::Error) -> Self {
        Failure(format!("{path}: {}", reason(error)))
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Failure(sentence)
    }
}

impl From<&str> for Failure {
    fn from(sentence: &str) -> Self {
        Failure(sentence.to_owned())
    }
}

/// End a tool: nothing to add to a good result, else the sentence and exit code 1.
pub fn end(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(sentence)) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// What an error of the system means for whoever asked, without its number.
pub fn reason(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "does not exist".into(),
        Kind::PermissionDenied => "permission denied".into(),
        Kind::NotADirectory => "a part of its path is a file, not a folder".into(),
        Kind::IsADirectory => "is a folder".into(),
        Kind::ReadOnlyFilesystem => "is on a read-only file system".into(),
        Kind::StorageFull => "no space is left on the disk".into(),
        Kind::QuotaExceeded => "the disk quota is used up".into(),
        Kind::FileTooLarge => "would be larger than this tool may write".into(),
        _ => text_of(error),
    }
}

fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
