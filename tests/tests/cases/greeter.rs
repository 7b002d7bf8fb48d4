//! The screen after the end of a desktop on a virtual terminal.

use session_timeout_tests::{
    Account, Class, Context, Failure, Machine, Outcome, Seated, Vt, Vts, Wanted, hold_for,
    wait_until,
};

use super::{SOON, secs};

fn policy(action: &str) -> String {
    format!(
        r#"[default]
           session-timeout = "1h"

           [[rule]]
           name = "short"
           match = {{ user = "alice" }}
           session-timeout = "8s"
           session-warnings = ["3s"]
           grace = "3s"
           action = "{action}""#
    )
}

pub(crate) fn the_greeter_is_shown_where_a_session_on_a_seat_was_ended(
    machine: &Machine,
) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(&policy("terminate"))?;
    let greeter = vts.log_in(Account::Robot, Class::Greeter, Vt::A)?;
    let desktop = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    vts.show(Vt::B)?;
    wait_active(machine, &desktop)?;

    desktop.wait_closed(secs(15))?;
    wait_shown(&vts, Vt::A)?;
    wait_active(machine, &greeter)?;
    machine.wait_session_gone(desktop.session(), SOON)?;
    let said = format!(
        "session {} is shown where session {} was",
        greeter.session(),
        desktop.session()
    );
    let said = Wanted::default().with("MESSAGE", &said);
    machine.journal().wait_for(&said, SOON)?;
    Ok(())
}

pub(crate) fn the_greeter_is_shown_where_a_session_on_a_seat_was_hung_up(
    machine: &Machine,
) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(&policy("hang-up"))?;
    let greeter = vts.log_in(Account::Robot, Class::Greeter, Vt::A)?;
    let desktop = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    vts.show(Vt::B)?;

    desktop.wait_closed(secs(15))?;
    wait_shown(&vts, Vt::A)?;
    wait_active(machine, &greeter)?;
    // logind keeps the session as long as one of its processes runs.
    let state = machine.logind_property(desktop.session(), "State")?;
    assert_eq!(state, "closing");

    // The end of the remaining processes does not switch the screen.
    vts.show(Vt::B)?;
    machine.run("pkill -u alice -f 'sleep 100001'")?;
    machine.wait_session_gone(desktop.session(), SOON)?;
    hold_shown(&vts, Vt::B)
}

pub(crate) fn a_screen_that_no_login_screen_comes_to_is_named_in_the_journal(
    machine: &Machine,
) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(&policy("terminate"))?;
    let desktop = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    vts.show(Vt::B)?;
    machine.wait_session_gone(desktop.session(), secs(20))?;
    // No display manager runs on this machine, so none can be asked.
    let said = format!(
        "no login screen came where session {} was; the display manager cannot be asked",
        desktop.session()
    );
    wait_until(secs(20), "the daemon saying so", || {
        let entries = machine.journal().all(&Wanted::of_daemon());
        let mut messages = entries.iter().map(session_timeout_tests::Entry::message);
        match messages.find(|message| message.starts_with(&said)) {
            Some(_) => Ok(()),
            None => Err("it does not"),
        }
    })
}

/// A desktop that was started from a console login, as sway is: the session changes its type from
/// tty to wayland, and getty prompts again after its end.
pub(crate) fn a_screen_with_a_prompt_is_left_to_it(machine: &Machine) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(&policy("terminate"))?;
    let getty = format!("getty@tty{}.service", Vt::B as u32);
    machine.write(
        &format!("/etc/systemd/system/{getty}.d/once.conf"),
        "[Service]
         ExecStart=
         ExecStart=-sh -c 'mkdir /run/once && exec agetty --autologin alice %I linux; \
             exec agetty %I linux'",
    )?;
    // A compositor sets the type with logind's SetType; here the PAM stack does.
    machine.write("/etc/wayland.env", "XDG_SESSION_TYPE=wayland\n")?;
    machine
        .run("sed -i '1i session required pam_env.so envfile=/etc/wayland.env' /etc/pam.d/login")?;
    vts.show(Vt::B)?;
    machine.run(&format!(
        "systemctl daemon-reload && systemctl start {getty}"
    ))?;
    let login = machine
        .journal()
        .wait_for(&Wanted::event("login"), secs(20))?;
    let session = login.field("SESSION_ID").unwrap_or_default();
    assert_eq!(machine.logind_property(session, "Type")?, "wayland");
    machine.wait_session_gone(session, secs(20))?;
    let prompt = format!("pgrep --exact agetty --terminal tty{}", Vt::B as u32);
    wait_until(SOON, "a prompt", || machine.run(&prompt))?;
    hold_for(secs(12), "no message about the screen", || {
        let entries = machine.journal().all(&Wanted::of_daemon());
        let about = |entry: &session_timeout_tests::Entry| entry.message().contains("login screen");
        match entries.iter().find(|entry| about(entry)) {
            Some(entry) => Err(Failure::new(entry.message())),
            None => Ok(()),
        }
    })?;
    vts.is_shown(Vt::B)
}

