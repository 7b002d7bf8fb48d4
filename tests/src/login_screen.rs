//! Drives real login managers: their login screens, and the Plasma desktops that users log in to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::environment::Script;
use crate::failure::{Context, Failure, Outcome};
use crate::login::Account;
use crate::machine::Machine;
use crate::picture::{Picture, on_screen, photograph};
use crate::vts::Vts;
use crate::wait::wait_until;

/// Timeout for a login screen or a desktop to start: Plasma takes six seconds on an idle host.
const UP: Duration = Duration::from_secs(90);

/// Percentage of equal pixels from which two pictures of a login screen count as the same: its
/// cursor blinks, and its clock advances.
const SAME: usize = 98;

/// The same for a desktop, which a notification may cover in part.
const SIMILAR: usize = 75;

/// Whether Plasma's shell runs, and its splash screen has exited.
const SHELL_WITHOUT_SPLASH: &str =
    "pgrep --uid alice --exact plasmashell && ! pgrep --uid alice --exact ksplashqml";

/// A login manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginManager {
    /// SDDM, KDE's. It restarts its X server for each login.
    Sddm,
    /// LightDM, of Xfce and others.
    LightDm,
}

/// The session that its login screen starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plasma {
    /// X11, on the X server of the login screen.
    X11,
    /// Wayland, with a compositor whose screen is a window of another X server.
    Wayland,
}

/// A login screen where alice is selected, as after her last login.
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

    /// Makes the login manager offer the desktop to alice. SDDM offers Wayland only if `/dev/dri`
    /// exists. The terminals from 44 on are reserved for this.
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
    /// Starts the login manager, and waits for its login screen; `None`, and a line on standard
    /// error, if the host has no virtual terminals.
    ///
    /// # Errors
    /// The login screen does not appear in time, or the machine is of another kind.
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

    /// Waits until the login screen is visible, without a desktop over it: its session is the
    /// active one, its terminal is shown, and the picture is the same as at first.
    ///
    /// # Errors
    /// It is not visible within `bound`.
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

    /// Types alice's password, and waits for her desktop: Plasma's shell and the agent run, and the
    /// picture is the same as at her last login. Returns the session id.
    ///
    /// # Errors
    /// The desktop does not start.
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
                Err(Failure::new("a screen that is blank or incomplete"))
            }
        })?;
        self.desktop = Some(desktop);
        Ok(session)
    }

    /// Takes a picture of the screen, as `NAME.png` in `target/machines/screens`.
    ///
    /// # Errors
    /// The picture cannot be taken.
    pub fn photograph(&self, name: &str) -> Outcome<PathBuf> {
        photograph(self.machine(), name)
    }

    /// The terminals that it is on.
    #[must_use]
    pub const fn vts(&self) -> &Vts<'a> {
        &self.vts
    }

    const fn machine(&self) -> &'a Machine {
        self.vts.machine()
    }
}

impl Drop for LoginScreen<'_> {
    /// The X server restores its terminal.
    fn drop(&mut self) {
        let stop = format!("systemctl stop {}", self.manager.unit());
        if let Err(failure) = self.machine().run(&stop) {
            eprintln!("{failure}");
        }
    }
}

/// Whether a login screen is the active session of the seat and its terminal is shown.
fn greeter_is_shown(vts: &Vts<'_>) -> Outcome {
    let wanted = "Class=greeter Seat=seat0 Active=yes";
    let found = vts.machine().run(&format!(
        "for session in $({}); do loginctl show-session $session --property=VTNr --value; done",
        sessions(wanted)
    ))?;
    let vt = found.trim().parse();
    vts.is_number_shown(vt.context(format!("a login screen's terminal {found:?}"))?)
}

/// A script that prints the ids of the sessions with all these logind properties.
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
