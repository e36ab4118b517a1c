//! argv as the manifest's templates write it: `--name value` pairs (`--name=value` where the value
//! may begin with "-"), then `--` and operands.

use crate::fail::Failure;

/// The arguments of one call. Asking for one takes it out; `finish` says what nobody asked for.
pub struct Args {
    options: Vec<(String, String)>,
    pub operands: Vec<String>,
}

impl Args {
    /// Read this process's arguments.
    pub fn read() -> Result<Self, Failure> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Vec::new();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("") => break,
                Some(pair) if pair.contains('=') => {
                    let (name, value) = pair.split_once('=').unwrap_or_default();
                    options.push((name.to_owned(), value.to_owned()));
                }
                Some(name) => match words.next() {
                    Some(value) => options.push((name.to_owned(), value)),
                    None => return Err(format!("{name}: a value is missing").into()),
                },
                None => return Err(format!("{word:?} stands before \"--\"").into()),
            }
        }
        Ok(Self { options, operands: words.collect() })
    }

    /// Take an option's text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(known, _)| known == name)?;
        Some(self.options.remove(at).1)
    }

    /// Take a number in a range, or its default.
    pub fn number(
        &mut self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, Failure> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            format!("{name}: {text:?} is not from {} to {}", range.start(), range.end()).into()
        })
    }

    /// Take `true` or `false`; an option that is absent is false.
    pub fn flag(&mut self, name: &str) -> Result<bool, Failure> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!("{name}: {other:?} is not true or false").into()),
        }
    }

    /// Refuse what is left over, so that a manifest's typing error is no silent default.
    pub fn finish(self) -> Result<Vec<String>, Failure> {
        match self.options.first() {
            Some((name, _)) => Err(format!("--{name} is no option of this tool").into()),
            None => Ok(self.operands),
        }
    }
}

/// The only operand: a path.
pub fn only(operands: Vec<String>, name: &str) -> Result<String, Failure> {
    match <[String; 1]>::try_from(operands) {
        Ok([one]) => Ok(one),
        Err(all) => Err(format!("{name}: one is needed, {} were given", all.len()).into()),
    }
}
