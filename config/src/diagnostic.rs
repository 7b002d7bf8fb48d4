//! Diagnostics: an error or warning about a location in a text, on one line for logs, or rendered with
//! the line of the text for people.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use session_timeout_texts::{is_unprintable, sanitize};

/// How severe it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The policy is not put in force.
    Error,
    /// The policy is put in force, and probably does something that was not intended.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// How a diagnostic is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As text without colours.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

/// One error or warning, and its location.
///
/// `Display` is one line: `FILE:LINE:COLUMN: error: MESSAGE; LABEL; HELP`. It contains no control
/// characters, whatever the text contains.
#[derive(Clone)]
pub struct Diagnostic {
    source: Arc<Source>,
    problem: Problem,
}

impl Diagnostic {
    /// How severe it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.problem.severity
    }

    /// The name of the text, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.line_number(self.problem.span.start)
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.source.line(self.problem.span.start).column
    }

    /// The range of bytes in the text that it is about.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.problem.span.clone()
    }

    /// What is wrong, in a few words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.problem.message
    }

    /// What is wrong at this location: what was expected, or the allowed range.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.problem.label.as_deref()
    }

    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.problem.help.as_deref()
    }

    /// Several lines: the message, the line of the text, and a mark under the location. Without a
    /// newline at the end.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let span = &self.problem.span;
        let line = self.source.line(span.start);
        // A value of several lines is marked on its first one.
        let marked = line.text.get(line.offset..).unwrap_or_default();
        let marked_len = floor_char_boundary(marked, span.end.saturating_sub(span.start));
        let (marked, after) = marked.split_at(marked_len);
        let before = drawable(line.text.get(..line.offset).unwrap_or_default());
        let marked = drawable(marked);
        let start = before.len();
        let end = start + marked.len();
        let text = before + &marked + &drawable(after);

        let mark = AnnotationKind::Primary.span(start..end).label(self.label());
        let snippet = Snippet::source(text)
            .path(self.file())
            .line_start(line.number)
            .annotation(mark);
        let level = match self.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let report = level.primary_title(self.message()).element(snippet);
        let report = report.elements(self.help().map(|help| Level::HELP.message(help)));
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        renderer.render(&[report])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = (self.file(), self.line(), self.column());
        let (severity, message) = (self.severity(), self.message());
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        for more in [self.label(), self.help()].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostic {
    /// One line, without the source text, which may be a megabyte long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Diagnostic({self})")
    }
}

/// An error or warning, before it is joined with its text.
#[derive(Clone)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) span: Range<usize>,
    message: String,
    label: Option<String>,
    help: Option<String>,
}

impl Problem {
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span,
            message: message.into(),
            label: None,
            help: None,
        }
    }

    pub(crate) fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    /// Whether it has the same message and location, regardless of label and help.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.span == other.span && self.message == other.message
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds this help if there is none yet.
    pub(crate) fn or_help(self, help: impl Into<String>) -> Self {
        match self.help {
            None => self.help(help),
            Some(_) => self,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The maximum number of reported problems of a text: a megabyte of garbage has a million.
const MAX_DIAGNOSTICS: usize = 50;

/// The diagnostics of a text, in its order.
pub(crate) fn locate(source: &Arc<Source>, mut problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    problems.truncate(MAX_DIAGNOSTICS);
    let locate = |problem: Problem| Diagnostic {
        problem: Problem {
            span: source.clamp(&problem.span),
            ..problem
        },
        source: Arc::clone(source),
    };
    problems.into_iter().map(locate).collect()
}

/// A text with a name and an index of its lines.
pub(crate) struct Source {
    name: String,
    text: String,
    /// Where each line starts; the first one is 0.
    starts: Vec<usize>,
    /// The offset of the first byte that is not UTF-8, where the text has a replacement character.
    not_utf8: Option<usize>,
}

/// A location in a line.
struct Line<'a> {
    number: usize,
    column: usize,
    /// The line, without its end.
    text: &'a str,
    /// The location, in bytes.
    offset: usize,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            name: sanitize(name),
            text: text.to_owned(),
            starts: std::iter::once(0).chain(ends).collect(),
            not_utf8: None,
        }
    }

    /// The text of these bytes; what is not UTF-8 is replaced.
    pub(crate) fn from_bytes(name: &str, bytes: &[u8]) -> Self {
        let error = std::str::from_utf8(bytes).err();
        Self {
            not_utf8: error.map(|error| error.valid_up_to()),
            ..Self::new(name, &String::from_utf8_lossy(bytes))
        }
    }

    /// Where the text is not UTF-8.
    pub(crate) fn not_utf8(&self) -> Option<Range<usize>> {
        let start = self.not_utf8?;
        Some(start..start + char::REPLACEMENT_CHARACTER.len_utf8())
    }

    /// The name, sanitized.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The span, inside the text and on whole characters.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor_char_boundary(&self.text, span.start);
        let end = floor_char_boundary(&self.text, span.end);
        start..end.max(start)
    }

    /// The number of the line of this location, from 1.
    pub(crate) fn line_number(&self, position: usize) -> usize {
        self.starts.partition_point(|start| *start <= position)
    }

    fn line(&self, position: usize) -> Line<'_> {
        let number = self.line_number(position);
        let start = number
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
            .copied()
            .unwrap_or_default();
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        let offset = floor_char_boundary(text, position.saturating_sub(start));
        Line {
            number,
            column: text.get(..offset).unwrap_or_default().chars().count() + 1,
            text,
            offset,
        }
    }
}

