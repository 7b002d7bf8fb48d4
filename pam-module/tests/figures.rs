//! The time that the module adds to a login. `cargo test --release --test figures -- --nocapture`
//! prints the figures; the bounds here are loose enough for a busy machine.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::fmt;
use std::time::Duration;

use support::daemon::{Daemon, Manner};
use support::ffi::Entry;
use support::{Code, Stack};

/// The durations of `pam_open_session`, sorted.
struct Figures(Vec<Duration>);

impl Figures {
    fn measure(manner: Manner, options: &str, count: usize, expected: Code) -> Self {
        let daemon = Daemon::start(manner);
        let stack = Stack::new(&daemon.socket(), options);
        let mut figures = Vec::with_capacity(count);
        for _ in 0..count {
            // pam_start reads the service file and maps the module, which is not measured.
            let (code, elapsed) = stack.login(c"nobody").timed(Entry::OpenSession);
            assert_eq!(code, expected, "{manner:?}");
            figures.push(elapsed);
        }
        figures.sort_unstable();
        Self(figures)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [50, 99, 100].map(|percent| self.percentile(percent));
        let count = self.0.len();
        write!(f, "p50 {p50:?}, p99 {p99:?}, max {max:?} of {count}")
    }
}

#[test]
fn a_login_is_not_held_up() {
    let healthy = Figures::measure(Manner::Up, "", 1000, Code::Success);
    println!("login delay, healthy daemon: {healthy}");
    let absent = Figures::measure(Manner::Absent, "", 1000, Code::Ignore);
    println!("login delay, absent daemon:  {absent}");
    let hung = Figures::measure(Manner::Hung, "", 10, Code::Ignore);
    println!("login delay, hung daemon:    {hung}");
    let backstop = Figures::measure(Manner::Hung, "backstop=25h", 1000, Code::Ignore);
    println!("login delay, backstop:       {backstop}");
    assert!(healthy.percentile(50) < Duration::from_millis(5));
    assert!(absent.percentile(50) < Duration::from_millis(5));
    assert!(backstop.percentile(50) < Duration::from_millis(5));
    assert!(hung.percentile(100) < Duration::from_millis(350));
}
