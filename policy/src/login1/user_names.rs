//! Check of user names against systemd's rules: logind creates no session for a name that fails it.

/// Whether logind creates sessions for a user of this name. systemd accepts names that other tools
/// have created, unless they could be mistaken for something else, such as a number or a path
/// (`valid_user_group_name()` with `VALID_USER_RELAX` in `src/basic/user-util.c`, systemd 252 and
/// 257; systemd.io/USER_NAMES).
#[must_use]
pub fn is_systemd_user_name(name: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_separator = |byte: u8| byte.is_ascii_control() || matches!(byte, b':' | b'/');
    let unsigned = name.strip_prefix('-').unwrap_or(name);
    !(is_number(unsigned)
        || name.starts_with(' ')
        || name.ends_with(' ')
        || name.bytes().any(is_separator)
        || matches!(name, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_for_something_else_are_refused_and_no_others() {
        for refused in [
            "",
            "0",
            "20250001",
            "4294967296",
            "-1",
            "-",
            " a",
            "a ",
            "a\tb",
            "a:b",
            "a/b",
            ".",
            "..",
        ] {
            assert!(!is_systemd_user_name(refused), "{refused:?}");
        }
        for taken in [
            "alice",
            "2025a",
            "-a",
            "CORP\\jane",
            "joe@corp",
            "jean luc",
            "müller",
            "svc$",
            "a.b",
        ] {
            assert!(is_systemd_user_name(taken), "{taken:?}");
        }
    }
}
