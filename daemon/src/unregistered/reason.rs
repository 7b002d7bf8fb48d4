//! Finds out why logind has no session for a login.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use session_timeout_policy::{NoSession, is_systemd_user_name};
use session_timeout_protocol::Opened;

use crate::bus::PrivateBus;
use crate::logind;
use crate::sys::threads::Threads;

/// The directories of PAM stacks (pam.d(5)), by precedence.
const STACK_DIRECTORIES: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"];

/// Maximum number of stack files that are read for one service, which bounds circular includes.
const FILES_MAX: usize = 32;

/// Timeout of the query for logind's number of sessions.
const LOGIND_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason. Takes two seconds at most.
pub(super) async fn of(opened: &Opened, bus: &PrivateBus) -> NoSession {
    if !is_systemd_user_name(&opened.user) {
        return NoSession::NameRefused;
    }
    let service = opened.service.clone();
    let stack = Threads::default()
        .run(move || names_systemd(&service))
        .await;
    if stack.flatten() == Some(false) {
        return NoSession::NotInStack;
    }
    let link = bus.borrow().clone();
    let Some(link) = link else {
        return NoSession::Silent;
    };
    match tokio::time::timeout(LOGIND_TIMEOUT, logind::is_full(&link)).await {
        Ok(Ok(true)) => NoSession::Full,
        Ok(Ok(false)) => NoSession::Unknown,
        Ok(Err(_)) | Err(_) => NoSession::Silent,
    }
}

/// Whether the stack of this service names pam_systemd; `None` if no stack can be read.
fn names_systemd(service: &str) -> Option<bool> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![service.to_owned()]);
    while let Some(one) = waiting.pop() {
        if seen.len() > FILES_MAX || !seen.insert(one.clone()) {
            continue;
        }
        let Some(stack) = read(&one) else {
            // The first file must be readable; included ones are optional.
            if seen.len() == 1 {
                return None;
            }
            continue;
        };
        for line in stack.lines() {
            match parse(line) {
                Some(Line::Systemd) => return Some(true),
                Some(Line::Include(other)) => waiting.push(other.to_owned()),
                None => {}
            }
        }
    }
    Some(false)
}

fn read(name: &str) -> Option<String> {
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let stacks = STACK_DIRECTORIES
        .iter()
        .map(|stacks| Path::new(stacks).join(name));
    stacks
        .filter_map(|path| fs::read_to_string(path).ok())
        .next()
}

/// The parsed line of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Systemd,
    Include(&'a str),
}

fn parse(line: &str) -> Option<Line<'_>> {
    let line = line.split('#').next()?.trim();
    if let Some(other) = line.strip_prefix("@include") {
        return Some(Line::Include(other.trim()));
    }
    let mut words = line.split_whitespace();
    let kind = words.next()?.trim_start_matches('-');
    if kind != "session" {
        return None;
    }
    let control = words.next()?;
    if matches!(control, "include" | "substack") {
        return words.next().map(Line::Include);
    }
    line.contains("pam_systemd.so").then_some(Line::Systemd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_matter_are_found_among_the_others() {
        assert_eq!(
            parse("session optional pam_systemd.so"),
            Some(Line::Systemd)
        );
        let control = "-session [success=ok default=ignore] pam_systemd.so class=user";
        assert_eq!(parse(control), Some(Line::Systemd));
        assert_eq!(
            parse("@include common-session"),
            Some(Line::Include("common-session"))
        );
        let include = "session include system-login # all";
        assert_eq!(parse(include), Some(Line::Include("system-login")));
        assert_eq!(parse("auth include system-login"), None);
        assert_eq!(parse("# session optional pam_systemd.so"), None);
        assert_eq!(parse("session required pam_unix.so"), None);
    }

    #[test]
    fn a_service_is_no_path() {
        assert_eq!(read("../passwd"), None);
        assert_eq!(names_systemd("no-such-service-anywhere"), None);
    }
}
