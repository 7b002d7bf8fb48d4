//! Reads processes and their controlling terminals from `/proc`.

use std::fs;

use crate::Witness;

/// Fields of `/proc/PID/stat` (proc(5)), which every user may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Field 4, `ppid`.
    pub parent: u32,
    /// Field 6, `session`: the kernel's session, which has at most one controlling terminal.
    pub session: u32,
    /// Field 7, `tty_nr`: the device number of the controlling terminal.
    pub terminal: Option<u64>,
    /// Field 22, `starttime`: in clock ticks since boot.
    pub started: u64,
}

impl Stat {
    /// The fields of this process; `None` if it does not exist.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&stat))
    }

    fn parse(stat: &str) -> Option<Self> {
        // The second field is the name in parentheses, which may contain any byte.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        let number: i32 = fields.next()?.parse().ok()?;
        let started = fields.nth(14)?.parse().ok()?;
        // The minor number is in bits 31 to 20 and 7 to 0, the major in bits 15 to 8.
        let bits = number.cast_unsigned();
        let (major, minor) = ((bits >> 8) & 0xff, (bits & 0xff) | ((bits >> 12) & 0xfff00));
        let device = rustix::fs::makedev(major, minor);
        Some(Self {
            parent,
            session,
            terminal: (device != 0).then_some(device),
            started,
        })
    }
}

/// Whether this is certainly the controlling terminal of this process.
///
/// The device number alone proves nothing: a user can mount a devpts in a namespace, where the
/// terminals have the same numbers as others'. But a terminal is the controlling terminal of at
/// most one kernel session (credentials(7)). So the answer is certain if all processes with the
/// number are in one kernel session. Processes of a container (another pid namespace) are not
/// counted: it has its own terminals with the same numbers.
#[must_use]
pub fn controls(witness: Witness, device: u64) -> bool {
    let Some(stat) = Stat::of(witness.pid) else {
        return false;
    };
    if stat.started != witness.started || stat.terminal != Some(device) {
        return false;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.all(|pid| {
        let other = Stat::of(pid).filter(|other| other.terminal == Some(device));
        other.is_none_or(|other| other.session == stat.session || is_contained(pid))
    })
}

/// Whether the process is in a nested pid namespace: `NSpid` in `/proc/PID/status` lists its id in
/// each namespace.
fn is_contained(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_ascii_whitespace().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 1000";

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = |parent, session, terminal| {
            Some(Stat {
                parent,
                session,
                terminal,
                started: 777,
            })
        };
        let line = format!("42 (a) b (c)) S 7 42 41 34819 {TAIL}");
        let device = rustix::fs::makedev(136, 3);
        assert_eq!(Stat::parse(&line), stat(7, 41, Some(device)));
        let line = format!("42 (bash) S 1 42 42 0 {TAIL}");
        assert_eq!(Stat::parse(&line), stat(1, 42, None));
        assert_eq!(Stat::parse("42 (bash) S 1 42 42 0 -1"), None);
        assert_eq!(Stat::parse("42 (bash) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn minor_numbers_beyond_a_byte_are_put_together() {
        // /dev/pts/300 is minor 44 of the next major; a console 300 would be 4:300.
        let number = (4 << 8) | (300 & 0xff) | ((300 & 0xfff00) << 12);
        let stat = Stat::parse(&format!("1 (x) S 1 1 1 {number} {TAIL}"));
        let terminal = stat.and_then(|stat| stat.terminal);
        assert_eq!(terminal, Some(rustix::fs::makedev(4, 300)));
    }

    #[test]
    fn a_process_of_this_namespace_is_in_no_container() {
        assert!(!is_contained(std::process::id()));
    }

    #[test]
    fn a_process_without_a_terminal_or_another_one_of_its_number_is_no_witness() {
        let pid = std::process::id();
        let started = Stat::of(pid).unwrap().started;
        let none = rustix::fs::makedev(136, 4000);
        assert!(!controls(Witness { pid, started }, none));
        let started = started + 1;
        assert!(!controls(Witness { pid, started }, none));
    }
}
