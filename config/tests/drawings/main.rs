//! What an administrator sees for each mistake, to the letter.

use session_timeout_config::{Diagnostic, Minima, Style, parse};

mod advice;
mod rules;
mod values;

/// What there is to say about a text: its errors, or the warnings of one without.
fn diagnostics(text: &str) -> Vec<Diagnostic> {
    parse("policy.toml", text, Minima::Enforced).map_or_else(|errors| errors, |good| good.warnings)
}

fn drawings(text: &str) -> String {
    let drawings = diagnostics(text);
    let drawings = drawings.iter().map(|one| one.render(Style::Plain));
    drawings.collect::<Vec<_>>().join("\n\n")
}

/// One line for `[default]`, and the drawing of what is wrong with it.
#[track_caller]
fn check(line: &str, drawing: &str) {
    let text = format!("[default]\n{line}\n");
    assert_eq!(drawings(&text), drawing.trim_start_matches('\n'), "{line}");
}

/// A whole text, and the drawings of what is wrong with it.
#[track_caller]
fn check_text(text: &str, drawing: &str) {
    let text = text.trim_start_matches('\n');
    assert_eq!(drawings(text), drawing.trim_start_matches('\n'), "{text}");
}
