//! Builds the root trees of the machines with `mmdebstrap`, one for each suite and kind.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Context, Failure, Outcome};
use crate::kind::Kind;
use crate::layer::{self, Layer, digest, workspace_dir};
use crate::suite::Suite;

/// Packages of every machine besides Debian's essential ones. Machines have no network, so the
/// dependencies of the tested package must be here.
const PACKAGES: &[&str] = &[
    "dbus",
    "dbus-user-session",
    "iproute2",
    "less",
    "libpam-runtime",
    "libpam-systemd",
    "login",
    "mosh",
    "openssh-client",
    "openssh-server",
    "pamtester",
    "passwd",
    "polkitd",
    "procps",
    "screen",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tmux",
    "util-linux",
    // A full-screen editor.
    "vim-tiny",
];

/// Compositors and an X server that need no screen, programs with a window, input and screenshot
/// tools, notification servers and screen lockers.
const DESKTOPS: &[&str] = &[
    "fonts-dejavu-core",
    "foot",
    "grim",
    "libnotify-bin",
    "mako-notifier",
    "mate-screensaver",
    "openbox",
    // openbox needs it to read /etc/xdg/autostart.
    "python3-xdg",
    "scrot",
    "sway",
    "wtype",
    "xdotool",
    "xfce4-notifyd",
    "xscreensaver",
    "xterm",
    "xvfb",
];

/// GNOME, and a D-Bus library for `screen/keyboard.py`, which sends input to its shell.
const GNOME: &[&str] = &[
    "fonts-dejavu-core",
    "gnome-session",
    "gnome-shell",
    "libnotify-bin",
    "python3-dbus",
];

/// Two login managers, the full Plasma desktop for X11 and Wayland, and an X server that needs no
/// graphics card.
const LOGIN_MANAGERS: &[&str] = &[
    "fonts-dejavu-core",
    "kwin-wayland",
    "kwin-x11",
    "lightdm",
    "lightdm-gtk-greeter",
    "plasma-desktop",
    "plasma-workspace",
    "scrot",
    "sddm",
    "xdotool",
    "xserver-xorg-core",
    "xserver-xorg-video-dummy",
    "xvfb",
];

/// Accounts and settings of every machine; the hash in the name of a tree covers this script.
const PREPARE: Hook = Hook {
    file: "prepare.sh",
    text: include_str!("../image/prepare.sh"),
};

/// Settings of the login managers.
const PREPARE_LOGIN_MANAGERS: Hook = Hook {
    file: "login-managers.sh",
    text: include_str!("../image/login-managers.sh"),
};

/// A script that runs on a tree after its packages were installed.
struct Hook {
    /// Its file name in `tests/image`.
    file: &'static str,
    text: &'static str,
}

/// The tree for machines of `suite` and `kind`; builds it if it does not exist.
///
/// # Errors
/// It cannot be built.
pub(crate) fn base(suite: Suite, kind: Kind) -> Outcome<Layer> {
    let current = Kind::ALL.map(|kind| name(suite, kind));
    layer::remove_unused(|other| {
        other.starts_with(suite.name()) && !current.iter().any(|name| other.starts_with(name))
    })?;
    Layer::get(&name(suite, kind), |tree| build(suite, kind, tree))
}

/// The name of a tree.
pub(crate) fn name(suite: Suite, kind: Kind) -> String {
    let texts: String = hooks(kind).iter().map(|hook| hook.text).collect();
    let recipe = format!("{}\n{texts}", packages(suite, kind).join(","));
    format!("{suite}-{kind}-{}", digest(recipe.as_bytes()))
}

fn packages(suite: Suite, kind: Kind) -> Vec<&'static str> {
    let more = match (kind, suite) {
        (Kind::Server, _) => &[][..],
        (Kind::Desktops, Suite::Bookworm) => DESKTOPS,
        // Not in Debian 12.
        (Kind::Desktops, Suite::Trixie) => &[DESKTOPS, &["labwc"]].concat(),
        (Kind::Gnome, _) => GNOME,
        (Kind::LoginManagers, _) => LOGIN_MANAGERS,
    };
    [PACKAGES, more].concat()
}

const fn hooks(kind: Kind) -> &'static [Hook] {
    match kind {
        Kind::Server | Kind::Desktops | Kind::Gnome => &[PREPARE],
        Kind::LoginManagers => &[PREPARE, PREPARE_LOGIN_MANAGERS],
    }
}

fn build(suite: Suite, kind: Kind, tree: &Path) -> Outcome {
    let takes = match kind {
        Kind::Server => "about half a minute",
        Kind::Desktops | Kind::Gnome | Kind::LoginManagers => "about two minutes",
    };
    eprintln!("{suite} {kind}: building a root tree (once; {takes})");
    let started = Instant::now();
    let scripts = hooks(kind).iter().map(|hook| {
        let script = workspace_dir().join("tests/image").join(hook.file);
        format!("--customize-hook={}", script.display())
    });
    let built = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase"])
        // A tree is built again from the start after a failure, so it needs no fsync.
        .arg("--dpkgopt=force-unsafe-io")
        .arg(format!("--include={}", packages(suite, kind).join(",")))
        .args(scripts)
        .arg(suite.name())
        .arg(tree)
        .output()
        .context("run mmdebstrap (make setup installs it)")?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(Failure::new(format!("mmdebstrap {suite}: {said}")));
    }
    eprintln!(
        "{suite} {kind}: the root tree is there after {} s",
        started.elapsed().as_secs()
    );
    Ok(())
}
