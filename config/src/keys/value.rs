//! Reads single TOML values: checks their type and range.

use std::ops::Range as Span;
use std::time::Duration;

use session_timeout_texts::is_unprintable;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostic::{Problem, shown};
use crate::duration;
use crate::keys::range::Range;

/// A key and its value, as written.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The key as messages name it: `grace`, `extend.by`.
    pub(crate) key: &'a str,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

/// A word that a key allows.
pub(crate) struct Choice<T> {
    pub(crate) word: &'static str,
    pub(crate) meaning: T,
}

impl<T> Choice<T> {
    pub(crate) const fn new(word: &'static str, meaning: T) -> Self {
        Self { word, meaning }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn span(self) -> Span<usize> {
        self.value.span()
    }

    /// A duration inside its range.
    pub(crate) fn duration(self, range: &Range) -> Result<Duration, Problem> {
        let duration = self.any_duration(range)?;
        self.inside(range, duration)
    }

    /// A duration inside its range, or "off".
    pub(crate) fn duration_or_off(self, range: &Range) -> Result<Option<Duration>, Problem> {
        if self.is_off() {
            return Ok(None);
        }
        let duration = self.any_duration(range).map_err(|problem| {
            let key = self.key;
            problem.or_help(format!("`{key} = \"off\"` turns it off"))
        })?;
        self.inside(range, duration).map(Some)
    }

    /// A list of durations, each inside the range. Each invalid one becomes a problem.
    pub(crate) fn durations(
        self,
        range: &Range,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<Spanned<Duration>>> {
        /// The maximum number of warnings.
        const MAX: usize = 64;
        let example = format!("[\"{}\"]", range.example);
        let elements = keep(self.array("a list of durations", &example), problems)?;
        if elements.len() > MAX {
            let label = format!("{} elements; at most {MAX}", elements.len());
            problems.push(self.error("is too long").label(label));
            return None;
        }
        all(elements, problems, |value| {
            let duration = self.element(value).duration(range)?;
            Ok(Spanned::new(value.span(), duration))
        })
    }

    /// One of these words.
    pub(crate) fn choice<T: Clone>(self, choices: &[Choice<T>]) -> Result<T, Problem> {
        let available = available(choices);
        let word = self.text(&format!("one of {available}"));
        let word = word.map_err(|problem| self.spelled(problem, choices))?;
        let choice = choices.iter().find(|choice| choice.word == word);
        choice.map(|choice| choice.meaning.clone()).ok_or_else(|| {
            let problem = self.error("has an unknown value");
            let problem = problem.label(format!("available: {available}"));
            did_you_mean(problem, word, choices.iter().map(|choice| choice.word))
        })
    }

    /// Adds a hint for `true` or `false` where the word is "on" or "off".
    fn spelled<T>(self, problem: Problem, choices: &[Choice<T>]) -> Problem {
        let word = match self.value.get_ref() {
            DeValue::Boolean(true) => "on",
            DeValue::Boolean(false) => "off",
            _ => return problem,
        };
        if choices.iter().any(|choice| choice.word == word) {
            problem.help(format!("write `{} = \"{word}\"`", self.key))
        } else {
            problem
        }
    }

    /// A list of some of these words, at least one.
    pub(crate) fn choices<T: Clone>(
        self,
        choices: &[Choice<T>],
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<T>> {
        let available = available(choices);
        let example = choices.first().map_or("", |choice| choice.word);
        let elements = self.array("a list of words", &format!("[\"{example}\"]"));
        let elements = keep(elements, problems)?;
        if elements.is_empty() {
            let problem = self.error("is empty");
            problems.push(problem.label(format!("expected at least one of: {available}")));
        }
        all(elements, problems, |value| {
            self.element(value).choice(choices)
        })
    }

    /// The elements of this list, at least one; a single string counts as a list of one.
    pub(crate) fn strings(self, example: &str) -> Result<Vec<Self>, Problem> {
        /// The maximum length of a list.
        const MAX: usize = 256;
        let array = match self.value.get_ref() {
            DeValue::String(_) => return Ok(vec![self]),
            DeValue::Array(array) => array,
            _ => {
                let expected = format!("\"{example}\" or [\"{example}\"]");
                return Err(self.wrong_type("a string or a list of strings", &expected));
            }
        };
        match array.len() {
            0 => Err(self
                .error("is empty")
                .label("an empty list matches nothing")
                .help(format!("leave `{}` out to match everything", self.key))),
            1..=MAX => Ok(array.iter().map(|value| self.element(value)).collect()),
            more => Err(self
                .error("is too long")
                .label(format!("{more} elements; at most {MAX}"))),
        }
    }

    /// A whole number that is not more than this.
    pub(crate) fn number(self, max: u32) -> Result<u32, Problem> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return Err(self.wrong_type("a number", "1"));
        };
        let text = number.as_str();
        let found = u32::from_str_radix(text, number.radix());
        found.ok().filter(|found| *found <= max).ok_or_else(|| {
            let wrong = if text.starts_with('-') {
                "less than the minimum"
            } else {
                "more than the maximum"
            };
            let number = shown(&number.to_string());
            let label = format!("{number} is {wrong}; allowed: 0 to {max}");
            self.error("is out of range").label(label)
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self) -> Result<bool, Problem> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.mismatch("expected true or false, without quotes")),
        }
    }

