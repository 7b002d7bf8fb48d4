//! The tests, source files and symbols that documents name must exist.

use std::path::Path;

use super::{files, sources};
use session_timeout_tests::workspace_dir;

/// A name in lower case with at least this number of underscores is the name of a test.
const UNDERSCORES: usize = 4;

#[test]
fn documents_name_tests_and_files_that_exist() {
    let code: String = sources().map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    for (document, text) in files().filter(|(path, _)| path.ends_with(".md")) {
        for name in text.split('`').skip(1).step_by(2) {
            let exists = if is_test(name) {
                code.contains(&format!("fn {name}("))
            } else if is_source(name) {
                expanded(name).all(|path| workspace_dir().join(path).exists())
            } else {
                true
            };
            if !exists {
                wrong.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_glossary_names_symbols_that_exist() {
    let glossary = files().find(|(path, _)| path == "docs/glossary.md");
    let (_, text) = glossary.expect("there is a glossary");
    let mut wrong = Vec::new();
    // A link is followed by the symbols of its file, up to the next link.
    for link in text.split("](../").skip(1) {
        let Some((path, rest)) = link.split_once(')') else {
            continue;
        };
        let symbols = rest.lines().next().unwrap_or_default();
        let symbols = symbols.split('[').next().unwrap_or_default();
        let path = Path::new(path);
        let full = workspace_dir().join(path);
        if !full.exists() {
            wrong.push(path.display().to_string());
        }
        let code = std::fs::read_to_string(full).unwrap_or_default();
        for symbol in symbols.split('`').skip(1).step_by(2) {
            let last = symbol.rsplit("::").next().unwrap_or(symbol);
            if !defines(&code, last) {
                wrong.push(format!("{}: {symbol}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether the code defines this item, field, variant or key.
fn defines(code: &str, symbol: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let lines = code.lines().map(str::trim_start);
    let mut code = lines.filter(|line| !line.starts_with("//"));
    code.any(|line| line.split(|c| !is_name(c)).any(|word| word == symbol))
}

fn is_test(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(is_plain) && name.matches('_').count() >= UNDERSCORES
}

/// Whether it is the path of a source file from the root. Upper case is a placeholder.
fn is_source(name: &str) -> bool {
    let mut parts = name.split('/');
    let top = parts.next().unwrap_or_default();
    let below = parts
        .next()
        .is_some_and(|part| ["src", "tests"].contains(&part));
    let member = workspace_dir().join(top).join("Cargo.toml");
    below
        && Path::new(name).extension().is_some_and(|end| end == "rs")
        && !name.contains(char::is_uppercase)
        && member.exists()
}

/// The paths in an abbreviation such as `a/{b,c}.rs`.
fn expanded(name: &str) -> impl Iterator<Item = String> {
    let braces = name.split_once('{').and_then(|(before, rest)| {
        let (list, after) = rest.split_once('}')?;
        Some((before, list, after))
    });
    let (before, list, after) = braces.unwrap_or((name, "", ""));
    list.split(',')
        .map(move |part| format!("{before}{part}{after}"))
}
