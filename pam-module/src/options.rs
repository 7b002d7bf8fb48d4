//! The options on the module's line in `/etc/pam.d`.
//!
//! An option that is wrong or unknown is reported and left out: a typing mistake in a file of
//! PAM's must not be the end of logging in.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_protocol::LOGIN_SOCKET;

/// The shortest and the longest time for one exchange with the daemon, in milliseconds. Longer
/// ones are not to be had: whoever waits here is a person in front of a login.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 250;

/// What the administrator asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// `socket=PATH`: where the daemon listens.
    pub(crate) socket: PathBuf,
    /// `timeout=MILLISECONDS`: for one whole exchange.
    pub(crate) timeout: Duration,
    /// `quiet`: no announcement.
    pub(crate) quiet: bool,
    /// `require`: no login that is not recorded.
    pub(crate) require: bool,
    /// `debug`: more in the log.
    pub(crate) debug: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(LOGIN_SOCKET),
            timeout: Duration::from_millis(LONGEST),
            quiet: false,
            require: false,
            debug: false,
        }
    }
}

impl Options {
    /// Reads the options, the last one of a name counting, and calls `complain` with a sentence
    /// about each that is not as it should be.
    pub(crate) fn parse(arguments: &[&CStr], mut complain: impl FnMut(&str)) -> Self {
        let mut options = Self::default();
        for argument in arguments {
            if let Err(complaint) = options.set(argument) {
                complain(&complaint);
            }
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
        match bytes {
            b"quiet" => self.quiet = true,
            b"require" => self.require = true,
            b"debug" => self.debug = true,
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
        let taken = millis.clamp(SHORTEST, LONGEST);
        self.timeout = Duration::from_millis(taken);
        if taken != millis {
            return Err(format!(
                "timeout={millis} is not within {SHORTEST} to {LONGEST}, using {taken}"
            ));
        }
        Ok(())
    }
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
}
