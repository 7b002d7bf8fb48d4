//! Parses the session stack of a PAM service with its includes (pam.d(5)).

use session_timeout_config::Location;
use std::str::SplitWhitespace;

use crate::doctor::pam::control::Control;
use crate::doctor::root::{Root, Text};

/// The maximum depth of includes, as in Linux-PAM (`PAM_SUBSTACK_MAX_LEVEL`, 16).
const DEPTH_MAX: usize = 16;
/// The directories of services, in the order of precedence.
const DIRS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// The argument that makes a line one of the backstop; pam_session_timeout(8).
pub(crate) const BACKSTOP: &str = "backstop";

/// The lines of type `session`, in the order in which PAM runs them.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    lines: Vec<StackLine>,
    /// Files of it that the caller may not read.
    hidden: Vec<String>,
}

/// A line that calls a module, or includes a substack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StackLine {
    /// The module's file name without its directory; absent for a substack.
    module: Option<String>,
    pub(crate) control: Control,
    arguments: Vec<String>,
    pub(crate) location: Location,
    /// The substacks that contain it, outermost first, by the positions where they begin.
    within: Vec<Location>,
}

impl StackLine {
    /// Whether the line calls this module for its main purpose. A backstop line with the module of
    /// this package does not record the login.
    fn calls(&self, module: &str) -> bool {
        self.module.as_deref() == Some(module) && self.value(BACKSTOP).is_none()
    }

    /// The module's name for messages.
    pub(crate) fn module(&self) -> &str {
        self.module.as_deref().unwrap_or("a substack")
    }

    /// The value of an argument `name=value`; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut arguments = self.arguments.iter().rev();
        arguments.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the line has this argument.
    pub(crate) fn has(&self, argument: &str) -> bool {
        self.arguments.iter().any(|word| word == argument)
    }
}

impl Stack {
    /// The stack of this service; `None` if there is no such service.
    pub(crate) fn of(root: &Root, service: &str) -> Option<Self> {
        let mut stack = Self::default();
        stack.take_file(root, service, 0, &[])?;
        Some(stack)
    }

    /// The first line that calls a module.
    pub(crate) fn find(&self, module: &str) -> Option<&StackLine> {
        self.lines.iter().find(|line| line.calls(module))
    }

    /// The first line whose control can skip a module that is in the stack.
    pub(crate) fn skipping(&self, module: &str) -> Option<&StackLine> {
        let first = self.lines.iter().position(|line| line.calls(module))?;
        let skips = |(index, line): &(usize, &StackLine)| {
            // A substack returns a result to the outer stack, and skips nothing itself.
            if line.module.is_none() {
                return false;
            }
            let calls = self.lines.iter().enumerate().skip(first);
            let mut calls = calls.filter(|(_, line)| line.calls(module));
            let passed_by = self.passed_by(*index, line);
            calls.all(|(call, _)| call < passed_by)
        };
        let before = self.lines.iter().enumerate().take(first);
        before.into_iter().find(skips).map(|(_, line)| line)
    }

    /// The position at which PAM can continue after this line: the lines between are skipped.
    /// `_pam_dispatch_aux()` of Linux-PAM ends only the stack or substack that contains the line,
    /// and counts a substack as one line of a jump.
    fn passed_by(&self, index: usize, line: &StackLine) -> usize {
        let rest = self.lines.iter().enumerate().skip(index + 1);
        let inside = rest.take_while(|(_, next)| next.within.starts_with(&line.within));
        if line.control.ends_the_stack() {
            return inside.last().map_or(index, |(last, _)| last) + 1;
        }
        let level = |(_, next): &(usize, &StackLine)| next.within.len() == line.within.len();
        let end = inside.clone().last().map_or(index, |(last, _)| last) + 1;
        let mut targets = inside.filter(level).skip(line.control.jump());
        targets.next().map_or(end, |(target, _)| target)
    }

