//! Known properties of desktops, by the name that logind has of them.

/// A desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Desktop {
    /// `XDG_SESSION_DESKTOP`; empty if it is not set.
    name: String,
}

/// How the agent is started there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The desktop starts graphical-session.target of the user's systemd.
    UserUnit,
    /// The desktop starts what is in /etc/xdg/autostart.
    Autostart,
    /// The user's configuration starts it.
    Configuration,
    Unknown,
}

/// Prefixes of their names, in lower case; sessions and distributions append to them.
const SETS_HINT: [&str; 5] = ["gnome", "ubuntu", "cinnamon", "x-cinnamon", "mate"];
/// Desktops whose sources do not call SetIdleHint (sway's swayidle does if it is configured to).
const SETS_NO_HINT: [&str; 9] = [
    "kde", "plasma", "xfce", "lxqt", "cosmic", "sway", "hyprland", "labwc", "niri",
];
/// Desktops that call SetLockedHint.
const CONFIRMS_LOCKS: [&str; 4] = ["gnome", "ubuntu", "kde", "plasma"];
/// Desktops whose units pull in graphical-session.target.
const HAS_USER_UNITS: [&str; 6] = ["gnome", "ubuntu", "kde", "plasma", "cosmic", "budgie"];
/// Desktops without that target (Cinnamon 6.4 of Debian 13 leaves it inactive).
const HAS_AUTOSTART: [&str; 6] = ["xfce", "mate", "lxqt", "lxde", "cinnamon", "x-cinnamon"];
const IS_BARE: [&str; 11] = [
    "sway", "hyprland", "labwc", "niri", "river", "wayfire", "i3", "openbox", "awesome", "bspwm",
    "fluxbox",
];

