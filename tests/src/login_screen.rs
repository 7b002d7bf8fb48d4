//! Login managers: their login screens, and the Plasma desktops that people log in to there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::environment::Script;
use crate::failure::{Context, Failure, Outcome};
use crate::login::Account;
use crate::machine::Machine;
use crate::picture::{Picture, on_screen, photograph};
use crate::vts::Vts;
use crate::wait::wait_until;

/// For a login screen or a desktop to come up: Plasma takes six seconds on a host that has nothing
/// else to do.
const UP: Duration = Duration::from_secs(90);

/// Two pictures of a login screen are the same from here on, in percent: a cursor blinks in it, and
/// a clock goes on.
const SAME: usize = 98;

/// And two of a desktop: a notification may be over it.
const SIMILAR: usize = 75;

/// Plasma's shell runs, and what hides it while it begins does not.
const SHELL_WITHOUT_SPLASH: &str =
    "pgrep --uid alice --exact plasmashell && ! pgrep --uid alice --exact ksplashqml";

/// A login manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginManager {
    /// KDE's. It ends and restarts its X server with each login.
    Sddm,
    /// That of Xfce and others.
    LightDm,
}

/// What its login screen starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plasma {
    /// On the X server that the login screen was on.
    X11,
    /// With a compositor whose screen is a window of another X server.
    Wayland,
}

/// A login screen where alice is offered first, as after a login of hers.
#[derive(Debug)]
pub struct LoginScreen<'a> {
    manager: LoginManager,
    at_first: Picture,
    desktop: Option<Picture>,
    vts: Vts<'a>,
}

impl LoginManager {
    const fn unit(self) -> &'static str {
        match self {
            Self::Sddm => "sddm.service",
            Self::LightDm => "lightdm.service",
        }
    }

    /// Has it offer the desktop to alice. `/dev/dri` is what SDDM looks for before it offers
    /// Wayland. The terminals from 44 on are for nobody else.
    const fn prepare(self, plasma: Plasma) -> &'static str {
        match (self, plasma) {
            (Self::Sddm, Plasma::X11) => {
                r"printf '[Last]\nUser=alice\nSession=/usr/share/xsessions/plasmax11.desktop\n' \
                    >/var/lib/sddm/state.conf
                  chown sddm: /var/lib/sddm/state.conf"
            }
            (Self::Sddm, Plasma::Wayland) => {
                r"printf '[Last]\nUser=alice\nSession=/usr/share/wayland-sessions/plasma.desktop\n' \
                    >/var/lib/sddm/state.conf
                  chown sddm: /var/lib/sddm/state.conf
                  mkdir -p /dev/dri
                  systemd-run --quiet Xvfb :90 -ac -screen 0 1280x720x24 -nolisten tcp"
            }
            (Self::LightDm, _) => {
                r"mkdir -p /etc/lightdm/lightdm.conf.d
                  printf '[LightDM]\nminimum-vt=44\n[Seat:*]\nuser-session=plasmax11\n' \
                    >/etc/lightdm/lightdm.conf.d/tests.conf
                  printf '[Seat:*]\ngreeter-hide-users=false\n' \
                    >>/etc/lightdm/lightdm.conf.d/tests.conf"
            }
        }
    }
}

const KWIN: Script = (
    "/etc/systemd/user/plasma-kwin_wayland.service.d/nested.conf",
    include_str!("../screen/kwin.conf"),
);

impl<'a> LoginScreen<'a> {
    /// Starts the login manager, and waits for its login screen; `None`, and a line on the standard
    /// error, where the host has no virtual terminals.
    ///
    /// # Errors
    /// Where there is none after a while; where the machine is of another kind.
    pub fn start(
        machine: &'a Machine,
        manager: LoginManager,
        plasma: Plasma,
    ) -> Outcome<Option<Self>> {
        let Some(vts) = Vts::lend(machine)? else {
            return Ok(None);
        };
        let (path, content) = KWIN;
        machine.write(path, content)?;
        machine.run(manager.prepare(plasma))?;
        machine.run(&format!("systemctl start {}", manager.unit()))?;
        let mut last: Option<Picture> = None;
        let at_first = wait_until(UP, "a login screen", || {
            greeter_is_shown(&vts)?;
            let now = Picture::take(machine)?;
            let settled = last.replace(now.clone());
            let settled = settled.is_some_and(|last| now.likeness(&last) >= SAME);
            if settled && !now.is_blank() {
                Ok(now)
            } else {
                Err(Failure::new("it is being drawn"))
            }
        })?;
        Ok(Some(Self {
            manager,
            at_first,
            desktop: None,
            vts,
        }))
    }

