//! Checks of the kernel, the control groups, the clock and installed programs.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::policy_limits::PolicyLimits;
use crate::doctor::root::Root;

/// Since this version the kernel updates the time stamps of a terminal also for input that is read
/// through `/dev/tty`, as `less` does ("tty: tty_io: update timestamps on all device nodes").
const DEV_TTY_COUNTS: (u32, u32) = (6, 4);

/// The properties of the machine.
#[derive(Debug)]
pub(crate) struct System {
    /// `uname -r`.
    kernel: String,
    cgroups: Cgroups,
    clock: Clock,
    mosh: Mosh,
}

/// The hierarchy of control groups that contains the sessions (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cgroups {
    Unified,
    Hybrid,
    Legacy,
    None,
}

/// Whether the wall clock is synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Synchronised,
    Free,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mosh {
    Installed,
    Missing,
}

impl System {
    /// `clock` is the state that timedated reports.
    pub(crate) fn gather(root: &Root, clock: Clock) -> Self {
        let clock = if root.has("/run/systemd/timesync/synchronized") {
            Clock::Synchronised
        } else {
            clock
        };
        let mosh = if root.has("/usr/bin/mosh-server") {
            Mosh::Installed
        } else {
            Mosh::Missing
        };
        let kernel = root.read("/proc/sys/kernel/osrelease").or_empty();
        Self {
            kernel: kernel.trim().to_owned(),
            cgroups: Cgroups::of(root),
            clock,
            mosh,
        }
    }
}

impl Cgroups {
    fn of(root: &Root) -> Self {
        if root.has("/sys/fs/cgroup/cgroup.controllers") {
            Self::Unified
        } else if root.has("/sys/fs/cgroup/unified/cgroup.controllers") {
            Self::Hybrid
        } else if root.has("/sys/fs/cgroup/systemd") {
            Self::Legacy
        } else {
            Self::None
        }
    }
}

/// All findings about the machine.
pub(crate) fn examine(facts: &System, policy_limits: &PolicyLimits) -> Vec<Finding> {
    vec![
        kernel(&facts.kernel, policy_limits),
        cgroups(facts.cgroups),
        clock(facts.clock),
        mosh(facts.mosh),
    ]
}

fn kernel(release: &str, policy_limits: &PolicyLimits) -> Finding {
    let check = Check::SystemKernel;
    match version(release) {
        Some(version) if version < DEV_TTY_COUNTS => {
            let what = format!(
                "this kernel ({release}) does not note what is read through /dev/tty: who reads in \
                 less looks idle"
            );
            if policy_limits.inactivity.is_none() {
                return Finding::note(check, &what);
            }
            Finding::warning(check, &what).do_this(
                "have output count too, with activity = [\"input\", \"output\"] in the policy, or \
                 run a kernel of 6.4 or newer",
            )
        }
        Some(_) => Finding::ok(check, &format!("the kernel ({release}) notes all input")),
        None => Finding::note(
            check,
            &format!("the kernel's version is unknown ({release})"),
        ),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn cgroups(cgroups: Cgroups) -> Finding {
    let check = Check::SystemCgroups;
    let kind = match cgroups {
        Cgroups::Unified => "unified",
        Cgroups::Hybrid => "hybrid",
        Cgroups::Legacy => "legacy",
        Cgroups::None => {
            let what = "there are no control groups of systemd, by which the terminals of a \
                        session are found";
            return Finding::warning(check, what)
                .do_this("run the daemon where /sys/fs/cgroup is mounted");
        }
    };
    Finding::ok(check, &format!("sessions have control groups ({kind})"))
}

/// Only a note: a step of the clock neither ends nor saves a session.
fn clock(clock: Clock) -> Finding {
    let check = Check::SystemClock;
    match clock {
        Clock::Synchronised => Finding::ok(check, "the clock is synchronised"),
        Clock::Free => Finding::note(
            check,
            "the clock is not synchronised: limits hold all the same, but the times in the \
             journal may be wrong",
        ),
        Clock::Unknown => Finding::note(check, "nobody tells whether the clock is synchronised"),
    }
}

fn mosh(mosh: Mosh) -> Finding {
    let check = Check::SystemMosh;
    match mosh {
        Mosh::Missing => Finding::ok(check, "mosh is not installed"),
        Mosh::Installed => Finding::note(
            check,
            "mosh is installed: once its ssh connection has closed, its session is no login any \
             more and has no limit",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::policy_limits::Extensions;
    use crate::doctor::root::fake;

    const INACTIVE: PolicyLimits = PolicyLimits {
        longest: Duration::from_secs(900),
        inactivity: Some(Duration::from_secs(900)),
        extensions: Extensions::Nobody,
    };

    #[test]
    fn a_kernel_that_misses_input_matters_where_idle_time_does() {
        for (release, without, with) in [
            ("6.1.0-41-amd64", Level::Note, Level::Warning),
            ("5.15.0-94-generic", Level::Note, Level::Warning),
            ("6.3.9", Level::Note, Level::Warning),
            ("6.4.0", Level::Ok, Level::Ok),
            ("6.12.57+deb13-amd64", Level::Ok, Level::Ok),
            ("7.0", Level::Ok, Level::Ok),
            ("", Level::Note, Level::Note),
        ] {
            assert_eq!(
                kernel(release, &PolicyLimits::default()).level,
                without,
                "{release}"
            );
            assert_eq!(kernel(release, &INACTIVE).level, with, "{release}");
        }
    }

    #[test]
    fn the_machine_is_read_where_the_kernel_shows_it() {
        let (_dir, root) = fake::root(&[
            ("/proc/sys/kernel/osrelease", "6.12.1\n"),
            ("/sys/fs/cgroup/cgroup.controllers", "cpu\n"),
            ("/run/systemd/timesync/synchronized", ""),
        ]);
        let findings = examine(&System::gather(&root, Clock::Unknown), &INACTIVE);
        assert!(
            findings.iter().all(|finding| finding.level == Level::Ok),
            "{findings:?}"
        );
        let (_dir, root) = fake::root(&[
            ("/sys/fs/cgroup/unified/cgroup.controllers", ""),
            ("/usr/bin/mosh-server", ""),
        ]);
        let facts = System::gather(&root, Clock::Free);
        assert_eq!(facts.cgroups, Cgroups::Hybrid);
        let levels: Vec<_> = examine(&facts, &INACTIVE)
            .iter()
            .map(|found| found.level)
            .collect();
        assert_eq!(levels, [Level::Note, Level::Ok, Level::Note, Level::Note]);
        let (_dir, root) = fake::root(&[]);
        assert_eq!(cgroups(Cgroups::of(&root)).level, Level::Warning);
    }
}