impl Desktop {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        let own = self.name.to_ascii_lowercase();
        // "plasmawayland", "gnome-classic", "ubuntu:GNOME"
        names.iter().any(|name| own.starts_with(name))
    }

    /// What it reports to logind about its idle time.
    pub(crate) fn hint(&self) -> String {
        match self.name() {
            Some(name) if self.is_one_of(&SETS_HINT) => {
                format!("what {name} tells logind comes late, or never")
            }
            Some(name) if self.is_one_of(&SETS_NO_HINT) => {
                format!("{name} tells logind nothing of it")
            }
            _ => "few desktops tell logind of it".to_owned(),
        }
    }

    /// Whether it is known to lock without telling logind.
    pub(crate) fn says_nothing_of_locks(&self) -> bool {
        let known = self.is_one_of(&SETS_HINT) || self.is_one_of(&SETS_NO_HINT);
        known && !self.is_one_of(&CONFIRMS_LOCKS)
    }

    /// The fix for a missing agent.
    pub(crate) fn start_agent(&self, user: &str) -> String {
        let unit = format!(
            "as {user}: systemctl --user start session-timeout-agent; \
             if that fails: systemctl --user status session-timeout-agent"
        );
        match self.start() {
            Start::UserUnit => unit,
            Start::Autostart => format!(
                "as {user}: log in again, or start session-timeout-agent in the session; \
                 /etc/xdg/autostart/session-timeout-agent.desktop starts it at a login"
            ),
            Start::Configuration => format!(
                "have the configuration of {} start it: {}",
                self.name,
                self.line_that_starts("session-timeout-agent")
            ),
            Start::Unknown => format!(
                "{unit}; on a bare compositor have its configuration start it, as sway's does with \
                 `exec session-timeout-agent`"
            ),
        }
    }

    /// The fix for an agent that hangs.
    pub(crate) fn restart_agent(&self, user: &str) -> String {
        match self.start() {
            Start::UserUnit => format!("as {user}: systemctl --user restart session-timeout-agent"),
            Start::Autostart | Start::Configuration | Start::Unknown => format!(
                "as {user}: end session-timeout-agent (if need be with SIGKILL) and start it again \
                 in the session"
            ),
        }
    }

    /// The fix for a missing notification server.
    pub(crate) fn start_server(&self, session_type: &str) -> String {
        let (package, program) = match session_type {
            "x11" => ("dunst", "dunst"),
            _ => ("mako-notifier", "mako"),
        };
        match self.start() {
            Start::UserUnit | Start::Autostart => format!(
                "see why the notification server of {} does not run; a new login starts it",
                self.name
            ),
            Start::Configuration => format!(
                "apt install {package}, and have the configuration of {} start it: {}",
                self.name,
                self.line_that_starts(program)
            ),
            Start::Unknown => {
                format!("start a notification server in the session, such as that of {package}")
            }
        }
    }

    /// The line in the syntax of the desktop; most run a shell script.
    fn line_that_starts(&self, program: &str) -> String {
        if self.is_one_of(&["sway", "i3"]) {
            format!("exec {program}")
        } else if self.is_one_of(&["hyprland"]) {
            format!("exec-once = {program}")
        } else if self.is_one_of(&["niri"]) {
            format!("spawn-at-startup \"{program}\"")
        } else {
            format!("{program} &")
        }
    }

    fn start(&self) -> Start {
        if self.is_one_of(&IS_BARE) {
            Start::Configuration
        } else if self.is_one_of(&HAS_USER_UNITS) {
            Start::UserUnit
        } else if self.is_one_of(&HAS_AUTOSTART) {
            Start::Autostart
        } else {
            Start::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desktops_are_known_by_how_their_names_begin() {
        for (name, start, silent) in [
            ("gnome-classic", Start::UserUnit, false),
            ("plasmawayland", Start::UserUnit, false),
            ("KDE", Start::UserUnit, false),
            ("cinnamon", Start::Autostart, true),
            ("X-Cinnamon", Start::Autostart, true),
            ("xfce", Start::Autostart, true),
            ("Hyprland", Start::Configuration, true),
            ("sway", Start::Configuration, true),
            ("dreamdesk", Start::Unknown, false),
            ("", Start::Unknown, false),
        ] {
            let desktop = Desktop::named(name);
            assert_eq!(desktop.start(), start, "{name}");
            assert_eq!(desktop.says_nothing_of_locks(), silent, "{name}");
        }
    }

    #[test]
    fn a_bare_compositor_starts_it_in_its_own_words() {
        for (name, line) in [
            (
                "sway",
                "the configuration of sway start it: exec session-timeout-agent",
            ),
            ("Hyprland", "start it: exec-once = session-timeout-agent"),
            ("labwc:wlroots", "start it: session-timeout-agent &"),
        ] {
            let fix = Desktop::named(name).start_agent("alice");
            assert!(fix.ends_with(line), "{fix}");
        }
        assert!(
            Desktop::named("KDE")
                .start_agent("alice")
                .starts_with("as alice: systemctl")
        );
    }

    #[test]
    fn where_no_target_is_reached_no_user_unit_is_started_by_hand() {
        let fix = Desktop::named("cinnamon").start_agent("alice");
        assert!(!fix.contains("systemctl"), "{fix}");
        assert!(fix.contains("/etc/xdg/autostart/session-timeout-agent.desktop"));
    }

    #[test]
    fn a_notification_server_is_the_desktops_own_or_one_that_suits_it() {
        for (name, session_type, said) in [
            ("gnome", "wayland", "server of gnome does not run"),
            ("XFCE", "x11", "server of XFCE does not run"),
            ("Hyprland", "wayland", "start it: exec-once = mako"),
            (
                "i3",
                "x11",
                "apt install dunst, and have the configuration of i3",
            ),
            ("", "wayland", "such as that of mako-notifier"),
        ] {
            let fix = Desktop::named(name).start_server(session_type);
            assert!(fix.contains(said), "{fix}");
        }
    }

    #[test]
    fn an_agent_that_hangs_is_restarted_by_what_started_it() {
        let unit = Desktop::named("gnome").restart_agent("alice");
        assert!(
            unit.ends_with("systemctl --user restart session-timeout-agent"),
            "{unit}"
        );
        assert!(
            Desktop::named("sway")
                .restart_agent("alice")
                .contains("SIGKILL")
        );
    }

    #[test]
    fn what_logind_hears_depends_on_the_desktop() {
        assert!(Desktop::named("gnome").hint().contains("late"));
        assert_eq!(
            Desktop::named("XFCE").hint(),
            "XFCE tells logind nothing of it"
        );
        assert!(Desktop::default().hint().starts_with("few desktops"));
    }
}
