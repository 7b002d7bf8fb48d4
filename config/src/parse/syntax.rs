//! Parses TOML, and words its syntax errors.

use toml::Spanned;
use toml::de::{DeTable, Error};

use crate::diagnostic::{Problem, shown};

/// The table of a text, as far as it could be parsed, and the syntax errors.
pub(crate) fn read(text: &str) -> (Spanned<DeTable<'_>>, Vec<Problem>) {
    // An error takes the parser about 200 bytes, and a megabyte of garbage has a million of them.
    // So for longer texts only the first error is reported.
    const MAX_RECOVERED_BYTES: usize = 64 * 1024;
    let (table, errors) = if text.len() <= MAX_RECOVERED_BYTES {
        DeTable::parse_recoverable(text)
    } else {
        match DeTable::parse(text) {
            Ok(table) => (table, Vec::new()),
            Err(error) => (Spanned::new(0..0, DeTable::default()), vec![error]),
        }
    };
    let problems = errors.iter().map(|error| problem(error, text)).collect();
    (table, problems)
}

/// The error of the parser, in clearer words where the mistake is known.
fn problem(error: &Error, text: &str) -> Problem {
    let span = error.span().unwrap_or_default();
    let typed = text.get(span.clone()).unwrap_or_default();
    let (message, expected) = match error.message().split_once(", expected ") {
        Some((message, expected)) => (message, Some(expected)),
        None => (error.message(), None),
    };
    match (message, expected) {
        ("string values must be quoted", _) if typed.is_empty() => {
            Problem::error(span, "the value is missing").label("expected a value, such as \"24h\"")
        }
        ("string values must be quoted", _) => {
            Problem::error(span, message).label(format!("write \"{}\"", shown(typed)))
        }
        (
            "invalid basic string" | "invalid literal string",
            Some(quote @ ("`\"`" | "`'`" | "'")),
        ) => Problem::error(span, "the string has no end").label(format!("expected {quote}")),
        ("duplicate key", _) => {
            let key = shown(typed);
            Problem::error(span, format!("duplicate key `{key}`")).label("it is already set above")
        }
        (_, Some(expected)) => Problem::error(span, message).label(format!("expected {expected}")),
        (_, None) => Problem::error(span, message),
    }
}
