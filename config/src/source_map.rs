//! The source map: the texts of a policy with the problems found in each, and the line of each
//! span.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Problem, Severity, Source, locate};
use crate::origin::{Location, Origin, SetBy, TextSpan};

/// The texts, in the order of merging.
pub(crate) struct SourceMap(Vec<MappedText>);

struct MappedText {
    source: Arc<Source>,
    problems: Vec<Problem>,
}

impl SourceMap {
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        let texts = sources.into_iter().map(|source| MappedText {
            source: Arc::new(source),
            problems: Vec::new(),
        });
        Self(texts.collect())
    }

    /// Each text with its index.
    pub(crate) fn sources(&self) -> Vec<(usize, Arc<Source>)> {
        let sources = self.0.iter().map(|text| Arc::clone(&text.source));
        sources.enumerate().collect()
    }

    /// Keeps a warning about this location, once: an inherited value is checked under each rule.
    pub(crate) fn warn(&mut self, at: &TextSpan, problem: Problem) {
        let Some(text) = self.0.get_mut(at.text) else {
            return;
        };
        if !text
            .problems
            .iter()
            .any(|other| other.says_the_same(&problem))
        {
            text.problems.push(problem);
        }
    }

    /// Keeps the problems found in this text.
    pub(crate) fn report(&mut self, text: usize, problems: impl IntoIterator<Item = Problem>) {
        if let Some(text) = self.0.get_mut(text) {
            text.problems.extend(problems);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        let mut problems = self.0.iter().flat_map(|text| &text.problems);
        problems.any(|problem| problem.severity == Severity::Error)
    }

    /// All errors, or all warnings, in the order of the texts and of their lines.
    pub(crate) fn diagnostics(self, severity: Severity) -> Vec<Diagnostic> {
        let texts = self.0.into_iter();
        let diagnostics = texts.flat_map(|text| {
            let wanted = |problem: &Problem| problem.severity == severity;
            let problems = text.problems.into_iter().filter(wanted).collect();
            locate(&text.source, problems)
        });
        diagnostics.collect()
    }

    /// The file and line of this span.
    pub(crate) fn location(&self, at: &TextSpan) -> Location {
        match self.0.get(at.text) {
            Some(MappedText { source, .. }) => Location {
                file: source.name().to_owned(),
                line: source.line_number(at.span.start),
            },
            None => Location {
                file: String::new(),
                line: 0,
            },
        }
    }

    /// The location of `other` in a message about `at`: "line 3", or with the file if it is another
    /// one.
    pub(crate) fn location_seen_from(&self, at: &TextSpan, other: &TextSpan) -> String {
        let location = self.location(other);
        if other.text == at.text {
            format!("line {}", location.line)
        } else {
            location.to_string()
        }
    }

    /// What set a value, for the end of a sentence: ` (line 3)`, ` (preset "stig", line 3)`; empty
    /// for a built-in value.
    pub(crate) fn seen_from(&self, at: &TextSpan, by: &SetBy) -> String {
        match by {
            SetBy::BuiltIn => String::new(),
            SetBy::Key(_, other) => format!(" ({})", self.location_seen_from(at, other)),
            SetBy::Preset(_, preset, other) => format!(
                " (preset \"{}\", {})",
                preset.name,
                self.location_seen_from(at, other)
            ),
        }
    }

    pub(crate) fn origin(&self, by: &SetBy) -> Origin {
        match by {
            SetBy::BuiltIn => Origin::BuiltIn,
            SetBy::Key(_, at) => Origin::File(self.location(at)),
            SetBy::Preset(_, preset, at) => Origin::Preset {
                name: preset.name,
                source: preset.source,
                location: self.location(at),
            },
        }
    }
}
