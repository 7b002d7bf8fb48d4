//! The symbols that the built module exports, and the libraries that it needs.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod support;

use std::process::Command;

/// The output of a program of the binutils (which the build needs anyway) about the module.
fn inspect(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(support::module())
        .output()
        .expect(program);
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn exactly_two_symbols_are_exported() {
    let list = inspect("nm", &["-D", "--defined-only", "--format=posix"]);
    let mut names: Vec<_> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["pam_sm_close_session", "pam_sm_open_session"]);
}

#[test]
fn only_libraries_that_a_login_has_anyway_are_needed() {
    let list = inspect("readelf", &["--dynamic", "--wide"]);
    let mut names: Vec<_> = list
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        // The dynamic linker itself, which glibc names for thread-local variables.
        .filter(|name| !name.starts_with("ld-linux"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["libc.so.6", "libgcc_s.so.1", "libpam.so.0"]);
}
