//! Prints the demonstration in two columns, each line with its time.

use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::println;
use anstyle::{AnsiColor, Style};
use terminal_size::{Width, terminal_size};
use unicode_width::UnicodeWidthChar;

/// The column of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Left: the output of the user's terminal.
    Terminal,
    /// Right: the daemon's entries in the journal.
    Journal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// The width of one column.
    width: usize,
}

/// The width of the time and of the two separators: `  12.3 s │ ` and ` │ `.
const FRAME: usize = 14;

const TIME: Style = Style::new().dimmed();
const HEADING: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const END: Style = AnsiColor::Red.on_default().bold();

impl Columns {
    /// Fits the terminal of the demonstration; 120 characters without a terminal.
    pub(crate) fn of_this_terminal() -> Self {
        let width = terminal_size().map_or(120, |(Width(width), _)| usize::from(width));
        Self {
            width: (width.saturating_sub(FRAME) / 2).max(24),
        }
    }

    /// Prints the heading of both columns.
    pub(crate) fn heading(self, terminal: &str, journal: &str) {
        let width = self.width;
        println!("{TIME}   login{TIME:#}   {HEADING}{terminal:width$}   {journal}{HEADING:#}");
    }

    /// Prints a text with its time, which is `after` the login.
    pub(crate) fn show(self, after: Duration, side: Side, text: &str) {
        let text = strip_str(text).to_string();
        for line in text
            .split(['\r', '\n'])
            .filter(|line| !line.trim().is_empty())
        {
            let style = style_of(line);
            for part in wrap(line, self.width) {
                self.show_line(after, side, &part, style);
            }
        }
    }

    fn show_line(self, after: Duration, side: Side, part: &str, style: Style) {
        let seconds = after.as_secs_f32();
        let blank = " ".repeat(self.width);
        match side {
            Side::Terminal => {
                let rest = " ".repeat(self.width.saturating_sub(width_of(part)));
                println!(
                    "{TIME}{seconds:6.1} s │{TIME:#} {style}{part}{style:#}{rest} {TIME}│{TIME:#}"
                );
            }
            Side::Journal => {
                println!("{TIME}{seconds:6.1} s │ {blank} │{TIME:#} {style}{part}{style:#}");
            }
        }
    }
}

/// The style of a line: warnings and ends stand out in both columns.
fn style_of(line: &str) -> Style {
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if has(&["has ended", "Ending session", "was ended"]) {
        END
    } else if has(&["this session ends in", "Warned"]) {
        WARNING
    } else {
        Style::new()
    }
}

/// Breaks a line between words, or within one that is longer than a line.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in line.split_whitespace() {
        for piece in pieces(word, width) {
            let part = parts.last().map_or(0, |part| width_of(part));
            let glue = usize::from(part > 0);
            if part + glue + width_of(&piece) > width {
                parts.push(piece);
            } else if let Some(part) = parts.last_mut() {
                part.push_str(if glue == 1 { " " } else { "" });
                part.push_str(&piece);
            }
        }
    }
    parts
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars().filter(|c| !c.is_control()) {
        if pieces
            .last()
            .is_some_and(|piece| width_of(piece) + c.width().unwrap_or(0) > width)
        {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

fn width_of(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_nothing_is_lost() {
        let parts = wrap("this session ends in 15 s", 10);
        assert_eq!(parts, ["this", "session", "ends in 15", "s"]);
        assert_eq!(wrap("0123456789ab cd", 10), ["0123456789", "ab cd"]);
        assert_eq!(wrap("\u{7}bell", 10), ["bell"]);
    }
}
