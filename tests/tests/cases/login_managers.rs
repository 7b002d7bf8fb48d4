//! Desktops that were started from the login screen of a real login manager: after the end no
//! process of the desktop is left, and the login screen is visible and takes input.
//!
//! Most of Plasma runs as services of the user's manager, which keeps running if the user has
//! another login or lingers. Here alice has another login and lingers.

use std::time::Duration;

use session_timeout_tests::{
    Account, Class, Failure, LoginManager, LoginScreen, Machine, Outcome, Plasma, Ssh, Terminal,
    Vt, Wanted, hold_for,
};

use super::secs;

/// Timeout for the end of a desktop: the shortest warning, the grace, and the delay of a busy host.
const ENDED: Duration = Duration::from_secs(90);

/// Timeout for the login manager to start its X server and its login screen, which takes two
/// seconds on an idle host.
const SHOWN: Duration = Duration::from_secs(30);

/// Starts a program as a part of the desktop that ignores SIGTERM.
const IGNORES_SIGTERM: &str = "systemd-run --user --quiet \
     --property=PartOf=graphical-session.target \
     sh -c 'trap : TERM; while true; do sleep 1; done'";

fn policy(session_timeout: &str) -> String {
    format!(
        r#"[default]
           session-timeout = "1h"

           [[rule]]
           name = "desktops"
           match = {{ service = ["sddm", "lightdm"] }}
           session-timeout = "{session_timeout}"
           session-warnings = ["3s"]
           grace = "10s""#
    )
}

pub(crate) fn plasma_on_x11_ends_whole_and_sddm_asks_for_a_login(machine: &Machine) -> Outcome {
    the_desktop_ends_whole(machine, LoginManager::Sddm, Plasma::X11)
}

pub(crate) fn plasma_on_wayland_ends_whole_and_sddm_asks_for_a_login(machine: &Machine) -> Outcome {
    the_desktop_ends_whole(machine, LoginManager::Sddm, Plasma::Wayland)
}

pub(crate) fn plasma_on_x11_ends_whole_and_lightdm_asks_for_a_login(machine: &Machine) -> Outcome {
    the_desktop_ends_whole(machine, LoginManager::LightDm, Plasma::X11)
}

/// The program that sddm started is stopped, and another program of the desktop ignores SIGTERM.
pub(crate) fn a_hung_plasma_is_ended_and_sddm_asks_for_a_login(machine: &Machine) -> Outcome {
    machine.policy(&policy("1h"))?;
    let elsewhere = Elsewhere::begin(machine)?;
    let Some(mut screen) = LoginScreen::start(machine, LoginManager::Sddm, Plasma::X11)? else {
        return Ok(());
    };
    let session = screen.log_in()?;
    machine.run("pkill -STOP --uid alice --exact startplasma-x11")?;
    elsewhere.as_alice(IGNORES_SIGTERM)?;
    end_now(machine, &session)?;
    let gone = elsewhere.ends_whole(&screen);
    screen.photograph("sddm-x11-hung")?;
    gone?;
    elsewhere.check()
}

/// Alice's manager is stopped for some time, as on an overloaded machine.
pub(crate) fn plasma_is_reported_as_ended_only_when_its_manager_replies_again(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy("1h"))?;
    let elsewhere = Elsewhere::begin(machine)?;
    let Some(mut screen) = LoginScreen::start(machine, LoginManager::Sddm, Plasma::X11)? else {
        return Ok(());
    };
    let session = screen.log_in()?;
    elsewhere.as_alice(IGNORES_SIGTERM)?;
    machine.run("pkill -STOP --uid alice --exact systemd")?;
    limit_to(machine, "5s")?;
    let lives_on = Wanted::event("end-failed").session(&session);
    machine.journal().wait_for(&lives_on, ENDED)?;
    screen.wait_shown(SHOWN)?;
    machine.run("pkill -CONT --uid alice --exact systemd")?;
    let gone = Wanted::event("gone").session(&session);
    machine.journal().wait_for(&gone, ENDED)?;
    elsewhere.ends_whole(&screen)?;
    elsewhere.check()
}

fn the_desktop_ends_whole(machine: &Machine, manager: LoginManager, plasma: Plasma) -> Outcome {
    machine.policy(&policy("1h"))?;
    let elsewhere = Elsewhere::begin(machine)?;
    let Some(mut screen) = LoginScreen::start(machine, manager, plasma)? else {
        return Ok(());
    };
    let name = format!("{manager:?}-{plasma:?}").to_lowercase();
    let outcome = ends_whole(machine, &mut screen, &elsewhere, &name);
    // The last screen: the login screen, or what is shown instead of it if the case fails.
    screen.photograph(&format!("{name}-at-last"))?;
    outcome
}

fn ends_whole(
    machine: &Machine,
    screen: &mut LoginScreen<'_>,
    elsewhere: &Elsewhere<'_>,
    name: &str,
) -> Outcome {
    let session = screen.log_in()?;
    screen.photograph(&format!("{name}-before"))?;
    end_now(machine, &session)?;
    elsewhere.ends_whole(screen)?;
    screen.photograph(&format!("{name}-after"))?;
    hold_for(secs(2), "the other processes of alice to run", || {
        elsewhere.check()
    })?;

    limit_to(machine, "1h")?;
    let again = screen.log_in()?;
    screen.photograph(&format!("{name}-again"))?;
    end_now(machine, &again)?;
    screen.wait_shown(SHOWN)?;
    elsewhere.check()
}

