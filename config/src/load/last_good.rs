//! The copy of the last good policy, and the record of the main file that it was read from.
//!
//! A main file that was in force and is missing was most likely lost, not removed on purpose:
//! without it the built-in policy would silently take effect. So a comment on the first line of the
//! copy records which main file it is from.

use std::path::Path;

use session_timeout_texts::sanitize;

use crate::load::file::{self, Found};

/// The path of the daemon's copy.
pub const PATH: &str = "/var/lib/session-timeout/policy.last-good.toml";

/// The text of a copy of this policy, with the main file that it was read from, if any.
#[must_use]
pub fn remember(policy: &str, main: Option<&Path>) -> String {
    main.map_or_else(
        || policy.to_owned(),
        |main| format!("{}\n{policy}", first_line(main)),
    )
}

/// Whether the copy at `path` was read from this main file; `false` for a caller that may not read
/// the copy.
pub(crate) fn is_from(path: &Path, main: &Path) -> bool {
    let Found::Good(copy) = file::read(path) else {
        return false;
    };
    let first = copy.split(|byte| *byte == b'\n').next();
    first == Some(first_line(main).as_bytes())
}

fn first_line(main: &Path) -> String {
    format!("# From {}", sanitize(&main.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_copy_names_its_file() {
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
