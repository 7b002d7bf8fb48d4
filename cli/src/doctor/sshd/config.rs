//! Parses sshd_config with its includes (sshd_config(5)).

use session_timeout_config::Location;
use std::time::Duration;

use crate::doctor::root::{Root, Text};

const MAIN: &str = "/etc/ssh/sshd_config";
/// The maximum depth of includes, as in sshd (`SERVCONF_MAX_DEPTH`).
const DEPTH_MAX: usize = 16;

/// To whom a line applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everybody,
    /// Connections that a `Match` selects.
    Some,
}

/// A line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigLine {
    /// In lower case.
    keyword: String,
    pub(crate) value: String,
    pub(crate) scope: Scope,
    pub(crate) location: Location,
}

/// Every line, in the order in which sshd reads them.
#[derive(Debug, Default)]
pub(crate) struct SshdConfig {
    lines: Vec<ConfigLine>,
    /// Files that the caller may not read.
    pub(crate) hidden: Vec<String>,
}

impl SshdConfig {
    pub(crate) fn read(root: &Root) -> Self {
        let mut config = Self::default();
        config.take_file(root, MAIN, Scope::Everybody, 0);
        config
    }

    /// The line that applies to everybody: the first one, as in sshd.
    pub(crate) fn for_everybody(&self, keyword: &str) -> Option<&ConfigLine> {
        let mut lines = self.of(keyword).into_iter();
        lines.find(|line| line.scope == Scope::Everybody)
    }

    /// The lines in `Match` blocks.
    pub(crate) fn for_some(&self, keyword: &str) -> Vec<&ConfigLine> {
        let mut lines = self.of(keyword);
        lines.retain(|line| line.scope == Scope::Some);
        lines
    }

    fn of(&self, keyword: &str) -> Vec<&ConfigLine> {
        let named = |line: &&ConfigLine| line.keyword.eq_ignore_ascii_case(keyword);
        self.lines.iter().filter(named).collect()
    }

    fn take_file(&mut self, root: &Root, path: &str, outer: Scope, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        let text = match root.read(path) {
            Text::Is(text) => text,
            Text::Hidden => return self.hidden.push(path.to_owned()),
            Text::Missing => return,
        };
        let mut scope = outer;
        for (index, line) in text.lines().enumerate() {
            let Some((keyword, value)) = split(line) else {
                continue;
            };
            match keyword.as_str() {
                // Included lines inside of a `Match` block never apply to everybody.
                "match" => scope = scope_of(&value).max_with(outer),
                "include" => {
                    for pattern in value.split_whitespace() {
                        self.take_matching(root, pattern, scope, depth + 1);
                    }
                }
                _ => self.lines.push(ConfigLine {
                    keyword,
                    value,
                    scope,
                    location: Location {
                        file: path.to_owned(),
                        line: index + 1,
                    },
                }),
            }
        }
    }

    fn take_matching(&mut self, root: &Root, pattern: &str, scope: Scope, depth: usize) {
        let pattern = pattern.trim_matches('"');
        let pattern = match pattern.strip_prefix('/') {
            Some(_) => pattern.to_owned(),
            None => format!("/etc/ssh/{pattern}"),
        };
        for path in root.matching(&pattern) {
            self.take_file(root, &path, scope, depth);
        }
    }
}

impl Scope {
    const fn max_with(self, outer: Self) -> Self {
        match outer {
            Self::Everybody => self,
            Self::Some => Self::Some,
        }
    }
}

fn scope_of(condition: &str) -> Scope {
    if condition.trim().eq_ignore_ascii_case("all") {
        Scope::Everybody
    } else {
        Scope::Some
    }
}

/// `Keyword value`, `Keyword=value`, `Keyword "value"`; the keyword in lower case.
fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (keyword, rest) = line.split_once(|c: char| c.is_whitespace() || c == '=')?;
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    let value = value.split(" #").next().unwrap_or_default().trim();
    Some((
        keyword.to_ascii_lowercase(),
        value.trim_matches('"').to_owned(),
    ))
}

/// A time of sshd: `90`, `5m`, `1h30m` (TIME FORMATS of sshd_config(5)).
pub(crate) fn time(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let grown = number
                .unwrap_or(0)
                .checked_mul(10)?
                .checked_add(digit.into())?;
            number = Some(grown);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total
        .checked_add(number.unwrap_or(0))
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::root::fake;

    #[test]
    fn the_first_line_that_holds_for_everybody_counts_wherever_it_is() {
        let (_dir, root) = fake::root(&[
            (
                MAIN,
                "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM no\n\
                 Match User bob\n  ChannelTimeout session=5m\n  Include bob.conf\n\
                 Match all\nClientAliveInterval=30 # seconds\n",
            ),
            ("/etc/ssh/sshd_config.d/2.conf", "usepam no\n"),
            (
                "/etc/ssh/sshd_config.d/1.conf",
                "# UsePAM no\n\tUsePAM \"yes\"\n",
            ),
            ("/etc/ssh/bob.conf", "Match all\nX11Forwarding no\n"),
        ]);
        let config = SshdConfig::read(&root);
        let pam = config.for_everybody("UsePAM").unwrap();
        assert_eq!(pam.value, "yes");
        assert_eq!(pam.location.to_string(), "/etc/ssh/sshd_config.d/1.conf:2");
        assert_eq!(config.for_everybody("ChannelTimeout"), None);
        let some: Vec<_> = config
            .for_some("channeltimeout")
            .iter()
            .map(|line| &line.value)
            .collect();
        assert_eq!(some, ["session=5m"]);
        assert_eq!(
            config.for_everybody("ClientAliveInterval").unwrap().value,
            "30"
        );
        assert_eq!(config.for_some("x11forwarding").len(), 1);
    }

    #[test]
    fn a_file_that_includes_itself_comes_to_an_end() {
        let (_dir, root) = fake::root(&[(MAIN, "Include sshd_config\nUsePAM yes\n")]);
        assert_eq!(SshdConfig::read(&root).lines.len(), DEPTH_MAX + 1);
    }

    #[test]
    fn times_are_read_as_sshd_reads_them() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("1H", Some(3600)),
            ("1w2d", Some(777_600)),
            ("0", Some(0)),
            ("m", None),
            ("5x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(time(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
