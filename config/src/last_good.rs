//! The copy of the last good policy, and which main file it was taken from.
//!
//! A main file that was in force and is gone was hardly meant to go: the policy that it stood for
//! would silently become the built-in one. So the copy says in a comment on its first line which
//! file it is from.

use std::path::Path;

use session_timeout_texts::harmless;

use crate::file::{self, Found};

/// Where the daemon keeps it.
pub const PATH: &str = "/var/lib/session-timeout/policy.last-good.toml";

/// The text of a copy: this policy, which was taken from this main file, if from any.
#[must_use]
pub fn remember(policy: &str, main: Option<&Path>) -> String {
    main.map_or_else(
        || policy.to_owned(),
        |main| format!("{}\n{policy}", first_line(main)),
    )
}

/// Whether the copy at `path` was taken from this main file. Whoever may not read the copy is told
/// that it was not.
pub(crate) fn is_from(path: &Path, main: &Path) -> bool {
    let Found::Good(copy) = file::read(path) else {
        return false;
    };
    let first = copy.split(|byte| *byte == b'\n').next();
    first == Some(first_line(main).as_bytes())
}

fn first_line(main: &Path) -> String {
    format!("# From {}", harmless(&main.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_copy_tells_which_file_it_was_taken_from() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy");
        let main = Path::new("/etc/pol\nicy.toml");
        assert!(!is_from(&copy, main), "no copy at all");
        for (taken_from, says) in [
            (Some(main), true),
            (Some(Path::new("/etc/policy.toml")), false),
            (None, false),
        ] {
            let text = remember("[default]\n", taken_from);
            assert!(text.ends_with("[default]\n"));
            fs::write(&copy, text).unwrap();
            assert_eq!(is_from(&copy, main), says, "{taken_from:?}");
        }
    }
}
