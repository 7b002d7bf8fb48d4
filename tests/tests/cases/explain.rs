//! `session-timeout check` and `explain`: their output for root and for users, and their exit
//! statuses.

use session_timeout_tests::{Account, Machine, Outcome, Output, Ssh, Terminal, UNIT};

const POLICY: &str = r#"[default]
session-timeout = "10h"

[[rule]]
name = "card data"
match = { group = "pci", service = "sshd", from = "192.0.2.0/24" }
session-timeout = "9h"
action = "hang-up"
"#;

const FILE: &str = "/etc/session-timeout/policy.toml";

pub(crate) fn the_exit_status_of_check_says_whether_a_policy_is_valid(
    machine: &Machine,
) -> Outcome {
    machine.write_policy(POLICY)?;
    for user in ["root", "alice"] {
        let good = as_user(machine, user, "session-timeout check")?;
        assert_exit(&good, 0);
        assert_eq!(good.stdout.trim(), format!("{FILE}: ok, 1 rule"));
    }
    let printed = machine.run("session-timeout check --print")?;
    machine.write("/var/tmp/printed.toml", &printed)?;
    let again = machine.run("session-timeout check --print /var/tmp/printed.toml")?;
    assert_eq!(printed, again);

    machine.write_policy(&POLICY.replace("hang-up", "hang up"))?;
    for user in ["root", "alice"] {
        let broken = as_user(machine, user, "session-timeout check")?;
        assert_exit(&broken, 1);
        let place = format!("{FILE}:8:10");
        assert!(broken.stderr.contains(&place), "{}", broken.stderr);
        assert!(broken.stderr.contains("hang-up"), "{}", broken.stderr);
    }
    // A user may check a draft, but not a policy that the user cannot read.
    machine.run("install --owner=alice /dev/null /home/alice/draft.toml")?;
    let draft = as_user(
        machine,
        "alice",
        "session-timeout check /home/alice/draft.toml",
    )?;
    assert_exit(&draft, 0);
    machine.run(&format!("chmod 0600 {FILE}"))?;
    assert_exit(&as_user(machine, "alice", "session-timeout check")?, 2);
    assert_exit(&as_user(machine, "root", "session-timeout check")?, 1);
    machine.run(&format!("chmod 0664 {FILE}"))?;
    let writable = as_user(machine, "root", "session-timeout check")?;
    assert_exit(&writable, 2);
    assert!(
        writable.stderr.contains("chmod go-w"),
        "{}",
        writable.stderr
    );
    assert_exit(
        &as_user(machine, "root", "session-timeout check /nowhere.toml")?,
        2,
    );
    Ok(())
}

pub(crate) fn a_login_that_might_be_is_explained_to_everybody_without_the_daemon(
    machine: &Machine,
) -> Outcome {
    machine.run("groupadd pci && usermod --append --groups pci bob")?;
    machine.write_policy(POLICY)?;
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    for user in ["root", "alice", "nobody"] {
        let explain = "session-timeout explain --user bob --service sshd --from";
        let near = as_user(machine, user, &format!("{explain} 192.0.2.7"))?;
        assert_exit(&near, 0);
        for said in [
            "the rule \"card data\" holds.",
            "Groups: bob, pci",
            &format!("{FILE}:7"),
            "after 9 h",
            "end: hang-up (absolute limit)",
        ] {
            assert!(near.stdout.contains(said), "{said}: {}", near.stdout);
        }
        let far = as_user(machine, user, &format!("{explain} 198.51.100.7"))?;
        assert_exit(&far, 0);
        let why = "rule \"card data\": from is not 192.0.2.0/24";
        assert!(far.stdout.contains(why), "{}", far.stdout);
        let root = as_user(machine, user, "session-timeout explain --user root")?;
        assert_exit(&root, 0);
        assert!(
            root.stdout.contains("no limit holds for root"),
            "{}",
            root.stdout
        );
    }
    let nobody = as_user(machine, "alice", "session-timeout explain --user zoe")?;
    assert_exit(&nobody, 1);
    assert!(
        nobody.stderr.contains("no user \"zoe\""),
        "{}",
        nobody.stderr
    );
    let session = as_user(machine, "alice", "session-timeout explain c1")?;
    assert_exit(&session, 1);
    assert!(
        session.stderr.contains("is it running?"),
        "{}",
        session.stderr
    );

    machine.write_policy(&POLICY.replace("10h", "10 days"))?;
    let broken = as_user(machine, "alice", "session-timeout explain --user bob")?;
    assert_exit(&broken, 1);
    assert!(
        broken.stderr.contains(&format!("{FILE}:2:19")),
        "{}",
        broken.stderr
    );
    machine.run(&format!("chmod 0600 {FILE}"))?;
    let hidden = as_user(machine, "alice", "session-timeout explain --user bob")?;
    assert_exit(&hidden, 2);
    machine.run(&format!("systemctl start {UNIT}"))?;
    Ok(())
}

pub(crate) fn a_session_is_explained_to_its_user_and_to_root_and_to_nobody_else(
    machine: &Machine,
) -> Outcome {
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    machine.wait_known(bob.session())?;
    let explain = format!("session-timeout explain {}", bob.session());
    for user in ["root", "bob"] {
        let told = as_user(machine, user, &explain)?;
        assert_exit(&told, 0);
        let subject = format!("Session {} of bob: no rule matches", bob.session());
        assert!(told.stdout.starts_with(&subject), "{}", told.stdout);
    }
    let nowhere = as_user(machine, "alice", "session-timeout explain nowhere")?;
    for user in ["alice", "nobody", "robot"] {
        let refused = as_user(machine, user, &explain)?;
        assert_exit(&refused, 1);
        assert_eq!(refused.stdout, "");
        // The error does not reveal that bob's session exists.
        let same = nowhere.stderr.replace("nowhere", bob.session());
        assert_eq!(refused.stderr, same);
    }
    assert!(
        nowhere.stderr.contains("no session nowhere"),
        "{}",
        nowhere.stderr
    );
    Ok(())
}

fn as_user(machine: &Machine, user: &str, command: &str) -> Outcome<Output> {
    machine.attempt(&format!("runuser --user {user} -- {command}"))
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    let Output { stdout, stderr, .. } = output;
    assert_eq!(output.code, Some(code), "{stdout}{stderr}");
}