pub(crate) fn a_user_at_another_console_is_not_switched_away(machine: &Machine) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(&policy("terminate"))?;
    let _greeter = vts.log_in(Account::Robot, Class::Greeter, Vt::A)?;

    // The user looks at a terminal without a login, as at a prompt: no session is active.
    let desktop = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    vts.show(Vt::C)?;
    machine.wait_session_gone(desktop.session(), secs(20))?;
    hold_shown(&vts, Vt::C)?;

    let desktop = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    let other = vts.log_in(Account::Bob, Class::User, Vt::C)?;
    wait_active(machine, &other)?;
    machine.wait_session_gone(desktop.session(), secs(20))?;
    hold_shown(&vts, Vt::C)?;
    wait_active(machine, &other)
}

/// GDM 48 starts a greeter and switches to it when a session in the background ends.
pub(crate) fn a_user_whom_a_greeter_displaces_at_the_end_of_another_session_is_shown_again(
    machine: &Machine,
) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    let (ending, user) = in_the_background(machine, &vts)?;
    let left = |id: &str| -> Outcome<u64> {
        let left = machine.session_status(id)?["left_seconds"].as_u64();
        left.context("no end is near")
    };
    let before = left(user.session())?;
    let greeter = vts.log_in(Account::Robot, Class::Greeter, Vt::A)?;
    exit_and_show(machine, &ending, &greeter)?;
    let said = format!(
        "session {} is shown again: a greeter displaced it when session {} ended",
        user.session(),
        ending.session()
    );
    let said = Wanted::default().with("MESSAGE", &said);
    machine.journal().wait_for(&said, SOON)?;
    wait_shown(&vts, Vt::C)?;
    wait_active(machine, &user)?;
    machine.wait_session_gone(ending.session(), SOON)?;
    hold_shown(&vts, Vt::C)?;
    // That was not the user.
    let after = left(user.session())?;
    assert!(after < before, "{before} s and then {after} s");
    Ok(())
}

pub(crate) fn a_user_who_switches_to_a_greeter_at_the_end_of_another_session_stays_there(
    machine: &Machine,
) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    // The greeter waits there before the end begins.
    let greeter = vts.log_in(Account::Robot, Class::Greeter, Vt::A)?;
    let (ending, _user) = in_the_background(machine, &vts)?;
    exit_and_show(machine, &ending, &greeter)?;
    machine.wait_session_gone(ending.session(), SOON)?;
    hold_for(secs(4), "the screen staying", || vts.is_shown(Vt::A))?;
    wait_active(machine, &greeter)
}

/// A session whose end was requested while the screen shows that of another user, and that one. The
/// leader of the first is stopped.
fn in_the_background(machine: &Machine, vts: &Vts<'_>) -> Outcome<(Seated, Seated)> {
    machine.policy(
        r#"[default]
           session-timeout = "1h"
           inactivity-timeout = "30min"
           unknown-idle = "count-from-login"

           [[rule]]
           name = "short"
           match = { user = "alice" }
           session-timeout = "8s"
           session-warnings = ["3s"]
           grace = "30s""#,
    )?;
    let ending = vts.log_in(Account::Alice, Class::User, Vt::B)?;
    let id = ending.session();
    machine.run(&format!(
        "kill -STOP $(loginctl show-session --property=Leader --value {id})"
    ))?;
    let user = vts.log_in(Account::Bob, Class::User, Vt::C)?;
    vts.show(Vt::C)?;
    wait_active(machine, &user)?;
    let end = Wanted::event("end").session(id);
    machine.journal().wait_for(&end, secs(20))?;
    Ok((ending, user))
}

/// Has the leader of a session exit, and then shows the greeter at once, as a display manager.
fn exit_and_show(machine: &Machine, ending: &Seated, greeter: &Seated) -> Outcome {
    let (id, greeter) = (ending.session(), greeter.session());
    machine.run(&format!(
        "leader=$(loginctl show-session --property=Leader --value {id})
         kill -CONT $leader
         while test -e /proc/$leader; do sleep 0.05; done
         loginctl activate {greeter}"
    ))?;
    Ok(())
}

fn wait_shown(vts: &Vts<'_>, vt: Vt) -> Outcome {
    wait_until(SOON, "the screen to be switched", || vts.is_shown(vt))
}

/// The daemon checks the screen once, when the session is gone: well within this time.
fn hold_shown(vts: &Vts<'_>, vt: Vt) -> Outcome {
    hold_for(secs(3), "the screen staying", || vts.is_shown(vt))
}

fn wait_active(machine: &Machine, seated: &Seated) -> Outcome {
    wait_until(SOON, "a session to be the active one", || {
        match machine.logind_property(seated.session(), "Active")? {
            active if active == "yes" => Ok(()),
            other => Err(Failure::new(other)),
        }
    })
}
