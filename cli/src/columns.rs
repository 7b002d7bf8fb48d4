//! Aligned columns and coloured lines.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

/// The style of column titles.
pub(crate) const HEADER: Style = Style::new().bold();
/// The style of the least important lines.
pub(crate) const QUIET: Style = Style::new().dimmed();
/// The style of warnings, and of ends that come soon.
pub(crate) const SOON: Style = AnsiColor::Yellow.on_default();
/// The style of errors, and of ends that come now.
pub(crate) const NOW: Style = AnsiColor::Red.on_default();

/// The space between two columns.
const GAP: &str = "  ";

/// The width of the widest of these texts.
pub(crate) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let widths = texts.into_iter().map(UnicodeWidthStr::width);
    widths.max().unwrap_or(0)
}

/// The total width of columns of these widths.
pub(crate) fn total_width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// The cells, each padded to its width. A wider cell shifts those after it.
pub(crate) fn row<'a>(cells: impl IntoIterator<Item = (&'a str, usize)>) -> String {
    let padded = cells.into_iter().map(|(text, width)| {
        // Not `{:<width$}`: that counts characters, and some are two columns wide.
        let blanks = " ".repeat(width.saturating_sub(text.width()));
        format!("{text}{blanks}")
    });
    let padded: Vec<String> = padded.collect();
    padded.join(GAP).trim_end().to_owned()
}

/// `text`, cut to `width` columns with an ellipsis at its end.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1; // by the ellipsis
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

/// Adds a line in this style.
pub(crate) fn line(out: &mut String, style: Style, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{style}{text}{style:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_two_columns_keep_a_row_straight() {
        assert_eq!(row([("李", 4), ("b", 1)]), "李    b");
        assert_eq!(row([("ab", 4), ("b", 1)]), "ab    b");
        assert_eq!(row([("abcdef", 4), ("b", 1)]), "abcdef  b");
        assert_eq!(row([("a", 4), ("", 1)]), "a");
    }

    #[test]
    fn what_is_cut_is_no_wider_than_it_may_be() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("abcde", 4), "abc…");
        assert_eq!(cut("李雷李雷", 4), "李…");
    }
}
