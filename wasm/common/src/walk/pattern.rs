//! Which paths a glob pattern means: decided name by name on the way down, so that a folder in
//! which nothing can match is never read.

use globset::{GlobBuilder, GlobMatcher};

use super::Standing;
use crate::dir::Dir;
use crate::fail::Failure;
use crate::place::Place;

const WAYS: usize = 1000; // that braces may stand for

pub struct Pattern {
    /// Each a sequence of names; braces with "/" in them make several.
    ways: Vec<Vec<Part>>,
    /// It ends with "/": folders are meant, else files.
    pub wants_folders: bool,
}

enum Part {
    /// `**`: any number of folders; at the end, all that is below.
    Any,
    Name(String),
    Glob(String, GlobMatcher),
}

/// How far the names so far have led: for each way that is still open, the parts to come.
#[derive(Clone, Default)]
pub struct Reach(Vec<(usize, usize)>);

impl Reach {
    /// Whether nothing further down can match.
    pub fn is_nowhere(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pattern {
    /// What matches every file.
    pub fn everything() -> Self {
        Self { ways: vec![vec![Part::Any]], wants_folders: false }
    }

    /// Read a pattern that counts from the folder at `place`: at any depth where it has no "/".
    pub fn parse(text: &str, place: &Place) -> Result<Self, Failure> {
        let wants_folders = text.ends_with('/');
        let is_anchored = text.trim_end_matches('/').contains('/');
        let mut ways = Vec::new();
        for way in without_slashes_in_braces(text)? {
            let way = way.trim_end_matches('/');
            let mut parts = parts(way, text)?;
            if parts.is_empty() {
                return Err(format!("{text:?} names nothing: ** is every file").into());
            }
            if !is_anchored && !matches!(parts[0], Part::Any) {
                parts.insert(0, Part::Any);
            }
            // Models repeat the folder that they name by `path`.
            let bare = way.trim_start_matches("./").trim_start_matches('/');
            if let Some(rest) = bare.strip_prefix(place.given.as_str()) {
                if rest.starts_with('/') && place.given != "." {
                    ways.push(self::parts(rest, text)?);
                }
            }
            ways.push(parts);
        }
        Ok(Self { ways, wants_folders })
    }

    /// Where a walk begins.
    pub fn start(&self) -> Reach {
        let mut reach = Reach::default();
        for way in 0..self.ways.len() {
            self.arrive(way, 0, &mut reach);
        }
        reach
    }

    /// Go on by a name: whether it matches, and what then can match below it.
    pub fn step(&self, reach: &Reach, name: &str, standing: Standing) -> (bool, Reach) {
        let (mut is_match, mut below) = (false, Reach::default());
        for (way, at) in &reach.0 {
            let parts = &self.ways[*way];
            if !parts[*at].fits(name, standing) {
                continue;
            }
            is_match |= at + 1 == parts.len();
            let next = if matches!(parts[*at], Part::Any) { *at } else { at + 1 };
            self.arrive(*way, next, &mut below);
        }
        below.0.sort_unstable();
        below.0.dedup();
        (is_match, below)
    }

    fn arrive(&self, way: usize, at: usize, reach: &mut Reach) {
        let parts = &self.ways[way];
        if at == parts.len() {
            return;
        }
        reach.0.push((way, at));
        if matches!(parts[at], Part::Any) && at + 1 < parts.len() {
            self.arrive(way, at + 1, reach); // `**` may stand for no folder at all
        }
    }
}

impl Part {
    fn parse(part: &str, whole: &str) -> Result<Self, Failure> {
        if part == "**" {
            return Ok(Part::Any);
        }
        if !part.contains(['*', '?', '[', '{', '}', '\\']) {
            return Ok(Part::Name(part.to_owned()));
        }
        let glob = GlobBuilder::new(part).literal_separator(true).empty_alternates(true).build();
        let glob = glob.map_err(|error| {
            let hint = "put a \\ before a character that stands for itself";
            Failure(format!("{whole:?} is no pattern: {}; {hint}", error.kind()))
        })?;
        Ok(Part::Glob(part.to_owned(), glob.compile_matcher()))
    }

    /// Who names an entry wants to see it; a wildcard means what is shown.
    fn fits(&self, name: &str, standing: Standing) -> bool {
        match (self, standing) {
            (Part::Name(wanted), _) => wanted == name,
            (Part::Any, standing) => standing == Standing::Shown,
            (Part::Glob(_, _), Standing::Ignored) => false,
            (Part::Glob(text, _), Standing::Hidden) if !text.starts_with('.') => false,
            // Folders are called "[id]" by some web frameworks.
            (Part::Glob(text, glob), _) => text == name || glob.is_match(name),
        }
    }
}

/// The opened folder into which an absolute pattern leads, and what of it is left to match. Where
/// no folder has its name, it begins at the place that is searched, as it does in ignore files.
pub fn rooted(text: &str) -> Result<Option<(Place, &str)>, Failure> {
    let Some(found) = Place::find(text).ok().filter(|_| text.starts_with('/')) else {
        return Ok(None);
    };
    let rest = text.strip_prefix(found.folder.trim_end_matches('/')).unwrap_or(text);
    // The first folder has two names; paths are printed by the relative one.
    let is_first = Dir::is_same(&found.folder, ".");
    Ok(Some((Place::find(if is_first { "." } else { &found.folder })?, rest)))
}

fn parts(way: &str, whole: &str) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let mut from = 0;
    let slashes = marks(way).into_iter().filter(|(_, mark)| *mark == b'/').map(|(at, _)| at);
    for at in slashes.chain([way.len()]) {
        let part = &way[from..at];
        from = at + 1;
        match part {
            "" | "." => {}
            ".." => {
                let hint = "give that folder as path";
                return Err(format!("{whole:?} leads out of its folder by ..: {hint}").into());
            }
            "**" if matches!(parts.last(), Some(Part::Any)) => {}
            _ => parts.push(Part::parse(part, whole)?),
        }
    }
    Ok(parts)
}

/// The pattern once for each choice of those braces that have a "/" in them.
fn without_slashes_in_braces(text: &str) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        if done.len() + open.len() > WAYS {
            return Err("the pattern has too many braces with / in them".into());
        }
        match braces_with_slash(&text) {
            None => done.push(text),
            Some(marks) => {
                let (head, tail) = (&text[..marks[0]], &text[marks[marks.len() - 1] + 1..]);
                let choices = marks.windows(2).map(|two| &text[two[0] + 1..two[1]]);
                open.extend(choices.map(|choice| format!("{head}{choice}{tail}")));
            }
        }
    }
    Ok(done)
}

