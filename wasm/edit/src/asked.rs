//! The edits that are asked for, in either of two forms: a list, or one at the root.

use common::fail::Failure;
use serde_json::{Map, Value};

/// One edit; its texts end their lines by LF alone.
pub struct Edit {
    /// How its arguments are called in a sentence: "edits[1].", or "" for those at the root.
    pub place: String,
    pub old: String,
    pub new: String,
    pub all: bool,
}

const KEYS: [&str; 3] = ["old_string", "new_string", "replace_all"];

/// Read the arguments of a call. The schema has seen their types, but cannot say which go together.
pub fn read(arguments: &[u8]) -> Result<Vec<Edit>, Failure> {
    let Ok(Value::Object(root)) = serde_json::from_slice(arguments) else {
        return Err("the arguments are no JSON object".into());
    };
    let at_root: Vec<_> = KEYS.into_iter().filter(|key| is_there(&root, key)).collect();
    match root.get("edits").unwrap_or(&Value::Null) {
        Value::Null if at_root.is_empty() => {
            Err("nothing to do: give old_string and new_string, or several in edits".into())
        }
        Value::Null => Ok(vec![edit(&root, String::new())?]),
        _ if !at_root.is_empty() => {
            let both = at_root.join(" and ");
            Err(format!("give edits or {both}, not both: within edits, each has its own").into())
        }
        Value::Array(list) => {
            let edits = list.iter().enumerate().map(|(number, each)| match each {
                Value::Object(each) => edit(each, format!("edits[{number}].")),
                _ => Err(format!("edits[{number}] is no object").into()),
            });
            edits.collect()
        }
        _ => Err("edits is no list".into()),
    }
}

fn is_there(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

fn edit(object: &Map<String, Value>, place: String) -> Result<Edit, Failure> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(|t| t.replace("\r\n", "\n"));
    let Some(old) = text("old_string") else {
        return Err(format!("{place}old_string is missing: the text to replace").into());
    };
    let Some(new) = text("new_string") else {
        return Err(format!("{place}new_string is missing; \"\" would delete old_string").into());
    };
    if old.is_empty() {
        let hint = "give the text to replace; \"write\" fills an empty file or makes a new one";
        return Err(format!("{place}old_string is empty: {hint}").into());
    }
    if old == new {
        let hint = "line ends do not count, they are kept";
        return Err(format!("{place}old_string and new_string are the same ({hint})").into());
    }
    if new.contains('\0') {
        return Err(format!("{place}new_string holds a NUL, which no text file has").into());
    }
    let all = object.get("replace_all").and_then(Value::as_bool).unwrap_or(false);
    Ok(Edit { place, old, new, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &str) -> String {
        match read(arguments.as_bytes()) {
            Ok(_) => panic!("accepted: {arguments}"),
            Err(Failure(sentence)) => sentence,
        }
    }

    #[test]
    fn both_forms_are_taken() {
        let one =
            read(br#"{"path":"a","old_string":"x\r\n","new_string":"","edits":null}"#).unwrap();
        assert_eq!((one[0].place.as_str(), one[0].old.as_str(), one[0].all), ("", "x\n", false));
        let two = r#"{"old_string":"x","new_string":"y","replace_all":true}"#;
        let two = read(format!(r#"{{"path":"a","edits":[{two},{two}]}}"#).as_bytes()).unwrap();
        assert_eq!((two[1].place.as_str(), two[1].all), ("edits[1].", true));
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        assert!(refused(r#"{"path":"a"}"#).contains("nothing to do"));
        assert!(refused(r#"{"old_string":"a"}"#).starts_with("new_string is missing"));
        assert!(refused(r#"{"edits":[{"new_string":"a"}]}"#).starts_with("edits[0].old_string is"));
        let both = r#"{"edits":[],"old_string":"a","replace_all":true}"#;
        assert!(refused(both).contains("edits or old_string and replace_all, not both"));
        assert!(refused(r#"{"old_string":"","new_string":"a"}"#).contains("\"write\""));
        assert!(refused(r#"{"old_string":"a\n","new_string":"a\r\n"}"#).contains("the same"));
        assert!(refused(r#"{"old_string":"a","new_string":"\u0000"}"#).contains("NUL"));
    }
}
