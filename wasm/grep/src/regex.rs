//! The pattern as a matcher, in linear time whatever it is; what is wrong with it, explained.

use common::fail::Failure;
use grep_regex::{ErrorKind, RegexMatcher, RegexMatcherBuilder};

use crate::asked::Asked;

const LARGEST: usize = 16 << 20; // of the compiled pattern, and of what its search may remember

pub struct Regex {
    pub matcher: RegexMatcher,
    /// Whether a match may go from one line into the next.
    pub spans_lines: bool,
}

impl Regex {
    pub fn parse(asked: &Asked) -> Result<Self, Failure> {
        let mut spans_lines = asked.multiline;
        let mut built = build(asked, spans_lines);
        // Who writes a line break means one: no need to ask for `multiline`, too.
        if built.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::NotAllowed(_))) {
            spans_lines = true;
            built = build(asked, spans_lines);
        }
        let matcher = built.map_err(|error| explain(&asked.pattern, &error))?;
        Ok(Self { matcher, spans_lines })
    }
}

fn build(asked: &Asked, spans_lines: bool) -> Result<RegexMatcher, grep_regex::Error> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true) // ^ and $ are a line's, in either case
        .crlf(true)
        .fixed_strings(asked.fixed)
        .case_insensitive(asked.ignore_case)
        .size_limit(LARGEST)
        .dfa_size_limit(LARGEST);
    if spans_lines {
        builder.line_terminator(None).dot_matches_new_line(asked.multiline);
    }
    builder.build(&asked.pattern)
}

/// The parser's own words, which point at the place; they come for the pattern as it was given.
fn explain(pattern: &str, error: &grep_regex::Error) -> Failure {
    let said = match regex_syntax::Parser::new().parse(pattern) {
        Err(error) => error.to_string(),
        Ok(_) => error.to_string(),
    };
    format!("{said}\nfixed_strings=true searches for the pattern as it is").into()
}
