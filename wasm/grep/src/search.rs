//! One file after another, searched: what is binary is counted, what matches goes on the page.

use std::io::{self, Read};

use common::dir::{File, PIECE};
use common::fail::Failure;
use common::size::short;
use common::text::{self, Encoding};
use grep_matcher::{LineTerminator, Matcher};
use grep_regex::RegexMatcher;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use memchr::memchr;

use crate::asked::Asked;
use crate::page::{Mode, Page};
use crate::regex::Regex;

const HEAD: usize = 1 << 10; // bytes in which a NUL tells a binary; past them, only where it matches
const LONGEST_LINE: usize = 16 << 20;
const LARGEST_FILE: usize = 32 << 20; // where a match may span lines, and all must be in memory

pub struct Search {
    matcher: RegexMatcher,
    searcher: Searcher,
    most: usize,
    pub page: Page,
    /// How many were searched.
    pub files: u64,
    pub binaries: u64,
}

impl Search {
    pub fn new(asked: &Asked) -> Result<Self, Failure> {
        let Regex { matcher, spans_lines } = Regex::parse(asked)?;
        let most = if spans_lines { LARGEST_FILE } else { LONGEST_LINE };
        let searcher = SearcherBuilder::new()
            .line_terminator(LineTerminator::crlf())
            .multi_line(spans_lines)
            .line_number(asked.mode == Mode::Content)
            .before_context(asked.before)
            .after_context(asked.after)
            .binary_detection(BinaryDetection::none())
            .heap_limit(Some(most))
            .build();
        let page = Page::new(asked.mode, asked.limit);
        Ok(Self { matcher, searcher, most, page, files: 0, binaries: 0 })
    }

    pub fn file(&mut self, name: &str, mut file: File) -> io::Result<()> {
        let piece = file.piece()?;
        let Some(piece) = readable(piece) else {
            self.binaries += 1;
            return Ok(());
        };
        self.files += 1;
        self.page.begin_file();
        let (matcher, page) = (&self.matcher, &mut self.page);
        let mut hits = Hits { matcher, page, name, lines: 0, state: State::Quiet };
        let is_whole = piece.len() < PIECE;
        let done = if is_whole {
            self.searcher.search_slice(&self.matcher, &piece, &mut hits)
        } else {
            let rest = Rest { piece, at: 0, file };
            self.searcher.search_reader(&self.matcher, rest, &mut hits)
        };
        let (lines, is_binary) = (hits.lines, hits.state == State::Binary);
        if is_binary {
            self.page.drop_file();
            self.files -= 1;
            self.binaries += 1;
        } else if lines > 0 {
            self.page.count(name, lines);
        }
        done.map_err(|error| self.explain(error))
    }

    /// The searcher's only error of its own is that its memory was not enough.
    fn explain(&self, error: io::Error) -> io::Error {
        if !error.to_string().contains("allocation limit") {
            return error;
        }
        let most = short(self.most as u64);
        io::Error::other(match self.searcher.multi_line() {
            true => format!("is larger than {most}, too much for a match over several lines"),
            false => format!("a line of it is longer than {most}"),
        })
    }
}

/// A file's first bytes as they are searched; None for a binary.
fn readable(piece: Vec<u8>) -> Option<Vec<u8>> {
    if memchr(0, &piece[..piece.len().min(HEAD)]).is_none() {
        return Some(piece);
    }
    match text::sniff(&piece)? {
        Encoding::Utf16 { marked: false, .. } if piece.len() < PIECE => {
            Some(text::decode(piece)?.0)
        }
        Encoding::Utf16 { marked: true, .. } => Some(piece), // which the searcher decodes
        _ => None,
    }
}

/// A file of which the first piece was read.
struct Rest {
    piece: Vec<u8>,
    at: usize,
    file: File,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && self.at == PIECE {
            (self.piece, self.at) = (self.file.piece()?, 0);
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[derive(PartialEq, Eq)]
enum State {
    Quiet,
    Matching,
    Binary,
}

/// What matches in one file.
struct Hits<'a> {
    matcher: &'a RegexMatcher,
    page: &'a mut Page,
    name: &'a str,
    lines: u64, // in counts
    state: State,
}

impl Sink for Hits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        // All of a small file, of a larger one what is in memory.
        if self.state == State::Quiet && memchr(0, found.buffer()).is_some() {
            self.state = State::Binary;
            return Ok(false);
        }
        self.state = State::Matching;
        match self.page.mode() {
            Mode::Files => {
                self.page.file(self.name);
                Ok(false)
            }
            Mode::Count => {
                self.lines += found.lines().count() as u64;
                Ok(true)
            }
            Mode::Content => {
                let mut numbered = found.lines().zip(found.line_number().unwrap_or(0)..);
                Ok(numbered.all(|(line, number)| self.show(number, ':', line)))
            }
        }
    }

    fn context(&mut self, _: &Searcher, found: &SinkContext<'_>) -> io::Result<bool> {
        match self.page.mode() {
            Mode::Content => Ok(self.show(found.line_number().unwrap_or(0), '-', found.bytes())),
            Mode::Files | Mode::Count => Ok(true),
        }
    }
}

impl Hits<'_> {
    fn show(&mut self, number: u64, sign: char, line: &[u8]) -> bool {
        let at = match sign {
            ':' => self.matcher.find(line).ok().flatten().map_or(0, |found| found.start()),
            _ => 0,
        };
        self.page.line(self.name, number, sign, line, at)
    }
}
