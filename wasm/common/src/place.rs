//! Where a path argument leads: into which of the folders that were opened for this call.
//!
//! The libc below std strips the leading "/" of a path and of the opened folders' names before it
//! compares them, so in a workspace `/app` that holds a folder `app`, the relative path `app/x`
//! would be looked for in `/app`. So the folder is chosen here, and the path is handed on as
//! `<folder>/./<rest>`: no longer folder's name can be its beginning.

use std::path::PathBuf;

use crate::fail::Failure;

/// One path argument.
pub struct Place {
    /// As it was given: relative to the first folder, or absolute.
    pub given: String,
    /// What std may be given.
    pub path: PathBuf,
    /// The opened folder in which it lies, as the guest names it.
    pub folder: String,
}

impl Place {
    /// Find the opened folder that holds this path.
    pub fn find(given: &str) -> Result<Self, Failure> {
        let folders = opened();
        let best = folders
            .iter()
            .filter_map(|folder| Some((folder, rest_in(given, folder)?)))
            .max_by_key(|(folder, _)| folder.len());
        match best {
            Some((folder, rest)) => Ok(Self {
                given: given.to_owned(),
                path: PathBuf::from(format!("{folder}/./{rest}")),
                folder: folder.clone(),
            }),
            None => Err(format!("{given}: is in no folder that this call has open").into()),
        }
    }
}

/// What follows a folder's name in a path that lies in it.
fn rest_in<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if path.starts_with('/') != folder.starts_with('/') {
        return None;
    }
    if folder == "." {
        return Some(if path == "." { "" } else { path });
    }
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(target_os = "wasi")]
fn opened() -> Vec<String> {
    let mut names = Vec::new();
    // Opened folders take the descriptors from 3 on; the first that is none ends them.
    for descriptor in 3.. {
        // SAFETY: the call writes nothing here, and the name goes into a buffer of its own length.
        unsafe {
            let Ok(prestat) = wasi::fd_prestat_get(descriptor) else { break };
            let mut name = vec![0; prestat.u.dir.pr_name_len];
            if wasi::fd_prestat_dir_name(descriptor, name.as_mut_ptr(), name.len()).is_ok() {
                names.push(String::from_utf8_lossy(&name).into_owned());
            }
        }
    }
    names
}

#[cfg(not(target_os = "wasi"))]
fn opened() -> Vec<String> {
    vec![".".into(), "/".into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_a_folder_of_its_own_kind() {
        assert_eq!(rest_in("app/x", "/app"), None);
        assert_eq!(rest_in("app/x", "."), Some("app/x"));
        assert_eq!(rest_in("/app/x", "/app"), Some("x"));
        assert_eq!(rest_in("apple", "app"), None);
        assert_eq!(rest_in("app", "app"), Some(""));
        assert_eq!(rest_in("/x", "/"), Some("x"));
        assert_eq!(rest_in(".", "."), Some(""));
    }
}