    /// Waits until the login screen is what can be seen, with nobody's desktop over it: its session
    /// is the active one, its terminal is shown, and it looks as it did at first.
    ///
    /// # Errors
    /// Where it cannot be seen within `bound`.
    pub fn wait_shown(&self, bound: Duration) -> Outcome<Instant> {
        wait_until(bound, "the login screen", || {
            greeter_is_shown(&self.vts)?;
            let likeness = Picture::take(self.machine())?.likeness(&self.at_first);
            if likeness >= SAME {
                Ok(Instant::now())
            } else {
                let seen = format!("a screen that is {likeness} % the login screen");
                Err(Failure::new(seen))
            }
        })
    }

    /// Alice types her password, and waits until her desktop is there: Plasma's shell and our agent
    /// run, and the screen looks as it did when she logged in before. The name of the session.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn log_in(&mut self) -> Outcome<String> {
        let machine = self.machine();
        let password = Account::Alice.name();
        on_screen(
            machine,
            &format!("xdotool type {password} && xdotool key Return"),
        )?;
        let session = wait_until(UP, "a login on the seat", || {
            let session =
                machine.run(&sessions("Name=alice Class=user Seat=seat0 State=active"))?;
            let session = session.trim().to_owned();
            if session.is_empty() {
                Err(Failure::new("no session"))
            } else {
                Ok(session)
            }
        })?;
        let mut last: Option<Picture> = None;
        let desktop = wait_until(UP, "alice's desktop", || {
            machine.run(SHELL_WITHOUT_SPLASH)?;
            let status = machine.session_status(&session)?;
            if !status["idle_source"].to_string().contains("agent") {
                return Err(Failure::new(status.to_string()));
            }
            let now = Picture::take(machine)?;
            let settled = last.replace(now.clone());
            let settled = settled.is_some_and(|last| now.likeness(&last) >= SAME);
            let before = self.desktop.as_ref();
            let whole = before.is_none_or(|before| now.likeness(before) >= SIMILAR);
            if settled && whole && !now.is_blank() && now.likeness(&self.at_first) < SIMILAR {
                Ok(now)
            } else {
                Err(Failure::new("a screen that is none, or is being drawn"))
            }
        })?;
        self.desktop = Some(desktop);
        Ok(session)
    }

    /// Takes a picture of the screen; the file is `NAME.png` under `target/machines/screens`.
    ///
    /// # Errors
    /// Where it cannot be taken.
    pub fn photograph(&self, name: &str) -> Outcome<PathBuf> {
        photograph(self.machine(), name)
    }

    const fn machine(&self) -> &'a Machine {
        self.vts.machine()
    }
}

impl Drop for LoginScreen<'_> {
    /// Its X server gives its terminal back as it was.
    fn drop(&mut self) {
        let stop = format!("systemctl stop {}", self.manager.unit());
        if let Err(failure) = self.machine().run(&stop) {
            eprintln!("{failure}");
        }
    }
}

/// That a login screen is the active session of the seat and has the terminal that is shown.
fn greeter_is_shown(vts: &Vts<'_>) -> Outcome {
    let wanted = "Class=greeter Seat=seat0 Active=yes";
    let found = vts.machine().run(&format!(
        "for session in $({}); do loginctl show-session $session --property=VTNr --value; done",
        sessions(wanted)
    ))?;
    let vt = found.trim().parse();
    vts.is_number_shown(vt.context(format!("a login screen's terminal {found:?}"))?)
}

/// A script that writes the names of the sessions with all these properties of logind's.
fn sessions(properties: &str) -> String {
    format!(
        r#"for id in $(loginctl list-sessions --no-legend | awk '{{ print $1 }}'); do
            all=$(loginctl show-session "$id") || continue
            for one in {properties}; do
                echo "$all" | grep --quiet --line-regexp "$one" || continue 2
            done
            echo "$id"
        done"#
    )
}