pub(crate) fn lightdm_is_asked_for_a_login_screen_where_a_desktop_of_another_service_was(
    machine: &Machine,
) -> Outcome {
    the_login_manager_is_asked(machine, LoginManager::LightDm)
}

pub(crate) fn sddm_is_asked_for_a_login_screen_where_a_desktop_of_another_service_was(
    machine: &Machine,
) -> Outcome {
    the_login_manager_is_asked(machine, LoginManager::Sddm)
}

/// Bob's desktop is on the seat and was not started by the login manager, like that of a kiosk. No
/// login screen is running, since alice is logged in there.
fn the_login_manager_is_asked(machine: &Machine, manager: LoginManager) -> Outcome {
    machine.policy(&policy("1h"))?;
    let Some(mut screen) = LoginScreen::start(machine, manager, Plasma::X11)? else {
        return Ok(());
    };
    let name = format!("{manager:?}-asked").to_lowercase();
    let alices = screen.log_in()?;
    let bobs = screen.vts().log_in(Account::Bob, Class::User, Vt::B)?;
    screen.vts().show(Vt::B)?;
    machine.write_policy(
        r#"[[rule]]
           name = "kiosk"
           match = { user = "bob" }
           session-timeout = "5s"
           session-warnings = ["3s"]
           grace = "3s""#,
    )?;
    machine.reload()?;
    machine.wait_session_gone(bobs.session(), ENDED)?;
    let shown = screen.wait_shown(SHOWN);
    screen.photograph(&name)?;
    shown?;
    let said = format!(
        "no login screen came where session {} was; the display manager is asked for one",
        bobs.session()
    );
    let said = Wanted::default().with("MESSAGE", &said);
    machine.journal().wait_for(&said, secs(5))?;

    assert_eq!(screen.log_in()?, alices, "alice returns to her desktop");
    screen.photograph(&format!("{name}-returned"))?;
    Ok(())
}

/// Applies this limit to desktops from now on.
fn limit_to(machine: &Machine, session_timeout: &str) -> Outcome {
    machine.write_policy(&policy(session_timeout))?;
    machine.reload()
}

/// Waits until the limit of a session has passed and the journal reports the end.
fn end_now(machine: &Machine, session: &str) -> Outcome {
    limit_to(machine, "5s")?;
    let gone = Wanted::event("gone").session(session);
    machine.journal().wait_for(&gone, ENDED).map(drop)
}

/// The other activity of alice besides her desktop: an SSH login, and a lingering service.
struct Elsewhere<'a> {
    machine: &'a Machine,
    ssh: Ssh,
}

impl<'a> Elsewhere<'a> {
    fn begin(machine: &'a Machine) -> Outcome<Self> {
        // In a system unit, since logind looks up the session of the caller's control group.
        machine.run("systemd-run --quiet --wait loginctl enable-linger alice")?;
        let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
        let elsewhere = Self { machine, ssh };
        elsewhere.as_alice("systemd-run --user --quiet --unit=lingers sleep 100000")?;
        elsewhere.check()?;
        Ok(elsewhere)
    }

    /// Runs a command as alice, with access to her manager.
    fn as_alice(&self, command: &str) -> Outcome {
        let enter = "runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000";
        self.machine.run(&format!("{enter} {command}")).map(drop)
    }

    /// Checks that no process of the desktop is left when the journal reports the end, and that the
    /// login screen appears soon.
    fn ends_whole(&self, screen: &LoginScreen<'_>) -> Outcome {
        let left = self.others()?;
        let shown = screen.wait_shown(SHOWN);
        if left.is_empty() {
            return shown.map(drop);
        }
        let shown = shown.map_or_else(|failure| failure.to_string(), |_| "the login screen".into());
        let what = format!("left of the desktop:\n{left}beside {shown}");
        Err(Failure::new(what))
    }

    /// Checks that the SSH login and the lingering service still exist.
    fn check(&self) -> Outcome {
        if !self.ssh.terminal().is_open() {
            return Err(Failure::new(self.ssh.terminal().text()));
        }
        let lingers = "systemctl --user --machine=alice@ is-active lingers";
        self.machine.run(lingers).map(drop)
    }

    /// All processes of alice except for those of her SSH login, her lingering service, and her
    /// manager with its bus and its ssh-agent.
    fn others(&self) -> Outcome<String> {
        self.machine.run(&format!(
            r#"for pid in $(pgrep --uid alice); do
                group=$(sed -n 's/^0:://p' /proc/$pid/cgroup)
                line=$(tr '\0' ' ' </proc/$pid/cmdline)
                # A process that has exited has no line.
                test "$line" || continue
                case ${{group##*/}} in
                session-{}.scope | init.scope | dbus.service | ssh-agent.service | lingers.service) ;;
                # The daemon's own, as alice.
                session-timeout-desktop-*) ;;
                *) echo "${{group##*/}}: $line" ;;
                esac
            done 2>/dev/null"#,
            self.ssh.session()
        ))
    }
}
