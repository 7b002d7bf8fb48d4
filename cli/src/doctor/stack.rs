//! The session stack of a PAM service, with what it includes (pam.d(5)).

use std::str::SplitWhitespace;

use super::root::{Place, Root, Text};

/// Deeper than Linux-PAM itself goes (`PAM_SUBSTACK_MAX_LEVEL`, 16).
const DEPTH_MAX: usize = 16;
/// In this order they are looked for.
const DIRS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// The argument that makes a line one of the backstop; pam_session_timeout(8).
pub(crate) const BACKSTOP: &str = "backstop";

/// The lines of type `session`, in the order in which PAM comes to them.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    lines: Vec<Line>,
    /// Files of it that whoever asks may not read.
    hidden: Vec<String>,
}

/// A line that calls a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without its directory.
    module: String,
    arguments: Vec<String>,
    pub(crate) place: Place,
}

impl Line {
    /// The value of an argument `name=value`. Of several the last counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut arguments = self.arguments.iter().rev();
        arguments.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether it has this argument.
    pub(crate) fn has(&self, argument: &str) -> bool {
        self.arguments.iter().any(|word| word == argument)
    }
}

impl Stack {
    /// The stack of this service; `None` where there is no such service.
    pub(crate) fn of(root: &Root, service: &str) -> Option<Self> {
        let mut stack = Self::default();
        stack.take_file(root, service, 0)?;
        Some(stack)
    }

    /// The first line that calls a module. A line of the backstop is another one: it calls our
    /// module for something else.
    pub(crate) fn find(&self, module: &str) -> Option<&Line> {
        let mut calls = self.lines.iter().filter(|line| line.module == module);
        calls.find(|line| line.value(BACKSTOP).is_none())
    }

    /// The first line that has a module set the backstop. The module leaves it to that.
    pub(crate) fn find_backstop(&self, module: &str) -> Option<&Line> {
        let mut calls = self.lines.iter().filter(|line| line.module == module);
        calls.find(|line| line.value(BACKSTOP).is_some())
    }

    pub(crate) fn comes_before(&self, first: &Line, second: &Line) -> bool {
        let position = |wanted: &Line| self.lines.iter().position(|line| line == wanted);
        position(first) < position(second)
    }

    pub(crate) fn is_only(&self, module: &str) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.module == module)
    }

    pub(crate) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// Whether all of it could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.hidden.is_empty()
    }

    fn take_file(&mut self, root: &Root, name: &str, depth: usize) -> Option<()> {
        let paths = DIRS.map(|dir| format!("{dir}/{name}"));
        let path = if name.starts_with('/') {
            name
        } else {
            paths.iter().find(|path| root.has(path))?
        };
        match root.read(path) {
            Text::Is(text) => self.take_text(root, &text, path, depth),
            Text::Hidden => self.hidden.push(path.to_owned()),
            Text::Missing => return None,
        }
        Some(())
    }

    fn take_text(&mut self, root: &Root, text: &str, file: &str, depth: usize) {
        for (line, text) in joined(text) {
            match Entry::parse(&text) {
                Some(Entry::Module(module, arguments)) => self.lines.push(Line {
                    module: module.to_owned(),
                    arguments: arguments.map(str::to_owned).collect(),
                    place: Place {
                        file: file.to_owned(),
                        line,
                    },
                }),
                Some(Entry::Include(name)) if depth < DEPTH_MAX => {
                    // What is included and missing is PAM's to complain of.
                    let _ = self.take_file(root, name, depth + 1);
                }
                Some(Entry::Include(_)) | None => {}
            }
        }
    }
}

/// The lines with their numbers; a backslash at the end of one joins it to the next.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let code = line.split('#').next().unwrap_or_default();
        let text = code.strip_suffix('\\').unwrap_or(code);
        match lines.last_mut() {
            Some((_, last)) if goes_on => {
                last.push(' ');
                last.push_str(text);
            }
            _ => lines.push((index + 1, text.to_owned())),
        }
        goes_on = text.len() < code.len();
    }
    lines
}

/// What a line is to the session stack.
enum Entry<'a> {
    /// With its arguments.
    Module(&'a str, SplitWhitespace<'a>),
    Include(&'a str),
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("@include") {
            return name.split_whitespace().next().map(Self::Include);
        }
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        // A leading dash: no complaint where the module is missing.
        if !kind.trim_start_matches('-').eq_ignore_ascii_case("session") {
            return None;
        }
        let rest = rest.trim_start();
        let (control, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => rest.split_once(char::is_whitespace)?,
        };
        let mut words = rest.split_whitespace();
        let module = words.next()?;
        Some(match control {
            "include" | "substack" => Self::Include(module),
            _ => Self::Module(module.rsplit('/').next().unwrap_or(module), words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::root::fake;
    use super::*;

    #[test]
    fn the_stack_is_what_pam_would_run() {
        let (_dir, root) = fake::root(&[
            (
                "/etc/pam.d/sshd",
                "# session required comment.so\n\
                 auth required auth.so\n\
                 session [success=ok \\\n  default=bad] /lib/security/one.so arg\n\
                 @include common\n\
                 SESSION substack vendor\n\
                 session include nowhere\n\
                 -session\toptional\tlast.so # note\n\
                 session required\n",
            ),
            (
                "/etc/pam.d/common",
                "session optional two.so\naccount required no.so\n",
            ),
            ("/usr/lib/pam.d/vendor", "session required three.so\n"),
        ]);
        let stack = Stack::of(&root, "sshd").unwrap();
        let modules: Vec<_> = stack
            .lines
            .iter()
            .map(|line| line.module.as_str())
            .collect();
        assert_eq!(modules, ["one.so", "two.so", "three.so", "last.so"]);
        let places: Vec<_> = stack
            .lines
            .iter()
            .map(|line| line.place.to_string())
            .collect();
        assert_eq!(
            places,
            [
                "/etc/pam.d/sshd:3",
                "/etc/pam.d/common:1",
                "/usr/lib/pam.d/vendor:1",
                "/etc/pam.d/sshd:8"
            ]
        );
        assert!(stack.is_whole());
        assert!(Stack::of(&root, "login").is_none());
    }

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let (_dir, root) = fake::root(&[("/etc/pam.d/a", "session required a.so\n@include a\n")]);
        let stack = Stack::of(&root, "a").unwrap();
        assert_eq!(stack.lines.len(), DEPTH_MAX + 1);
        assert!(stack.is_only("a.so"));
    }

    #[test]
    fn a_line_of_the_backstop_is_not_taken_for_one_that_records() {
        let text = "session optional a.so backstop=1h backstop=2h short\nsession optional a.so\n";
        let (_dir, root) = fake::root(&[("/etc/pam.d/a", text)]);
        let stack = Stack::of(&root, "a").unwrap();
        let backstop = stack.find_backstop("a.so").unwrap();
        assert_eq!(
            (backstop.place.line, backstop.value("backstop")),
            (1, Some("2h"))
        );
        assert!(backstop.has("short") && !backstop.has("backstop"));
        assert_eq!(stack.find("a.so").unwrap().place.line, 2);
    }
}
