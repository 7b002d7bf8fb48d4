//! The options on the module's line in `/etc/pam.d`.
//!
//! An invalid or unknown option is logged and ignored: a typing mistake in a PAM service file must
//! not prevent logins.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_protocol::LOGIN_SOCKET;

/// Minimum and maximum of the timeout for one exchange with the daemon, in milliseconds. The
/// maximum is low because the user waits for the login meanwhile.
const MIN_TIMEOUT_MS: u64 = 1;
const MAX_TIMEOUT_MS: u64 = 250;

/// The minimum and maximum of a backstop. A typing mistake must not end all sessions right after
/// the login, and a backstop after more than a week has no use.
const MIN_BACKSTOP: Duration = Duration::from_secs(10 * 60);
const MAX_BACKSTOP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The purpose of the module's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// To record the login with the daemon.
    Record,
    /// `backstop=TIME`: to set the time after which PID 1 ends the session. `None` if TIME is
    /// invalid: then the line does nothing, and in particular does not record the login.
    Backstop(Option<Duration>),
}

/// Whether a backstop may be shorter than the minimum, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Minima {
    Enforced,
    Lifted,
}

/// The options of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) task: Task,
    /// `socket=PATH`: the socket of the daemon.
    pub(crate) socket: PathBuf,
    /// `timeout=MILLISECONDS`: the timeout of one exchange.
    pub(crate) timeout: Duration,
    /// `quiet`: the daemon's message is not shown.
    pub(crate) quiet: bool,
    /// `require`: a login that is not recorded is denied.
    pub(crate) require: bool,
    /// `debug`: more log messages.
    pub(crate) debug: bool,
    /// `allow-short-limits`: permits backstops below the minimum, for tests.
    minima: Minima,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            task: Task::Record,
            socket: PathBuf::from(LOGIN_SOCKET),
            timeout: Duration::from_millis(MAX_TIMEOUT_MS),
            quiet: false,
            require: false,
            debug: false,
            minima: Minima::Enforced,
        }
    }
}

impl Options {
    /// Parses the options, of which the last one with a name applies, and calls `complain` with a
    /// sentence about each invalid one.
    pub(crate) fn parse(arguments: &[&CStr], mut complain: impl FnMut(&str)) -> Self {
        let mut options = Self::default();
        for argument in arguments {
            if let Err(complaint) = options.set(argument) {
                complain(&complaint);
            }
        }
        if let Err(complaint) = options.check_backstop() {
            complain(&complaint);
        }
        options
    }

    fn set(&mut self, argument: &CStr) -> Result<(), String> {
        let bytes = argument.to_bytes();
        if let Some(path) = bytes.strip_prefix(b"socket=") {
            return self.set_socket(path);
        }
        if let Some(millis) = bytes.strip_prefix(b"timeout=") {
            return self.set_timeout(&String::from_utf8_lossy(millis));
        }
        if let Some(time) = bytes.strip_prefix(b"backstop=") {
            return self.set_backstop(&String::from_utf8_lossy(time));
        }
        match bytes {
            b"quiet" => self.quiet = true,
            b"require" => self.require = true,
            b"debug" => self.debug = true,
            b"allow-short-limits" => self.minima = Minima::Lifted,
            _ => return Err(format!("unknown option {argument:?}, ignored")),
        }
        Ok(())
    }

    fn set_socket(&mut self, path: &[u8]) -> Result<(), String> {
        let path = Path::new(OsStr::from_bytes(path));
        if !path.is_absolute() {
            return Err(format!("socket={path:?} is not an absolute path, ignored"));
        }
        self.socket = path.to_owned();
        Ok(())
    }

    fn set_timeout(&mut self, text: &str) -> Result<(), String> {
        let millis: u64 = text
            .parse()
            .map_err(|_| format!("timeout={text:?} is not a number of milliseconds, ignored"))?;
        let taken = millis.clamp(MIN_TIMEOUT_MS, MAX_TIMEOUT_MS);
        self.timeout = Duration::from_millis(taken);
        if taken != millis {
            return Err(format!(
                "timeout={millis} is not within {MIN_TIMEOUT_MS} to {MAX_TIMEOUT_MS}, using {taken}"
            ));
        }
        Ok(())
    }

    fn set_backstop(&mut self, text: &str) -> Result<(), String> {
        let time = parse_time(text);
        self.task = Task::Backstop(time);
        match time {
            Some(_) => Ok(()),
            None => Err(format!(
                "backstop={text:?} is not a number with a unit (s, min, h or d), ignored"
            )),
        }
    }

    /// Checks the range of the backstop, after all options, since `allow-short-limits` may follow
    /// it.
    fn check_backstop(&mut self) -> Result<(), String> {
        let Task::Backstop(Some(time)) = self.task else {
            return Ok(());
        };
        let least = match self.minima {
            Minima::Enforced => MIN_BACKSTOP,
            Minima::Lifted => Duration::from_secs(1),
        };
        if (least..=MAX_BACKSTOP).contains(&time) {
            return Ok(());
        }
        self.task = Task::Backstop(None);
        Err(format!(
            "a backstop of {} s is not within 10min to 7d, ignored",
            time.as_secs()
        ))
    }
}

