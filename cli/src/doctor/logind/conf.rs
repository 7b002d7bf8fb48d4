//! Parses logind.conf and its drop-ins (logind.conf(5), systemd.syntax(7)).

use crate::doctor::root::{Root, Text};
use session_timeout_config::Location;

/// The command that applies a change. logind of Debian 12 cannot reload and is restarted, which
/// ends no session.
pub(crate) const RELOAD: &str = "systemctl reload-or-restart systemd-logind";

/// The directories, in descending order of precedence.
const DIRS: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];

/// The lines of `[Login]`, in the order in which they are read.
#[derive(Debug, Default)]
pub(crate) struct LogindConf {
    keys: Vec<ConfLine>,
    /// Files that the caller may not read.
    pub(crate) hidden: Vec<String>,
}

/// A line `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfLine {
    name: String,
    pub(crate) value: String,
    pub(crate) location: Location,
}

impl LogindConf {
    pub(crate) fn read(root: &Root) -> Self {
        let mut conf = Self::default();
        for path in files(root) {
            match root.read(&path) {
                Text::Is(text) => conf.keys.extend(keys(&text, &path)),
                Text::Hidden => conf.hidden.push(path),
                Text::Missing => {}
            }
        }
        conf
    }

    /// The line in effect: the last one, unless it is empty, which restores the default.
    pub(crate) fn get(&self, name: &str) -> Option<&ConfLine> {
        let mut named = self.keys.iter().filter(|key| key.name == name);
        named.next_back().filter(|key| !key.value.is_empty())
    }
}

/// The main file of the first directory that has one, then the drop-ins sorted by name, each from
/// the first directory that has it.
fn files(root: &Root) -> Vec<String> {
    let mains = DIRS.map(|dir| format!("{dir}/systemd/logind.conf"));
    let mut files: Vec<String> = mains.into_iter().filter(|path| root.has(path)).collect();
    files.truncate(1);
    let mut drop_ins: Vec<String> = Vec::new();
    for dir in DIRS {
        for path in root.matching(&format!("{dir}/systemd/logind.conf.d/*.conf")) {
            if !drop_ins.iter().any(|known| name(known) == name(&path)) {
                drop_ins.push(path);
            }
        }
    }
    drop_ins.sort_by(|a, b| name(a).cmp(name(b)));
    files.extend(drop_ins);
    files
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn keys(text: &str, file: &str) -> Vec<ConfLine> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            title.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=')
            && section == "Login"
        {
            keys.push(ConfLine {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
                location: Location {
                    file: file.to_owned(),
                    line: index + 1,
                },
            });
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::root::fake;

    fn read(files: &[(&str, &str)]) -> LogindConf {
        let (_dir, root) = fake::root(files);
        LogindConf::read(&root)
    }

    fn value(conf: &LogindConf) -> Option<(&str, String)> {
        let key = conf.get("IdleAction")?;
        Some((key.value.as_str(), key.location.to_string()))
    }

    #[test]
    fn drop_ins_are_read_by_name_and_hide_their_namesakes() {
        let conf = read(&[
            ("/etc/systemd/logind.conf", "[Login]\nIdleAction=lock\n"),
            (
                "/usr/lib/systemd/logind.conf",
                "[Login]\nIdleAction=reboot\n",
            ),
            (
                "/run/systemd/logind.conf.d/20.conf",
                "[Login]\nIdleAction=suspend\n",
            ),
            (
                "/etc/systemd/logind.conf.d/30.conf",
                "[Login]\nIdleAction=halt\n",
            ),
            (
                "/usr/lib/systemd/logind.conf.d/20.conf",
                "[Login]\nIdleAction=kexec\n",
            ),
        ]);
        let location = "/etc/systemd/logind.conf.d/30.conf:2".to_owned();
        assert_eq!(value(&conf), Some(("halt", location)));
        let values: Vec<_> = conf.keys.iter().map(|key| &key.value).collect();
        assert_eq!(values, ["lock", "suspend", "halt"]);
    }

    #[test]
    fn comments_other_sections_and_empty_values_set_nothing() {
        let conf = read(&[(
            "/etc/systemd/logind.conf",
            "[Login]\n#IdleAction=lock\n; IdleAction=lock\n[Sleep]\nIdleAction=lock\n",
        )]);
        assert_eq!(value(&conf), None);
        let emptied = read(&[(
            "/etc/systemd/logind.conf",
            "[Login]\nIdleAction=lock\nIdleAction=\n",
        )]);
        assert_eq!(value(&emptied), None);
        assert_eq!(value(&read(&[])), None);
    }
}