/// A part of the text for quoting in a message: shortened and sanitized.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => sanitize(text.get(..end).unwrap_or_default()) + "...",
        None => sanitize(text),
    }
}

/// The line, sanitized except for tabs, which the renderer expands.
fn drawable(line: &str) -> String {
    line.replace(|c: char| c != '\t' && is_unprintable(c), REPLACEMENT)
}

const REPLACEMENT: &str = "\u{fffd}";

/// The last character boundary at or before `index`.
pub(crate) fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str, span: Range<usize>) -> Diagnostic {
        let problem = Problem::error(span, "wrong").label("here");
        locate(&Arc::new(Source::new("policy.toml", text)), vec![problem]).remove(0)
    }

    fn position(text: &str, span: Range<usize>) -> (usize, usize) {
        let diagnostic = diagnostic(text, span);
        (diagnostic.line(), diagnostic.column())
    }

    #[test]
    fn columns_count_characters() {
        let text = "a = 1\r\nüb日 = 2\n";
        assert_eq!(position(text, 0..1), (1, 1));
        assert_eq!(position(text, 4..5), (1, 5));
        assert_eq!(position(text, 16..17), (2, 7));
        assert_eq!(position(text, text.len()..text.len()), (3, 1));
    }

    #[test]
    fn spans_outside_the_text_and_inside_a_character_are_moved() {
        assert_eq!(diagnostic("ü", 1..9).span(), 0..2);
        assert_eq!(position("", 5..6), (1, 1));
    }

    #[test]
    fn a_value_of_several_lines_is_marked_on_its_first() {
        let drawing = diagnostic("a = [\r\n  1,\r\n]\r\n", 4..13).render(Style::Plain);
        let expected = "\
error: wrong
 --> policy.toml:1:5
  |
1 | a = [
  |     ^ here";
        assert_eq!(drawing, expected);
    }

    #[test]
    fn a_tab_moves_the_mark_as_it_moves_the_text() {
        let drawing = diagnostic("\ta = 1\n", 5..6).render(Style::Plain);
        let expected = "\
error: wrong
 --> policy.toml:1:6
  |
1 |     a = 1
  |         ^ here";
        assert_eq!(drawing, expected);
    }

    #[test]
    fn nothing_in_a_text_reaches_the_terminal_as_a_command() {
        let text = "a = \"\u{1b}[31m\u{9b}2J\t\u{7f}\u{202e}\"";
        let problem = Problem::error(4..text.len(), shown(text)).label(shown(text));
        let diagnostic = locate(&Arc::new(Source::new("x\u{9b}", text)), vec![problem]).remove(0);
        for out in [diagnostic.to_string(), diagnostic.render(Style::Plain)] {
            let commands = |c: &char| is_unprintable(*c) && *c != '\n';
            assert_eq!(out.chars().filter(commands).count(), 0, "{out}");
        }
        assert!(diagnostic.render(Style::Coloured).contains("\u{1b}[1m"));
    }

    #[test]
    fn a_quotation_is_short() {
        assert_eq!(shown("abc\n"), "abc\u{fffd}");
        assert_eq!(shown(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(shown(&"ü".repeat(61)), "ü".repeat(60) + "...");
    }
}
