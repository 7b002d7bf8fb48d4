//! Takes and compares pictures of the screen of a machine's X server.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::failure::{Context, Failure, Outcome};
use crate::layer::machines_dir;
use crate::machine::Machine;

/// Selects the X server with the screen: the one on the active terminal, or otherwise the one that
/// shows the screen of a Wayland compositor.
const SCREEN: &str = r#"
    shown=$(cat /sys/class/tty/tty0/active)
    if pid=$(pgrep --newest --full "^[^ ]*/Xorg .* vt${shown#tty}( |$)"); then
        XAUTHORITY=$(tr '\0' '\n' </proc/$pid/cmdline | grep --after-context=1 -x -e -auth | tail -n 1)
        DISPLAY=:$(ss --listening --unix --processes --no-header |
            grep "pid=$pid," | grep --only-matching '/tmp/.X11-unix/X[0-9]*' | head -n 1 |
            sed 's/.*X//')
        export XAUTHORITY DISPLAY
    else
        export DISPLAY=:90
    fi
"#;

/// Fewer colours than the shortest antialiased text has on any background.
const COLOURS: usize = 16;

/// A picture of the screen: a header with the size, and three bytes for each pixel.
#[derive(Clone, Debug)]
pub(crate) struct Picture(Vec<u8>);

impl Picture {
    /// Takes a picture.
    ///
    /// # Errors
    /// No X server has the screen.
    pub(crate) fn take(machine: &Machine) -> Outcome<Self> {
        // imlib2 selects the format by the file's extension: PNM, uncompressed.
        let path = shoot(machine, "/run/screen.pnm")?;
        fs::read(&path).context("read a picture").map(Self)
    }

    /// Whether the picture is empty.
    pub(crate) fn is_blank(&self) -> bool {
        let points = self.0.rchunks_exact(3);
        let mut colours = BTreeSet::new();
        points
            .map(|point| colours.insert(point))
            .filter(|new| *new)
            .nth(COLOURS)
            .is_none()
    }

    /// The percentage of equal pixels in two pictures; 0 if their sizes differ.
    pub(crate) fn likeness(&self, other: &Self) -> usize {
        if self.0.len() != other.0.len() || self.0.is_empty() {
            return 0;
        }
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(one, other)| one == other).count() * 100 / self.0.len()
    }
}

/// Runs a shell script as a client of the X server with the screen.
///
/// # Errors
/// The script fails.
pub(crate) fn on_screen(machine: &Machine, script: &str) -> Outcome<String> {
    machine.run(&format!("{SCREEN}\n{script}"))
}

/// Takes a picture for people, as `NAME.png` in `target/machines/screens`.
///
/// # Errors
/// The picture cannot be taken.
pub(crate) fn photograph(machine: &Machine, name: &str) -> Outcome<PathBuf> {
    let taken = shoot(machine, "/run/screen.png")?;
    let dir = machines_dir()?.join("screens");
    fs::create_dir_all(&dir).context(format!("make {}", dir.display()))?;
    let path = dir.join(name).with_extension("png");
    fs::copy(taken, &path).context("keep a picture")?;
    Ok(path)
}

/// Takes a picture into a file of the machine; returns the file's path on the host.
fn shoot(machine: &Machine, path: &str) -> Outcome<PathBuf> {
    on_screen(machine, &format!("scrot --overwrite {path}"))?;
    let seen = PathBuf::from(format!("{}{path}", machine.root_seen_from_host()));
    if seen.is_file() {
        Ok(seen)
    } else {
        Err(Failure::new(format!("scrot wrote no {path}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_few_colours_is_blank() {
        let black = Picture([b"P6\n1280 720\n255\n".as_slice(), &[0; 3000]].concat());
        assert!(black.is_blank());
        let text: Vec<u8> = (0..3000).map(|byte| (byte % 251) as u8).collect();
        assert!(!Picture(text).is_blank());
    }

    #[test]
    fn likeness_is_the_share_that_is_the_same() {
        let one = Picture(vec![0; 200]);
        let mut other = one.clone();
        other.0[..50].fill(1);
        assert_eq!(one.likeness(&other), 75);
        assert_eq!(one.likeness(&Picture(vec![0; 100])), 0);
    }
}
