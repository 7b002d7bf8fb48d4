//! Checks that only root can change the directories above a file.
//!
//! A user with write permission on a directory can replace any entry in it, regardless of the
//! entry's owner. So a file is root's only if each directory on its path is.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use session_timeout_texts::sanitize;

/// Maximum number of symbolic links in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The first directory on this absolute path, or at its end, that users other than root may change;
/// with the reason and the fix. `None`: there is none, or the path does not exist.
///
/// Symbolic links are followed, and the directories on their targets' paths are checked as well.
/// The sticky bit makes no difference: in /tmp anybody may create a file that does not exist yet.
#[must_use]
pub fn distrusted(path: &Path) -> Option<Distrusted> {
    PathWalk::new(path).run(|at| DirectoryMode::at(at).and_then(DirectoryMode::objection))
}

/// A directory that users other than root may change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distrusted {
    /// The path of the directory.
    pub directory: PathBuf,
    /// The reason, and the command that fixes it.
    pub objection: String,
}

/// The metadata that is checked, from stat(2).
#[derive(Clone, Copy, Debug)]
struct DirectoryMode {
    owner: u32,
    mode: u32,
}

impl DirectoryMode {
    fn at(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        about.is_dir().then(|| Self {
            owner: about.uid(),
            mode: about.mode() & 0o7777,
        })
    }

    /// The reason and the command, without the path.
    fn objection(self) -> Option<(String, &'static str)> {
        let Self { owner, mode } = self;
        if owner != 0 {
            return Some((format!("uid {owner} owns it"), "chown root:root"));
        }
        (mode & WRITABLE_BY_OTHERS != 0).then(|| {
            let why = format!("others than its owner may write to it (mode {mode:04o})");
            (why, "chmod go-w")
        })
    }
}

/// Resolves a path one component at a time, as the kernel does.
struct PathWalk {
    at: PathBuf,
    to_come: VecDeque<OsString>,
    links: usize,
}

impl PathWalk {
    fn new(path: &Path) -> Self {
        let mut walk = Self {
            at: PathBuf::from("/"),
            to_come: VecDeque::new(),
            links: 0,
        };
        walk.go_first(path);
        walk
    }

    fn run(
        mut self,
        objection: impl Fn(&Path) -> Option<(String, &'static str)>,
    ) -> Option<Distrusted> {
        loop {
            if let Some((why, fix)) = objection(&self.at) {
                let shown = sanitize(&self.at.to_string_lossy());
                return Some(Distrusted {
                    objection: format!("{why}: {fix} {shown}"),
                    directory: self.at,
                });
            }
            let name = self.to_come.pop_front()?;
            let next = self.at.join(&name);
            if name == ".." {
                self.at.pop();
            } else if let Ok(target) = fs::read_link(&next) {
                self.links += 1;
                if self.links > MAX_LINKS {
                    return None;
                }
                self.go_first(&target);
            } else {
                self.at = next;
            }
        }
    }

    /// Puts the components of this path before the remaining ones; an absolute path starts again
    /// from the root.
    fn go_first(&mut self, path: &Path) {
        for part in path.components().rev() {
            match part {
                Component::Normal(name) => self.to_come.push_front(name.to_owned()),
                Component::ParentDir => self.to_come.push_front("..".into()),
                Component::RootDir => self.at = PathBuf::from("/"),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn objection(owner: u32, mode: u32) -> Option<(String, &'static str)> {
        DirectoryMode { owner, mode }.objection()
    }

    #[test]
    fn only_a_directory_that_root_alone_may_write_to_is_trusted() {
        assert_eq!(objection(0, 0o755), None);
        assert_eq!(objection(0, 0o700), None);
        for (owner, mode, fix) in [
            (1000, 0o700, "chown root:root"),
            (0, 0o775, "chmod go-w"),
            (0, 0o757, "chmod go-w"),
            (0, 0o1777, "chmod go-w"),
        ] {
            let (_, said) = objection(owner, mode).unwrap();
            assert_eq!(said, fix, "{owner} {mode:o}");
        }
    }

    /// The directories that are checked for this path.
    fn asked(path: &Path) -> Vec<PathBuf> {
        let asked = std::cell::RefCell::new(Vec::new());
        let found = PathWalk::new(path).run(|at| {
            asked.borrow_mut().push(at.to_owned());
            None
        });
        assert_eq!(found, None);
        asked.into_inner()
    }

    #[test]
    fn each_directory_on_the_way_is_asked_and_what_links_lead_through() {
        let dir = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(top.join("real/inner")).unwrap();
        symlink("real/../real", top.join("link")).unwrap();
        symlink(top.join("link/inner"), top.join("far")).unwrap();
        let way = asked(&top.join("far"));
        for directory in ["", "real", "real/inner"] {
            let directory = top.join(directory);
            let directory = directory.components().collect::<PathBuf>();
            assert!(way.contains(&directory), "{directory:?} in {way:?}");
        }
        assert_eq!(way.first().unwrap(), Path::new("/"));
        assert_eq!(way.last().unwrap(), &top.join("real/inner"));
    }

    #[test]
    fn a_link_that_leads_to_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loop");
        symlink(&path, &path).unwrap();
        asked(&path);
    }

    #[test]
    fn what_is_named_is_the_directory_and_the_command_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below");
        let found =
            PathWalk::new(&path).run(|at| (at == dir.path()).then(|| ("why".into(), "fix")));
        let found = found.unwrap();
        assert_eq!(found.directory, dir.path());
        let expected = format!("why: fix {}", dir.path().display());
        assert_eq!(found.objection, expected);
    }
}
