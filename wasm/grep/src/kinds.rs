//! Kinds of files by ripgrep's names for them.

use common::fail::Failure;
use ignore::types::{FileTypeDef, Types, TypesBuilder};

const NEAR: usize = 8; // names that are suggested

pub fn select(name: &str) -> Result<Types, Failure> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    let known = builder.definitions();
    if !known.iter().any(|kind| kind.name() == name) {
        return Err(unknown(name, &known));
    }
    builder.select(name);
    builder.build().map_err(|error| format!("type: {error}").into())
}

fn unknown(name: &str, known: &[FileTypeDef]) -> Failure {
    let glob = format!("*.{name}");
    let of_its_files = known.iter().filter(|kind| kind.globs().contains(&glob));
    let begin = name.get(..2).unwrap_or(name);
    let of_its_name = known.iter().filter(|kind| kind.name().starts_with(begin));
    let mut near: Vec<_> = of_its_files.chain(of_its_name).map(FileTypeDef::name).collect();
    near.truncate(NEAR);
    near.dedup();
    let near = match near.as_slice() {
        [] => String::new(),
        names => format!("there is {}; ", names.join(", ")),
    };
    format!("type: {name:?} is no kind of files; {near}glob={glob} takes them by name").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_lists_near_ones() {
        assert!(select("py").is_ok());
        for (name, near) in
            [("tsx", "there is ts, "), ("pyton", "py, python"), ("§", "files; glob")]
        {
            let Err(Failure(sentence)) = select(name) else { panic!("accepted: {name}") };
            assert!(sentence.contains(near), "{sentence}");
        }
    }
}
