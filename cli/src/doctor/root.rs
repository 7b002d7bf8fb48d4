//! The file system that is examined: that of the machine, or one of a test.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

use glob::Pattern;

/// The maximum length that is read of a file, in bytes. The files have a few kilobytes.
const LONGEST: u64 = 1 << 20;

/// A root directory, and paths below it that begin with `/`.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Is(String),
    Missing,
    /// The caller may not read it.
    Hidden,
}

impl Text {
    /// The text; empty if the file is missing or hidden.
    pub(crate) fn or_empty(self) -> String {
        match self {
            Self::Is(text) => text,
            Self::Missing | Self::Hidden => String::new(),
        }
    }
}

impl Root {
    pub(crate) fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    #[cfg(test)]
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path below this root.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(crate) fn read(&self, path: &str) -> Text {
        match self.content(path) {
            Ok(text) => Text::Is(text),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Text::Hidden,
            Err(_) => Text::Missing,
        }
    }

    /// The target of a symbolic link, unresolved.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    fn content(&self, path: &str) -> io::Result<String> {
        let path = self.path(path);
        // Reading a pipe might never end, so anything but a regular file counts as empty.
        if !fs::metadata(&path)?.is_file() {
            return Ok(String::new());
        }
        let mut content = Vec::new();
        fs::File::open(path)?
            .take(LONGEST)
            .read_to_end(&mut content)?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// The paths that match a shell pattern, sorted by name.
    pub(crate) fn matching(&self, pattern: &str) -> Vec<String> {
        let root = self.0.to_string_lossy();
        let root = root.trim_end_matches('/');
        let pattern = format!(
            "{}/{}",
            Pattern::escape(root),
            pattern.trim_start_matches('/')
        );
        let Ok(paths) = glob::glob(&pattern) else {
            return Vec::new();
        };
        let paths = paths.flatten().filter_map(|path| {
            let path = path.to_string_lossy().into_owned();
            path.strip_prefix(root).map(str::to_owned)
        });
        paths.collect()
    }
}

/// A root directory for tests.
#[cfg(test)]
pub(crate) mod fake {
    use std::fs;

    use super::Root;

    /// The root exists as long as the `TempDir`.
    pub(crate) fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        for (path, content) in files {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        (dir, root)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_those_of_the_machine_wherever_its_root_is() {
        let (_dir, root) = fake::root(&[("/etc/a.d/2.conf", "two"), ("/etc/a.d/1.conf", "one")]);
        assert_eq!(
            root.matching("/etc/a.d/*.conf"),
            ["/etc/a.d/1.conf", "/etc/a.d/2.conf"]
        );
        assert_eq!(root.read("/etc/a.d/2.conf"), Text::Is("two".into()));
        assert_eq!(root.read("/etc/b"), Text::Missing);
        assert!(root.has("/etc/a.d") && !root.has("/etc/b"));
        assert_eq!(root.matching("/etc/[").len(), 0);
    }

    #[test]
    fn the_system_itself_is_a_root_as_well() {
        let root = Root::system();
        assert_eq!(root.matching("/proc/sel[f]"), ["/proc/self"]);
        assert!(
            matches!(root.read("/proc/sys/kernel/osrelease"), Text::Is(text) if !text.is_empty())
        );
    }

    #[test]
    fn what_is_no_file_says_nothing() {
        let (_dir, root) = fake::root(&[("/etc/x", "")]);
        symlink("/dev/zero", root.path("/etc/masked")).unwrap();
        assert_eq!(root.read("/etc/masked"), Text::Is(String::new()));
        assert_eq!(root.read("/etc"), Text::Is(String::new()));
    }
}
