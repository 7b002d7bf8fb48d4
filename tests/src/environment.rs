//! The desktop environments that a [`Screen`](crate::Screen) can show: how to start each, type into
//! it, and photograph it.

use std::fmt;

use crate::kind::Kind;
use crate::load::Load;

/// A desktop environment, or a compositor in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A wlroots compositor. It does not set logind's idle hint.
    Sway,
    /// Another wlroots compositor, which has no own protocol for starting programs.
    Labwc,
    /// An X server with a window manager. It does not set logind's idle hint.
    X11,
    /// A full GNOME session, with its settings daemons and user units. It sets logind's idle hint.
    Gnome,
}

/// The directory of the desktops' scripts in the machine.
pub(crate) const SCRIPTS: &str = "/usr/local/lib/screen";

/// The script that starts a wlroots compositor without a screen, a keyboard or a graphics card.
macro_rules! wlroots {
    ($program:literal) => {
        concat!(
            "export WLR_BACKENDS=headless WLR_LIBINPUT_NO_DEVICES=1 WLR_RENDERER=pixman; exec ",
            $program
        )
    };
}

/// A file of the machine: its path and its content.
pub(crate) type Script = (&'static str, &'static str);

const READY: Script = (
    "/usr/local/lib/screen/ready.sh",
    include_str!("../screen/ready.sh"),
);

const SWAY: &[Script] = &[
    READY,
    ("/etc/sway/config", include_str!("../screen/sway.conf")),
];

const LABWC: &[Script] = &[
    READY,
    (
        "/etc/xdg/labwc/autostart",
        include_str!("../screen/labwc-autostart"),
    ),
];

const X11: &[Script] = &[
    READY,
    (
        "/usr/local/lib/screen/xsession.sh",
        include_str!("../screen/xsession.sh"),
    ),
    (
        "/usr/local/lib/screen/autostart.sh",
        include_str!("../screen/autostart.sh"),
    ),
];

const GNOME: &[Script] = &[
    READY,
    (
        "/etc/systemd/user/org.gnome.Shell@wayland.service.d/headless.conf",
        include_str!("../screen/gnome-shell.conf"),
    ),
    (
        "/etc/xdg/autostart/ready.desktop",
        include_str!("../screen/ready.desktop"),
    ),
    (
        "/usr/local/lib/screen/keyboard.py",
        include_str!("../screen/keyboard.py"),
    ),
    (
        "/usr/local/lib/screen/pointer.py",
        include_str!("../screen/pointer.py"),
    ),
];

impl Environment {
    /// The kind of machine with this environment.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Sway | Self::Labwc | Self::X11 => Kind::Desktops,
            Self::Gnome => Kind::Gnome,
        }
    }

    /// The load that a case with this desktop puts on the host.
    #[must_use]
    pub const fn load(self) -> Load {
        match self {
            Self::Sway | Self::Labwc | Self::X11 => Load::Desktop,
            Self::Gnome => Load::Gnome,
        }
    }

    /// logind's type of the session.
    pub(crate) const fn session_type(self) -> &'static str {
        match self {
            Self::Sway | Self::Labwc | Self::Gnome => "wayland",
            Self::X11 => "x11",
        }
    }

    /// The files that the environment needs besides its packages.
    pub(crate) const fn files(self) -> &'static [Script] {
        match self {
            Self::Sway => SWAY,
            Self::Labwc => LABWC,
            Self::X11 => X11,
            Self::Gnome => GNOME,
        }
    }

    /// The script of its session after the login.
    pub(crate) const fn start(self) -> &'static str {
        match self {
            Self::Sway => wlroots!("sway"),
            Self::Labwc => wlroots!("labwc"),
            Self::X11 => "exec sh /usr/local/lib/screen/xsession.sh",
            Self::Gnome => {
                "export XDG_CURRENT_DESKTOP=GNOME XDG_SESSION_DESKTOP=gnome \
                 GNOME_SHELL_SESSION_MODE=user LIBGL_ALWAYS_SOFTWARE=1; \
                 exec gnome-session --session=gnome"
            }
        }
    }

    /// A script that succeeds when the desktop is complete on the screen.
    pub(crate) const fn settled(self) -> &'static str {
        match self {
            Self::Sway | Self::Labwc => "true",
            Self::X11 => "xdotool search --onlyvisible --class xterm",
            // GNOME first shows its overview, which disappears slowly.
            Self::Gnome => {
                r#"evaluate() {
                    busctl --user call org.gnome.Shell /org/gnome/Shell org.gnome.Shell Eval s "$1"
                }
                evaluate 'Main.overview.hide()'
                evaluate 'Main.layoutManager._startingUp || Main.overview.visible' | grep false"#
            }
        }
    }

    /// A script that takes a picture of the screen into `$picture`.
    pub(crate) const fn photograph(self) -> &'static str {
        match self {
            Self::Sway | Self::Labwc => r#"grim "$picture""#,
            Self::X11 => r#"scrot --overwrite "$picture""#,
            Self::Gnome => {
                r#"busctl --user call org.gnome.Shell /org/gnome/Shell/Screenshot \
                    org.gnome.Shell.Screenshot Screenshot bbs false false "$picture""#
            }
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sway => "sway",
            Self::Labwc => "labwc",
            Self::X11 => "x11",
            Self::Gnome => "gnome",
        })
    }
}
