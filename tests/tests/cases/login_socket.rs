//! Messages to the daemon from outside: invalid frames on the login socket, and forged signals of
//! logind.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, secs};

/// Sends each argument over its own connection, with `\x..` for bytes.
const SEND: &str = r#"
    use strict;
    use Socket;
    for my $bytes (@ARGV) {
        $bytes =~ s/\\x(..)/chr hex $1/ge;
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
        connect($s, sockaddr_un("/run/session-timeout/login.sock")) or die "connect: $!\n";
        syswrite $s, $bytes;
        close $s;
    }
"#;

pub(crate) fn garbage_on_the_login_socket_is_counted_and_harms_nothing(
    machine: &Machine,
) -> Outcome {
    let pid = machine.daemon_pid()?;
    machine.write("/root/send.pl", SEND)?;
    let garbage = [
        "GET / HTTP/1.1",
        // A frame of another version; one with a length of four gigabytes; a truncated one; one of
        // unknown kind; a login with a user that is not UTF-8; a thousand zero bytes.
        r"STMO\x09\x00\x01\x00\x00\x00\x00\x00",
        r"STMO\x01\x00\x01\x00\xff\xff\xff\xff",
        r"STMO\x01\x00\x01\x00\x20\x00\x00\x00\x01",
        r"STMO\x01\x00\x4d\x00\x00\x00\x00\x00",
        r"STMO\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\xff\x02\x01\x00s",
        &r"\x00".repeat(1000),
    ];
    let arguments = garbage.map(|bytes| format!("'{bytes}'"));
    machine.run(&format!("perl /root/send.pl {}", arguments.join(" ")))?;
    wait_until(SOON, "the garbage to be counted", || {
        let status = machine.status()?;
        let count = status["rejected_frames"].as_u64().unwrap_or_default();
        if count == garbage.len() as u64 {
            Ok(())
        } else {
            Err(Failure::new(format!("{count} rejected")))
        }
    })?;
    machine
        .journal()
        .wait_for(&Wanted::event("frame-rejected"), SOON)?;

    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert!(
        ssh.terminal()
            .text()
            .contains("This session ends after 24 h.")
    );
    machine.wait_known(ssh.session())?;
    assert_eq!(machine.daemon_pid()?, pid, "the daemon was restarted");
    Ok(())
}

pub(crate) fn only_root_can_connect_to_the_login_socket(machine: &Machine) -> Outcome {
    machine.write("/var/tmp/send.pl", SEND)?;
    let alice = machine.attempt("runuser -u alice -- perl /var/tmp/send.pl hello")?;
    assert_ne!(alice.code, Some(0));
    assert!(
        alice.stderr.contains("Permission denied"),
        "{}",
        alice.stderr
    );
    assert_eq!(machine.status()?["rejected_frames"], 0);
    machine.run("perl /var/tmp/send.pl hello")?;
    Ok(())
}

pub(crate) fn a_forged_signal_ends_nothing(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "12s"
           session-warnings = ["4s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    machine.wait_known(id)?;
    let send = "runuser -u nobody -- dbus-send --system --type=signal --dest=org.sessiontimeout1";
    let manager = "/org/freedesktop/login1 org.freedesktop.login1.Manager";
    for forged in [
        format!("{manager}.SessionRemoved string:{id} objpath:/x"),
        // With another body than logind's.
        format!("{manager}.SessionRemoved string:{id}"),
        format!("{manager}.SessionNew string:zz objpath:/x"),
        "/org/freedesktop/DBus org.freedesktop.DBus.NameOwnerChanged \
         string:org.freedesktop.login1 string::1.1 string:"
            .to_owned(),
    ] {
        machine.run(&format!("{send} {forged}"))?;
    }
    // Its limit still applies, so the daemon did not take the session for gone.
    let end = Wanted::event("end").session(id);
    machine.journal().wait_for(&end, secs(20))?;
    ssh.wait_closed(SOON)?;
    for event in ["logout", "logind-lost"] {
        let taken = machine.journal().all(&Wanted::event(event));
        let about = taken.iter().filter(|entry| {
            entry
                .field("SESSION_ID")
                .is_none_or(|session| session == id)
        });
        assert_eq!(about.count(), 0, "{event}: {taken:?}");
    }
    Ok(())
}