    /// A table.
    pub(crate) fn table(self, example: &str) -> Result<&'a DeTable<'a>, Problem> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong_type("a table", example)),
        }
    }

    /// A string; `expected` is for the error message.
    pub(crate) fn text(self, expected: &str) -> Result<&'a str, Problem> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.mismatch(&format!("expected {expected}"))),
        }
    }

    /// A name: one line of printable text, neither empty nor longer than this.
    pub(crate) fn name(self, max_bytes: usize) -> Result<&'a str, Problem> {
        let text = self.text("a string")?;
        if text.trim().is_empty() {
            return Err(self.error("is empty").label("expected a name"));
        }
        if text.len() > max_bytes {
            let label = format!("{} bytes; at most {max_bytes}", text.len());
            return Err(self.error("is too long").label(label));
        }
        if let Some(control) = text.chars().find(|c| is_unprintable(*c)) {
            let label = format!("U+{:04X} is not a printable character", u32::from(control));
            return Err(self.error("has a control character in it").label(label));
        }
        if text.trim() != text {
            let problem = self.error("has a blank at its start or end");
            return Err(problem.label(format!("write \"{}\"", shown(text.trim()))));
        }
        Ok(text)
    }

    /// The location of a part of this string.
    pub(crate) fn part(self, part: Span<usize>) -> Span<usize> {
        let whole = self.span();
        let DeValue::String(text) = self.value.get_ref() else {
            return whole;
        };
        // Offsets are only valid in a string without escapes and with single quotes: escapes and
        // the quotes of multi-line strings make the source longer than the text.
        if whole.len() != text.len() + 2 {
            return whole;
        }
        let start = whole.start + 1;
        start + part.start..start + part.end
    }

    /// An error about this value: "`key` is ...".
    pub(crate) fn error(self, predicate: &str) -> Problem {
        Problem::error(self.span(), format!("`{}` {predicate}", self.key))
    }

    fn any_duration(self, range: &Range) -> Result<Duration, Problem> {
        match self.value.get_ref() {
            DeValue::String(text) => duration::parse(text)
                .map_err(|error| self.error("is not a duration").label(error.to_string())),
            DeValue::Integer(number) => {
                let problem = self.wrong_type("a duration", &format!("\"{}\"", range.example));
                let number = shown(&number.to_string());
                Err(problem.help(format!(
                    "write \"{number}s\" for seconds, \"{number}min\" for minutes"
                )))
            }
            _ => Err(self.wrong_type("a duration", &format!("\"{}\"", range.example))),
        }
    }

    fn inside(self, range: &Range, duration: Duration) -> Result<Duration, Problem> {
        match range.objection(duration) {
            None => Ok(duration),
            Some(objection) => Err(self.error("is out of range").label(objection)),
        }
    }

    fn array(self, kind: &str, example: &str) -> Result<&'a DeArray<'a>, Problem> {
        match self.value.get_ref() {
            DeValue::Array(array) => Ok(array),
            _ => Err(self.wrong_type(kind, example)),
        }
    }

    /// An element of this list, under the name of the list.
    fn element(self, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { value, ..self }
    }

    pub(crate) fn is_off(self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(text) if text == "off")
    }

    fn wrong_type(self, kind: &str, example: &str) -> Problem {
        self.mismatch(&format!("expected {kind} such as {example}"))
    }

    fn mismatch(self, expected: &str) -> Problem {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error("is of the wrong type")
            .label(format!("{expected}, found {found}"))
    }
}

/// The words, separated by commas.
pub(crate) fn available<T>(choices: &[Choice<T>]) -> String {
    let words: Vec<&str> = choices.iter().map(|choice| choice.word).collect();
    words.join(", ")
}

/// The value; or `None`, and the error is added to the problems.
pub(crate) fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// Reads each element; `None`, and a problem for each invalid one, unless all are valid.
fn all<'a, T>(
    elements: &'a DeArray<'a>,
    problems: &mut Vec<Problem>,
    read: impl Fn(&'a Spanned<DeValue<'a>>) -> Result<T, Problem>,
) -> Option<Vec<T>> {
    let elements = elements.iter().map(|value| keep(read(value), problems));
    // Two steps: collecting into an Option would stop at the first bad element.
    let elements: Vec<Option<T>> = elements.collect();
    elements.into_iter().collect()
}

/// Adds the most similar of the `known` words as help, if it is similar enough.
pub(crate) fn did_you_mean<'k>(
    problem: Problem,
    typed: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    // Longer than any known word. The comparison is quadratic in the length.
    const MAX_BYTES: usize = 40;
    if typed.len() > MAX_BYTES {
        return problem;
    }
    let typed = typed.to_ascii_lowercase();
    let near = known
        .into_iter()
        .map(|word| (distance(&typed, word), word))
        // At most a third of the characters may differ.
        .filter(|(distance, word)| distance * 3 <= word.len())
        .min();
    match near {
        Some((_, word)) => problem.help(format!("did you mean `{word}`?")),
        None => problem,
    }
}

/// The edit distance of the two words; 0 for a prefix of the word.
fn distance(typed: &str, word: &str) -> usize {
    const LONG_ENOUGH: usize = 3;
    if typed.len() >= LONG_ENOUGH && word.starts_with(typed) {
        return 0;
    }
    strsim::damerau_levenshtein(typed, word)
}