/// A time span of systemd.time(7) with one number and one unit.
fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&CStr]) -> (Options, Vec<String>) {
        let mut complaints = Vec::new();
        let options = Options::parse(arguments, |complaint| complaints.push(complaint.to_owned()));
        (options, complaints)
    }

    #[test]
    fn without_arguments_the_defaults_hold() {
        let (options, complaints) = parse(&[]);
        assert_eq!(options, Options::default());
        assert_eq!(options.socket, Path::new("/run/session-timeout/login.sock"));
        assert_eq!(options.timeout, Duration::from_millis(250));
        assert!(complaints.is_empty());
    }

    #[test]
    fn every_option_is_taken() {
        let line = [
            c"socket=/run/x y",
            c"timeout=100",
            c"quiet",
            c"require",
            c"debug",
        ];
        let (options, complaints) = parse(&line);
        let expected = Options {
            socket: PathBuf::from("/run/x y"),
            timeout: Duration::from_millis(100),
            quiet: true,
            require: true,
            debug: true,
            ..Options::default()
        };
        assert_eq!(options, expected);
        assert!(complaints.is_empty());
    }

    #[test]
    fn the_last_of_two_counts() {
        let (options, _) = parse(&[c"timeout=100", c"timeout=50", c"socket=/a", c"socket=/b"]);
        assert_eq!(options.timeout, Duration::from_millis(50));
        assert_eq!(options.socket, Path::new("/b"));
    }

    #[test]
    fn a_timeout_out_of_range_is_brought_into_it_and_reported() {
        for (argument, taken) in [
            (c"timeout=0", 1),
            (c"timeout=251", 250),
            (c"timeout=18446744073709551615", 250),
        ] {
            let (options, complaints) = parse(&[argument]);
            assert_eq!(
                options.timeout,
                Duration::from_millis(taken),
                "{argument:?}"
            );
            assert_eq!(complaints.len(), 1, "{argument:?}");
        }
        for argument in [c"timeout=1", c"timeout=250"] {
            assert!(parse(&[argument]).1.is_empty(), "{argument:?}");
        }
        assert_eq!(
            parse(&[c"timeout=300"]).1,
            ["timeout=300 is not within 1 to 250, using 250"]
        );
    }

    #[test]
    fn what_makes_no_sense_is_reported_and_left_out() {
        for argument in [
            c"",
            c"timeout=",
            c"timeout=-1",
            c"timeout=1s",
            c"timeout=18446744073709551616",
            c"socket=",
            c"socket=run/login.sock",
            c"Quiet",
            c"quiet=no",
            c"required",
            c"\xff\x1b[2J",
        ] {
            let (options, complaints) = parse(&[argument]);
            assert_eq!(options, Options::default(), "{argument:?}");
            assert_eq!(complaints.len(), 1, "{argument:?}");
            let printable = |text: &String| !text.chars().any(char::is_control);
            assert!(complaints.iter().all(printable), "{argument:?}");
        }
        assert_eq!(
            parse(&[c"requires"]).1,
            ["unknown option \"requires\", ignored"]
        );
    }

    #[test]
    fn a_backstop_is_a_number_and_a_unit() {
        const HOUR: u64 = 60 * 60;
        for (argument, seconds) in [
            (c"backstop=25h", 25 * HOUR),
            (c"backstop=90min", 90 * 60),
            (c"backstop=600s", 600),
            (c"backstop=10min", 600),
            (c"backstop=7d", 7 * 24 * HOUR),
        ] {
            let (options, complaints) = parse(&[argument]);
            let expected = Task::Backstop(Some(Duration::from_secs(seconds)));
            assert_eq!(options.task, expected, "{argument:?}");
            assert!(complaints.is_empty(), "{argument:?}");
        }
        let (options, _) = parse(&[c"backstop=13h", c"backstop=25h"]);
        let last = Duration::from_secs(25 * HOUR);
        assert_eq!(options.task, Task::Backstop(Some(last)));
    }

    #[test]
    fn a_backstop_that_cannot_be_taken_is_reported_and_still_no_record() {
        for argument in [
            c"backstop=",
            c"backstop=25",
            c"backstop=h",
            c"backstop=-1h",
            c"backstop=1.5h",
            c"backstop=1h30min",
            c"backstop= 25h",
            c"backstop=25 h",
            c"backstop=25H",
            c"backstop=25Ã©",
            c"backstop=\xff\x1b[2J",
            c"backstop=infinity",
            c"backstop=18446744073709551615d",
            c"backstop=18446744073709551616s",
            c"backstop=0s",
            c"backstop=599s",
            c"backstop=9min",
            c"backstop=169h",
        ] {
            let (options, complaints) = parse(&[argument]);
            assert_eq!(options.task, Task::Backstop(None), "{argument:?}");
            assert_eq!(complaints.len(), 1, "{argument:?}");
            let printable = |text: &String| !text.chars().any(char::is_control);
            assert!(complaints.iter().all(printable), "{argument:?}");
        }
        assert_eq!(
            parse(&[c"backstop=25"]).1,
            ["backstop=\"25\" is not a number with a unit (s, min, h or d), ignored"]
        );
        assert_eq!(
            parse(&[c"backstop=5s"]).1,
            ["a backstop of 5 s is not within 10min to 7d, ignored"]
        );
    }

    #[test]
    fn a_test_may_have_a_short_backstop_and_no_longer_one() {
        for short in [
            [c"backstop=1s", c"allow-short-limits"],
            [c"allow-short-limits", c"backstop=1s"],
        ] {
            let (options, complaints) = parse(&short);
            let second = Duration::from_secs(1);
            assert_eq!(options.task, Task::Backstop(Some(second)));
            assert!(complaints.is_empty());
        }
        for argument in [c"backstop=0s", c"backstop=8d"] {
            let (options, _) = parse(&[c"allow-short-limits", argument]);
            assert_eq!(options.task, Task::Backstop(None), "{argument:?}");
        }
    }
}
