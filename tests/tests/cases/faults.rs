//! Logins work and are not delayed in any state of the daemon.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use session_timeout_tests::{Account, Context, Machine, Outcome, Ssh, Terminal, UNIT, hold_for};

use super::secs;

/// The module's timeout.
const DEADLINE: Duration = Duration::from_millis(250);

/// Tolerance for the median on a busy host: other machines run at the same time.
const NOISE: Duration = Duration::from_millis(50);

/// Tolerance for the longest delay: the host may run no process of the machine for this time. It is
/// less than the timeout, so that a module that waits for it where it should not is noticed.
const LONGEST_NOISE: Duration = Duration::from_millis(240);

pub(crate) fn a_healthy_daemon_delays_no_login(machine: &Machine) -> Outcome {
    let delay = delay(machine, 100)?;
    // The product promises half a millisecond, and five at most. This bound holds on a busy host,
    // and fails if the module waits for something.
    assert!(delay.median < Duration::from_millis(10), "{delay:?}");
    assert!(delay.longest < LONGEST_NOISE, "{delay:?}");
    Ok(())
}

pub(crate) fn login_works_with_the_daemon_stopped(machine: &Machine) -> Outcome {
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    let delay = delay(machine, 50)?;
    assert!(delay.median < Duration::from_millis(10), "{delay:?}");
    assert!(delay.longest < LONGEST_NOISE, "{delay:?}");
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.run(&format!("systemctl start {UNIT}"))?;
    machine.wait_known(ssh.session())?;
    Ok(())
}

pub(crate) fn login_works_with_the_daemon_hung(machine: &Machine) -> Outcome {
    let pid = machine.daemon_pid()?;
    machine.run(&format!("kill -STOP {pid}"))?;
    let delay = delay(machine, 20)?;
    assert!(delay.median < DEADLINE + NOISE, "{delay:?}");
    assert!(delay.longest < DEADLINE + LONGEST_NOISE, "{delay:?}");
    // Otherwise the daemon was not hung.
    assert!(delay.median > DEADLINE / 2, "{delay:?}");
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.run(&format!("kill -CONT {pid}"))?;
    machine.wait_known(ssh.session())?;
    assert_eq!(machine.daemon_pid()?, pid);
    Ok(())
}

pub(crate) fn a_full_backlog_delays_no_login(machine: &Machine) -> Outcome {
    /// Connects until the backlog is full, and keeps the connections until its input has a line.
    const CONNECTIONS: &str = r#"
        use strict;
        use Socket qw(:DEFAULT SOCK_NONBLOCK);
        $| = 1;
        my @held;
        while (socket(my $s, PF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
            connect($s, sockaddr_un("/run/session-timeout/login.sock")) or last;
            push @held, $s;
        }
        print scalar(@held), " $!\n";
        <STDIN>;
    "#;
    let pid = machine.daemon_pid()?;
    machine.run(&format!("kill -STOP {pid}"))?;
    let mut clients = machine
        .command("timeout")
        .args(["60", "perl", "-e", CONNECTIONS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("fill the backlog")?;
    let mut said = String::new();
    let stdout = clients.stdout.take().context("the output of the clients")?;
    BufReader::new(stdout)
        .read_line(&mut said)
        .context("read the output of the clients")?;
    assert!(
        said.contains("temporarily unavailable"),
        "the backlog is not full: {said}"
    );

    let delay = delay(machine, 20)?;
    assert!(delay.median < DEADLINE + NOISE, "{delay:?}");
    assert!(delay.longest < DEADLINE + LONGEST_NOISE, "{delay:?}");
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    drop(clients.stdin.take());
    clients.wait().context("end the clients")?;
    machine.run(&format!("kill -CONT {pid}"))?;
    machine.wait_known(ssh.session())?;
    assert_eq!(machine.daemon_pid()?, pid);
    hold_for(secs(1), "the session to stay open", || {
        if ssh.terminal().is_open() {
            Ok(())
        } else {
            Err("it was ended")
        }
    })
}

/// The time that the module adds to the opening of a PAM session.
#[derive(Debug)]
struct Delay {
    median: Duration,
    longest: Duration,
}

/// Opens `count` sessions with the module, and as many without it.
fn delay(machine: &Machine, count: u32) -> Outcome<Delay> {
    let [baseline, ours] = openings(machine, count)?;
    let nothing = median(&baseline);
    let delay = Delay {
        median: median(&ours).saturating_sub(nothing),
        longest: ours
            .last()
            .copied()
            .unwrap_or_default()
            .saturating_sub(nothing),
    };
    eprintln!("{}: {count} sessions opened: {delay:?}", machine.suite());
    Ok(delay)
}

/// The durations of `open_session` without the module and with it, sorted. They alternate, so that
/// other load on the host delays both.
fn openings(machine: &Machine, count: u32) -> Outcome<[Vec<Duration>; 2]> {
    let script = format!(
        "bash -c 'for i in $(seq {count}); do
             for stack in baseline timing; do
                 s=$EPOCHREALTIME
                 pamtester session-timeout-$stack alice open_session >/dev/null || exit
                 e=$EPOCHREALTIME
                 echo $stack $((${{e/./}} - ${{s/./}}))
             done
         done'"
    );
    let lines = machine.run(&script)?;
    let times = |stack: &str| -> Outcome<Vec<Duration>> {
        let lines = lines.lines().filter_map(|line| line.strip_prefix(stack));
        let times = lines.map(|micros| {
            let micros = micros.trim().parse().context(micros)?;
            Ok(Duration::from_micros(micros))
        });
        let mut times: Vec<_> = times.collect::<Outcome<_>>()?;
        times.sort_unstable();
        assert_eq!(times.len(), count as usize);
        Ok(times)
    };
    Ok([times("baseline")?, times("timing")?])
}

fn median(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