/// Where the first outermost braces that have a "/" in them open, have commas, and close.
fn braces_with_slash(text: &str) -> Option<Vec<usize>> {
    let (mut depth, mut has_slash, mut found) = (0, false, Vec::new());
    for (at, mark) in marks(text) {
        match mark {
            b'{' => {
                depth += 1;
                if depth == 1 {
                    (has_slash, found) = (false, vec![at]);
                }
            }
            b',' if depth == 1 => found.push(at),
            b'}' if depth == 1 => {
                found.push(at);
                if has_slash {
                    return Some(found);
                }
                depth = 0;
            }
            b'}' => depth = depth.max(1) - 1,
            b'/' => has_slash = depth > 0 || has_slash,
            _ => {}
        }
    }
    None
}

/// The braces, commas and slashes that mean something: not escaped, and in no class.
fn marks(text: &str) -> Vec<(usize, u8)> {
    let bytes = text.as_bytes();
    let mut marks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => at = end_of_class(bytes, at),
            mark @ (b'{' | b'}' | b',' | b'/') => marks.push((at, mark)),
            _ => {}
        }
        at += 1;
    }
    marks
}

/// Where a class closes; where it opens if it never does, which the glob's parser will say.
fn end_of_class(bytes: &[u8], open: usize) -> usize {
    let negated = usize::from(matches!(bytes.get(open + 1), Some(b'!' | b'^')));
    let first = open + 1 + negated; // a "]" there stands for itself
    let rest = bytes.get(first + 1..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b']').map_or(open, |end| first + 1 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(given: &str) -> Place {
        Place::find(given).unwrap()
    }

    fn matches_in(given: &str, pattern: &str, path: &str) -> bool {
        let pattern = Pattern::parse(pattern, &place(given)).unwrap();
        let (mut is_match, mut reach) = (false, pattern.start());
        for name in path.split('/') {
            let standing = if name.starts_with('.') { Standing::Hidden } else { Standing::Shown };
            (is_match, reach) = pattern.step(&reach, name, standing);
        }
        is_match
    }

    fn matches(pattern: &str, path: &str) -> bool {
        matches_in(".", pattern, path)
    }

    #[test]
    fn a_pattern_without_a_slash_matches_at_any_depth() {
        assert!(matches("*.py", "a.py") && matches("*.py", "x/y/a.py"));
        assert!(matches("./*.py", "a.py") && !matches("./*.py", "x/a.py"));
        assert!(matches("/*.py", "a.py") && !matches("/*.py", "x/a.py"));
        assert!(matches("x/*.py", "x/a.py") && !matches("x/*.py", "y/x/a.py"));
        assert!(matches("**", "a") && matches("**", "a/b") && !matches("*.py", "a.pyc"));
    }

    #[test]
    fn two_stars_are_any_number_of_folders() {
        for (path, expected) in [("a/c", true), ("a/b/c", true), ("a/b/b/c", true), ("c", false)] {
            assert_eq!(matches("a/**/c", path), expected, "{path}");
            assert_eq!(matches("a/**/**/c", path), expected, "{path}");
        }
        assert!(matches("a/**", "a/b") && matches("a/**", "a/b/c") && !matches("a/**", "a"));
        assert!(matches("**/a/**", "x/a/b") && !matches("**/a/**", "x/a"));
        assert!(!matches("a/*", "a/b/c") && matches("a**b", "aXb") && !matches("a**b", "a/b"));
    }

    #[test]
    fn braces_may_hold_slashes() {
        for path in ["a/x.c", "b/d/x.c", "b/e/f/x.c"] {
            assert!(matches("{a,b/{d,e/f}}/*.{c,h}", path), "{path}");
        }
        assert!(!matches("{a,b/{d,e/f}}/*.{c,h}", "b/x.c"));
        assert!(matches("{src/**/,}*.c", "a.c") && matches("{src/**/,}*.c", "src/b/a.c"));
        assert!(!matches("{src/**/,}*.c", "b/a.c"));
        assert!(matches(r"a\{b/c", "a{b/c") && matches("[{]/c", "{/c"));
    }

    #[test]
    fn classes_and_escapes() {
        assert!(matches("[a-c]?[!x]", "b1y") && !matches("[a-c]?[!x]", "b1x"));
        assert!(matches("[]-]", "]") && matches(r"\*", "*") && !matches(r"\*", "a"));
        assert!(matches("app/[id]/*.tsx", "app/[id]/page.tsx") && matches("[id]", "d"));
    }

    #[test]
    fn hidden_names_are_to_be_named() {
        assert!(!matches("**/*", ".git/config") && !matches("*", ".env"));
        assert!(matches(".env*", ".env.local") && matches("**/.env", "a/.env"));
        assert!(matches(".github/**/*.yml", ".github/w/ci.yml"));
        assert!(!matches("**/x", ".hidden/x") && matches("{.a,b}/x", "b/x"));
    }

    #[test]
    fn the_folder_itself_may_be_repeated() {
        assert!(matches_in("src", "src/**/*.c", "a/b.c") && matches_in("src", "src/*.c", "b.c"));
        assert!(matches_in("src", "src/*.c", "src/b.c") && !matches_in("src", "srcs/*.c", "b.c"));
    }

    #[test]
    fn what_cannot_match_below_is_known() {
        let pattern = Pattern::parse("src/*/test/*.rs", &place(".")).unwrap();
        let step = |reach: &Reach, name| pattern.step(reach, name, Standing::Shown).1;
        assert!(step(&pattern.start(), "lib").is_nowhere());
        let src = step(&pattern.start(), "src");
        assert!(!src.is_nowhere() && !step(&src, "x").is_nowhere());
        assert!(step(&step(&src, "x"), "y").is_nowhere());
    }

    #[test]
    fn a_bad_pattern_is_explained() {
        for (text, said) in [
            ("a[b", "\"a[b\" is no pattern: unclosed character class; missing ']'"),
            ("x/{a,b", "\"x/{a,b\" is no pattern: unclosed alternate group; missing '}'"),
            ("[z-a]", "\"[z-a]\" is no pattern: invalid range; 'z' > 'a'"),
            ("../x", "\"../x\" leads out of its folder by ..: give that folder as path"),
            ("", "\"\" names nothing: ** is every file"),
            ("./", "\"./\" names nothing: ** is every file"),
        ] {
            let Err(Failure(sentence)) = Pattern::parse(text, &place(".")) else {
                panic!("accepted: {text}")
            };
            assert!(sentence.starts_with(said), "{sentence}");
        }
        let many = "{a/,b/}".repeat(11);
        assert!(Pattern::parse(&many, &place(".")).is_err());
    }
}
