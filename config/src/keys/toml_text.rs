//! Values as the text of a TOML file.

use super::value::Choice;

/// The text in quotes, with the escapes that TOML requires.
pub(crate) fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list on one line.
pub(crate) fn list(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    format!("[{}]", elements.join(", "))
}

/// The word for this meaning, in quotes.
pub(crate) fn word<T: PartialEq>(choices: &[Choice<T>], meaning: &T) -> String {
    let choice = choices.iter().find(|choice| choice.meaning == *meaning);
    string(choice.map_or("", |choice| choice.word))
}
