//! What models do to a text that they copy: each slip undone, to see whether that was it.

/// A slip, and the old text without it.
pub struct Slip {
    pub sentence: &'static str,
    pub text: String,
}

type Undo = fn(&str) -> String;

/// The slips that an old text may have, each by itself.
pub fn slips(old: &str) -> Vec<Slip> {
    let all: [(&str, Undo); 3] = [
        ("It begins its lines with read's numbers (\"12\\t\"): leave them out.", without_numbers),
        ("It is escaped once too often (\\n, \\t, \\\" or \\\\).", unescaped),
        ("It has HTML entities (&lt; &gt; &amp; &quot;) for characters.", without_entities),
    ];
    all.into_iter()
        .map(|(sentence, undo)| Slip { sentence, text: undo(old) })
        .filter(|slip| slip.text != old)
        .collect()
}

/// Without the numbers and tabs before its lines, where every line has them.
pub fn without_numbers(old: &str) -> String {
    let mut plain = String::with_capacity(old.len());
    for line in old.split_inclusive('\n') {
        let number = line.trim_start_matches(' ');
        let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        match rest.strip_prefix('\t').filter(|_| rest.len() < number.len()) {
            Some(rest) => plain.push_str(rest),
            None => return old.to_owned(),
        }
    }
    plain
}

fn unescaped(old: &str) -> String {
    let mut plain = String::with_capacity(old.len());
    let mut characters = old.chars().peekable();
    while let Some(each) = characters.next() {
        let meant = match (each, characters.peek()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('t')) => '\t',
            ('\\', Some(quote @ ('"' | '\'' | '\\'))) => *quote,
            _ => {
                plain.push(each);
                continue;
            }
        };
        characters.next();
        plain.push(meant);
    }
    plain
}

fn without_entities(old: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(old.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_undone() {
        assert_eq!(without_numbers("  9\ta\n10\t\n11\tb"), "a\n\nb");
        assert_eq!(without_numbers("9\ta\nb"), "9\ta\nb");
        assert_eq!(unescaped(r#"a\n\tb \"c\" \\d \e"#), "a\n\tb \"c\" \\d \\e");
        assert_eq!(without_entities("a &lt; b &amp;&amp; c"), "a < b && c");
        assert!(slips("plain text\n").is_empty());
    }
}
