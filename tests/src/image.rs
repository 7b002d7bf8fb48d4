//! The root tree of a suite, as `mmdebstrap` makes it from Debian's packages.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Context, Failure, Outcome};
use crate::layer::{self, Layer, digest, workspace_dir};
use crate::suite::Suite;

/// What a machine has besides Debian's essential packages. Machines have no network, so whatever
/// our package depends on must be here.
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
];

/// Accounts and settings; its text is part of what a tree is named by.
const PREPARE: &str = include_str!("../image/prepare.sh");

/// The tree that machines of `suite` stand on, built where it is not there yet.
///
/// # Errors
/// Where it cannot be built.
pub(crate) fn base(suite: Suite) -> Outcome<Layer> {
    let name = name(suite);
    layer::remove_unused(|other| other.starts_with(suite.name()) && !other.starts_with(&name))?;
    Layer::get(&name, |tree| build(suite, tree))
}

/// The name of a suite's tree.
pub(crate) fn name(suite: Suite) -> String {
    let recipe = format!("{}\n{PREPARE}", PACKAGES.join(","));
    format!("{suite}-{}", digest(recipe.as_bytes()))
}

fn build(suite: Suite, tree: &Path) -> Outcome {
    eprintln!("{suite}: building a root tree (once; about half a minute)");
    let started = Instant::now();
    let built = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(format!(
            "--customize-hook={}",
            workspace_dir().join("tests/image/prepare.sh").display()
        ))
        .arg(suite.name())
        .arg(tree)
        .output()
        .context("run mmdebstrap (make setup installs it)")?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(Failure::new(format!("mmdebstrap {suite}: {said}")));
    }
    eprintln!(
        "{suite}: the root tree is there after {} s",
        started.elapsed().as_secs()
    );
    Ok(())
}
