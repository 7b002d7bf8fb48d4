//! One value of the policy at a time: is it of the right kind, and is it allowed?

use std::ops::Range as Span;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostic::{Problem, shown};
use crate::duration;
use crate::range::Range;

/// A key and its value, as typed.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The key as messages name it: `grace`, `extend.by`.
    pub(crate) key: &'a str,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

/// A word that a key takes.
pub(crate) struct Choice<T> {
    word: &'static str,
    meaning: Option<T>,
}

impl<T> Choice<T> {
    pub(crate) const fn new(word: &'static str, meaning: T) -> Self {
        Self {
            word,
            meaning: Some(meaning),
        }
    }

    /// A word that a later version takes.
    pub(crate) const fn later(word: &'static str) -> Self {
        Self {
            word,
            meaning: None,
        }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn span(self) -> Span<usize> {
        self.value.span()
    }

    /// A duration inside its range.
    pub(crate) fn duration(self, range: &Range) -> Result<Spanned<Duration>, Problem> {
        let duration = self.any_duration(range)?;
        self.inside(range, duration)
    }

    /// A duration inside its range, or "off".
    pub(crate) fn duration_or_off(
        self,
        range: &Range,
    ) -> Result<Spanned<Option<Duration>>, Problem> {
        if self.is_off() {
            return Ok(Spanned::new(self.span(), None));
        }
        let duration = self.any_duration(range).map_err(|problem| {
            let key = self.key;
            problem.help(format!("`{key} = \"off\"` turns the limit off"))
        })?;
        let duration = self.inside(range, duration)?;
        Ok(Spanned::new(self.span(), Some(duration.into_inner())))
    }

    /// A list of durations, each inside the range. Those that are not become problems of their own.
    pub(crate) fn durations(
        self,
        range: &Range,
        problems: &mut Vec<Problem>,
    ) -> Option<Spanned<Vec<Spanned<Duration>>>> {
        let example = format!("[\"{}\"]", range.example);
        let elements = keep(self.array("a list of durations", &example), problems)?;
        let durations = all(elements, problems, |value| {
            self.element(value).duration(range)
        })?;
        Some(Spanned::new(self.span(), durations))
    }

    /// One of these words.
    pub(crate) fn choice<T: Copy>(self, choices: &[Choice<T>]) -> Result<T, Problem> {
        let available = Self::available(choices);
        let word = self.text(&format!("one of {available}"))?;
        let Some(choice) = choices.iter().find(|choice| choice.word == word) else {
            let words = choices.iter().filter(|choice| choice.meaning.is_some());
            let problem = self.error("has an unknown value");
            let problem = problem.label(format!("available: {available}"));
            return Err(did_you_mean(problem, word, words.map(|choice| choice.word)));
        };
        choice.meaning.ok_or_else(|| {
            let assignment = format!("{} = \"{word}\"", self.key);
            not_available(self.span(), &assignment).label(format!("available: {available}"))
        })
    }

    /// A list of some of these words, at least one.
    pub(crate) fn choices<T: Copy>(
        self,
        choices: &[Choice<T>],
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<T>> {
        let available = Self::available(choices);
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

    /// A key of which this version knows "off" alone.
    pub(crate) fn only_off(self) -> Result<(), Problem> {
        if self.is_off() {
            return Ok(());
        }
        let assignment = match self.value.get_ref() {
            DeValue::String(text) => format!("{} = \"{}\"", self.key, shown(text)),
            _ => self.key.to_owned(),
        };
        Err(not_available(self.span(), &assignment).label("available: \"off\""))
    }

    /// A number of which this version knows 0 alone.
    pub(crate) fn only_zero(self) -> Result<(), Problem> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return Err(self.wrong_type("a number", "0"));
        };
        if number.as_str().bytes().all(|digit| digit == b'0') {
            return Ok(());
        }
        if number.as_str().starts_with('-') {
            return Err(self.error("is out of range").label("allowed: 0"));
        }
        let assignment = format!("{} = {}", self.key, shown(&number.to_string()));
        Err(not_available(self.span(), &assignment).label("available: 0"))
    }

    /// A table.
    pub(crate) fn table(self, example: &str) -> Result<&'a DeTable<'a>, Problem> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong_type("a table", example)),
        }
    }

    /// A string; `expected` is for people.
    pub(crate) fn text(self, expected: &str) -> Result<&'a str, Problem> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.mismatch(&format!("expected {expected}"))),
        }
    }

    /// The place of a part of this string.
    pub(crate) fn part(self, part: Span<usize>) -> Span<usize> {
        let whole = self.span();
        let DeValue::String(text) = self.value.get_ref() else {
            return whole;
        };
        // Every escape is longer than its character, and the quotes of a string of several lines
        // are longer than these two: only a string without either is as long as this.
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

    fn inside(self, range: &Range, duration: Duration) -> Result<Spanned<Duration>, Problem> {
        match range.objection(duration) {
            None => Ok(Spanned::new(self.span(), duration)),
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

    fn available<T>(choices: &[Choice<T>]) -> String {
        let words = choices.iter().filter(|choice| choice.meaning.is_some());
        words
            .map(|choice| choice.word)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The error for what a later version may do.
pub(crate) fn not_available(span: Span<usize>, what: &str) -> Problem {
    Problem::error(span, format!("`{what}` is not available in this version"))
}

/// The value, or nothing and a problem more.
pub(crate) fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// What `read` makes of every element, or nothing and a problem for each that is not good.
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

/// The problem with the nearest of the `known` words as help, if one is near enough to be meant.
pub(crate) fn did_you_mean<'k>(
    problem: Problem,
    typed: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    // Longer than any word of ours: not a slip of the fingers, and the comparison is quadratic.
    const MAX_BYTES: usize = 40;
    if typed.len() > MAX_BYTES {
        return problem;
    }
    let typed = typed.to_ascii_lowercase();
    let near = known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, word), word))
        // A third of the word may be wrong.
        .filter(|(distance, word)| distance * 3 <= word.len())
        .min();
    match near {
        Some((_, word)) => problem.help(format!("did you mean `{word}`?")),
        None => problem,
    }
}
