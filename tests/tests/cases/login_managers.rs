//! Desktops that somebody logged in to at the login screen of a real login manager: when one was
//! ended, nothing of it is left, and the login screen is what there is to see and to type into.
//!
//! Most of Plasma is services of the user's manager. That goes on for as long as the user has
//! another login or lingers, and here alice has and does both.

use std::time::Duration;

use session_timeout_tests::{
    Account, Failure, LoginManager, LoginScreen, Machine, Outcome, Plasma, Ssh, Terminal, Wanted,
    hold_for,
};

use super::secs;

/// For a desktop to end: the shortest warning, the grace, and what a busy host takes.
const ENDED: Duration = Duration::from_secs(60);

/// For the login manager to start its X server and its login screen: two seconds on a host that has
/// nothing else to do.
const SHOWN: Duration = Duration::from_secs(30);

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

/// What sddm started hangs, and a program of the desktop's does not end when it is asked to.
pub(crate) fn plasma_that_hangs_is_ended_all_the_same_and_sddm_asks_for_a_login(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy("1h"))?;
    let elsewhere = Elsewhere::begin(machine)?;
    let Some(mut screen) = LoginScreen::start(machine, LoginManager::Sddm, Plasma::X11)? else {
        return Ok(());
    };
    let session = screen.log_in()?;
    machine.run("pkill -STOP --uid alice --exact startplasma-x11")?;
    elsewhere.as_alice(
        "systemd-run --user --quiet --property=PartOf=graphical-session.target \
         sh -c 'trap : TERM; while true; do sleep 1; done'",
    )?;
    end_now(machine, &session)?;
    let gone = elsewhere.ends_whole(&screen);
    screen.photograph("sddm-x11-hung")?;
    gone?;
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
    // The login screen is there again, or this is what was there instead.
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
    hold_for(secs(2), "what alice has elsewhere going on", || {
        elsewhere.check()
    })?;

    machine.write_policy(&policy("1h"))?;
    machine.reload()?;
    let again = screen.log_in()?;
    screen.photograph(&format!("{name}-again"))?;
    end_now(machine, &again)?;
    screen.wait_shown(SHOWN)?;
    elsewhere.check()
}

/// Has the limit of a session pass, and waits until the daemon says that it was ended.
fn end_now(machine: &Machine, session: &str) -> Outcome {
    machine.write_policy(&policy("5s"))?;
    machine.reload()?;
    let gone = Wanted::event("gone").session(session);
    machine.journal().wait_for(&gone, ENDED).map(drop)
}

/// What alice has besides her desktop: a connection, and a service that lingers.
struct Elsewhere<'a> {
    machine: &'a Machine,
    ssh: Ssh,
}

impl<'a> Elsewhere<'a> {
    fn begin(machine: &'a Machine) -> Outcome<Self> {
        // From a unit of the machine's: logind wants to know whose control group the caller is in.
        machine.run("systemd-run --quiet --wait loginctl enable-linger alice")?;
        let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
        let elsewhere = Self { machine, ssh };
        elsewhere.as_alice("systemd-run --user --quiet --unit=lingers sleep 100000")?;
        elsewhere.check()?;
        Ok(elsewhere)
    }

    /// Has alice run something that talks to her manager.
    fn as_alice(&self, command: &str) -> Outcome {
        let enter = "runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000";
        self.machine.run(&format!("{enter} {command}")).map(drop)
    }

    /// That nothing else of alice's is there at this moment, since the journal says that it was
    /// ended, and that the login screen is soon.
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

    /// That all of it is there.
    fn check(&self) -> Outcome {
        if !self.ssh.terminal().is_open() {
            return Err(Failure::new(self.ssh.terminal().text()));
        }
        let lingers = "systemctl --user --machine=alice@ is-active lingers";
        self.machine.run(lingers).map(drop)
    }

    /// What else alice runs: units and command lines. Her manager's own processes, its bus and its
    /// ssh-agent are no part of a desktop.
    fn others(&self) -> Outcome<String> {
        self.machine.run(&format!(
            r#"for pid in $(pgrep --uid alice); do
                group=$(sed -n 's/^0:://p' /proc/$pid/cgroup)
                line=$(tr '\0' ' ' </proc/$pid/cmdline)
                # Of who has ended there is no line.
                test "$line" || continue
                case ${{group##*/}} in
                session-{}.scope | init.scope | dbus.service | ssh-agent.service | lingers.service) ;;
                *) echo "${{group##*/}}: $line" ;;
                esac
            done 2>/dev/null"#,
            self.ssh.session()
        ))
    }
}