    /// The first line that sets the backstop with this module. The module keeps that value if
    /// there are several such lines.
    pub(crate) fn find_backstop(&self, module: &str) -> Option<&StackLine> {
        let mut calls = self
            .lines
            .iter()
            .filter(|line| line.module.as_deref() == Some(module));
        calls.find(|line| line.value(BACKSTOP).is_some())
    }

    pub(crate) fn comes_before(&self, first: &StackLine, second: &StackLine) -> bool {
        let position = |wanted: &StackLine| self.lines.iter().position(|line| line == wanted);
        position(first) < position(second)
    }

    pub(crate) fn is_only(&self, module: &str) -> bool {
        let mut called = self.lines.iter().filter(|line| line.module.is_some());
        let mut others = called
            .clone()
            .filter(|line| line.module.as_deref() != Some(module));
        called.next().is_some() && others.next().is_none()
    }

    pub(crate) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// Whether all of it could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.hidden.is_empty()
    }

    fn take_file(
        &mut self,
        root: &Root,
        name: &str,
        depth: usize,
        within: &[Location],
    ) -> Option<()> {
        let paths = DIRS.map(|dir| format!("{dir}/{name}"));
        let path = if name.starts_with('/') {
            name
        } else {
            paths.iter().find(|path| root.has(path))?
        };
        match root.read(path) {
            Text::Is(text) => self.take_text(root, &text, path, depth, within),
            Text::Hidden => self.hidden.push(path.to_owned()),
            Text::Missing => return None,
        }
        Some(())
    }

    fn take_text(
        &mut self,
        root: &Root,
        text: &str,
        file: &str,
        depth: usize,
        within: &[Location],
    ) {
        for (line, text) in joined(text) {
            let location = Location {
                file: file.to_owned(),
                line,
            };
            match Entry::parse(&text) {
                Some(Entry::Module(control, module, arguments)) => self.lines.push(StackLine {
                    module: Some(module.to_owned()),
                    control,
                    arguments: arguments.map(str::to_owned).collect(),
                    location,
                    within: within.to_vec(),
                }),
                // A missing included file is PAM's error to report.
                Some(Entry::Include(name)) if depth < DEPTH_MAX => {
                    let _ = self.take_file(root, name, depth + 1, within);
                }
                Some(Entry::Substack(name)) if depth < DEPTH_MAX => {
                    let inner = [within, std::slice::from_ref(&location)].concat();
                    self.lines.push(StackLine {
                        module: None,
                        control: Control::default(),
                        arguments: Vec::new(),
                        location,
                        within: within.to_vec(),
                    });
                    let _ = self.take_file(root, name, depth + 1, &inner);
                }
                Some(Entry::Include(_) | Entry::Substack(_)) | None => {}
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

/// What a line adds to the session stack.
enum Entry<'a> {
    /// A module with its arguments.
    Module(Control, &'a str, SplitWhitespace<'a>),
    /// An include: its lines stand in place of this one.
    Include(&'a str),
    /// A substack: its lines have a result of their own.
    Substack(&'a str),
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("@include") {
            return name.split_whitespace().next().map(Self::Include);
        }
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        // A leading dash: PAM does not report a missing module.
        if !kind.trim_start_matches('-').eq_ignore_ascii_case("session") {
            return None;
        }
        let rest = rest.trim_start();
        let end = match rest.strip_prefix('[') {
            Some(_) => rest.find(']')? + 1,
            None => rest.find(char::is_whitespace)?,
        };
        let (control, rest) = rest.split_at_checked(end)?;
        let mut words = rest.split_whitespace();
        let module = words.next()?;
        Some(match control.to_ascii_lowercase().as_str() {
            "include" => Self::Include(module),
            "substack" => Self::Substack(module),
            _ => {
                let name = module.rsplit('/').next().unwrap_or(module);
                Self::Module(Control::parse(control), name, words)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::root::fake;

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
        let modules = || stack.lines.iter().filter(|line| line.module.is_some());
        let names: Vec<_> = modules().map(StackLine::module).collect();
        assert_eq!(names, ["one.so", "two.so", "three.so", "last.so"]);
        let locations: Vec<_> = modules().map(|line| line.location.to_string()).collect();
        assert_eq!(
            locations,
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

    /// The line that can skip `wanted.so`.
    fn skipping(files: &[(&str, &str)]) -> Option<String> {
        let (_dir, root) = fake::root(files);
        let stack = Stack::of(&root, "x").unwrap();
        let line = stack.skipping("wanted.so");
        line.map(|line| line.location.to_string())
    }

    #[test]
    fn a_control_that_ends_the_stack_or_jumps_far_enough_is_found() {
        let skipped = |lines: &str| {
            let text = format!("{lines}\nsession optional wanted.so\n");
            let skips = skipping(&[("/etc/pam.d/x", &text)]);
            skips.map(|location| location.replace("/etc/pam.d/x:", ""))
        };
        for (lines, location) in [
            ("session required a.so", None),
            ("session requisite a.so", None),
            ("session sufficient a.so", Some("1")),
            ("session required a.so\nsession SUFFICIENT b.so", Some("2")),
            ("session [success=done default=ignore] a.so", Some("1")),
            ("session [default=done] a.so", Some("1")),
            ("session [success=ok default=done] a.so", Some("1")),
            ("session [success=ok ignore=ignore default=bad] a.so", None),
            // As pam-auth-update(8) writes it.
            ("session [default=1] a.so\nsession requisite b.so", None),
            (
                "session [default=2] a.so\nsession requisite b.so",
                Some("1"),
            ),
            ("session [success=1 default=ignore] a.so", Some("1")),
            ("auth sufficient a.so", None),
            ("session sufficient wanted.so", None),
        ] {
            assert_eq!(skipped(lines).as_deref(), location, "{lines}");
        }
    }

    #[test]
    fn a_substack_ends_by_itself_and_is_one_line_to_jump_over() {
        let skipped = |text: &str, inner: &str| {
            skipping(&[("/etc/pam.d/x", text), ("/etc/pam.d/inner", inner)])
        };
        let wanted = "session optional wanted.so\n";
        let ends = "session sufficient a.so\n";
        let after = format!("session substack inner\n{wanted}");
        assert_eq!(skipped(&after, ends), None);
        let location = Some("/etc/pam.d/inner:1".to_owned());
        let inside = format!("{ends}{wanted}");
        assert_eq!(skipped("session substack inner\n", &inside), location);
        let included = format!("session include inner\n{wanted}");
        assert_eq!(skipped(&included, ends), location);
        for (jump, location) in [(1, None), (2, Some("/etc/pam.d/x:1".to_owned()))] {
            let text = format!("session [default={jump}] a.so\nsession substack inner\n{wanted}");
            let many = "session required b.so\nsession required c.so\n";
            assert_eq!(skipped(&text, many), location, "{jump}");
        }
        let text = "session [default=1] a.so\nsession substack inner\n";
        assert_eq!(
            skipped(text, wanted),
            Some("/etc/pam.d/x:1".to_owned()),
            "over all of it"
        );
    }

    #[test]
    fn a_line_of_the_backstop_is_not_taken_for_one_that_records() {
        let text = "session optional a.so backstop=1h backstop=2h short\nsession optional a.so\n";
        let (_dir, root) = fake::root(&[("/etc/pam.d/a", text)]);
        let stack = Stack::of(&root, "a").unwrap();
        let backstop = stack.find_backstop("a.so").unwrap();
        assert_eq!(
            (backstop.location.line, backstop.value("backstop")),
            (1, Some("2h"))
        );
        assert!(backstop.has("short") && !backstop.has("backstop"));
        assert_eq!(stack.find("a.so").unwrap().location.line, 2);
    }
}
