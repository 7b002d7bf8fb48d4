//! The tested Debian package, and layers with it installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Outcome};
use crate::image;
use crate::kind::Kind;
use crate::layer::{self, Layer, digest, workspace_dir};
use crate::machine::Machine;
use crate::suite::Suite;

/// The content of the built package.
#[derive(Clone, Debug)]
pub struct Package {
    content: Vec<u8>,
}

impl Package {
    /// The package in `target/deb`, from `make deb`.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn built() -> Outcome<Self> {
        let dir = workspace_dir().join("target/deb");
        let packages = packages_in(&dir);
        match packages.as_slice() {
            [package] => Ok(Self {
                content: fs::read(package).context(format!("read {}", package.display()))?,
            }),
            [] => Err(Failure::new("no package in target/deb: make deb builds it")),
            _ => Err(Failure::new("more than one package in target/deb")),
        }
    }

    /// Copies the package into a machine; returns its path there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn copy_to(&self, machine: &Machine) -> Outcome<&'static str> {
        const PATH: &str = "/var/tmp/session-timeout.deb";
        machine.write(PATH, &self.content)?;
        Ok(PATH)
    }

    /// Installs the package in a running machine; returns the output of `dpkg`.
    ///
    /// # Errors
    /// `dpkg` fails.
    pub fn install_on(&self, machine: &Machine) -> Outcome<String> {
        let path = self.copy_to(machine)?;
        machine.run(&format!(
            "DEBIAN_FRONTEND=noninteractive dpkg -i {path} 2>&1; status=$?; rm {path}; exit $status"
        ))
    }
}

/// The layer of changes that the installation of `package` makes to a tree.
pub(crate) fn installed(suite: Suite, kind: Kind, package: &Package) -> Outcome<Layer> {
    let base = image::name(suite, kind);
    let name = format!("{base}-{}", digest(&package.content));
    let layer = Layer::get(&name, |tree| {
        eprintln!("{suite} {kind}: installing the package");
        let machine = Machine::bare_of(suite, kind)?;
        package.install_on(&machine)?;
        machine.power_off_into(tree)
    })?;
    layer::remove_unused(|other| other.starts_with(&format!("{base}-")) && other != name)?;
    Ok(layer)
}

fn packages_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("session-timeout_") && name.ends_with(".deb")
        })
        .collect()
}
