//! Checks of sshd: whether it uses PAM, and which of its settings end connections.

mod config;

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_texts::roughly;

use crate::doctor::checks::Check;
use crate::doctor::finding::{Finding, Level};
use crate::doctor::policy_limits::PolicyLimits;
use crate::doctor::root::Root;
use crate::doctor::sshd::config::{ConfigLine, SshdConfig, time};

/// The path of sshd on Debian.
pub(crate) const SSHD: &str = "/usr/sbin/sshd";
const RELOAD: &str = "systemctl reload ssh";

/// The configuration of sshd.
#[derive(Debug, Default)]
pub(crate) struct Sshd {
    config: SshdConfig,
    /// The output of `sshd -T`, by keyword, which includes the defaults of the build. Absent if it
    /// could not be run.
    effective: Option<HashMap<String, String>>,
}

/// A setting that is in effect.
struct EffectiveSetting {
    value: String,
    /// The location in parentheses; empty for a default.
    location: String,
    /// To whom it applies; empty for everybody.
    whom: &'static str,
}

impl Sshd {
    /// Reads the configuration, if sshd is installed. `answer` is the output of `sshd -T`.
    pub(crate) fn gather(root: &Root, answer: Option<&str>) -> Option<Self> {
        root.has(SSHD).then(|| Self {
            config: SshdConfig::read(root),
            effective: answer.map(keywords),
        })
    }

    /// The setting for everybody, and those in `Match` blocks.
    fn effective_settings(&self, keyword: &str) -> Vec<EffectiveSetting> {
        let line = self.config.for_everybody(keyword);
        let written = |line: &ConfigLine| EffectiveSetting {
            value: line.value.clone(),
            location: format!(" ({})", line.location),
            whom: "",
        };
        let effective_value = |effective: &HashMap<String, String>| {
            effective
                .get(&keyword.to_ascii_lowercase())
                .map(|value| EffectiveSetting {
                    value: value.clone(),
                    ..line.map_or_else(EffectiveSetting::by_default, written)
                })
        };
        let everybody = match &self.effective {
            Some(effective) => effective_value(effective),
            None => line.map(written),
        };
        let some = self
            .config
            .for_some(keyword)
            .into_iter()
            .map(|line| EffectiveSetting {
                whom: " for those whom a Match picks",
                ..written(line)
            });
        everybody.into_iter().chain(some).collect()
    }
}

impl EffectiveSetting {
    fn by_default() -> Self {
        Self {
            value: String::new(),
            location: String::new(),
            whom: "",
        }
    }
}

/// `keyword value` on each line; the first line of a keyword counts, as in sshd.
fn keywords(printed: &str) -> HashMap<String, String> {
    let mut keywords = HashMap::new();
    for (keyword, value) in printed.lines().filter_map(|line| line.split_once(' ')) {
        let keyword = keyword.to_ascii_lowercase();
        keywords
            .entry(keyword)
            .or_insert_with(|| value.trim().to_owned());
    }
    keywords
}

/// Whether logins over SSH use PAM.
pub(crate) fn examine_pam(facts: Option<&Sshd>) -> Finding {
    let check = Check::SshdPam;
    let Some(facts) = facts else {
        return Finding::ok(check, "there is no sshd");
    };
    // The default is off (sshd_config(5)); Debian's file turns it on.
    let effective_settings = facts.effective_settings("UsePAM");
    let (value, location) = effective_settings
        .first()
        .map_or(("no", ""), |effective_settings| {
            (&effective_settings.value, &effective_settings.location)
        });
    if value.eq_ignore_ascii_case("yes") {
        return Finding::ok(check, "sshd asks PAM (UsePAM)");
    }
    if let Some(hidden) = facts.config.hidden.first() {
        return Finding::unseen(check, hidden);
    }
    let what = format!(
        "sshd does not ask PAM{location}: logind does not know its logins, and no \
                        limit holds for them"
    );
    Finding::error(check, &what).do_this(&format!(
        "set `UsePAM yes` in /etc/ssh/sshd_config, then: {RELOAD}"
    ))
}

/// The settings that end a connection before our limits.
pub(crate) fn examine_timeouts(facts: Option<&Sshd>, policy_limits: &PolicyLimits) -> Vec<Finding> {
    let Some(facts) = facts else {
        return Vec::new();
    };
    let mut findings = vec![keepalive(facts)];
    findings.extend(channel_timeout(facts, policy_limits));
    findings.extend(unused_connection(facts, policy_limits));
    let hidden = &facts.config.hidden;
    if !hidden.is_empty() {
        // A file that cannot be read may set anything.
        findings.retain(|finding| finding.level > Level::Ok);
    }
    let unseen = hidden.iter();
    findings.extend(unseen.map(|path| Finding::unseen(Check::SshdChannelTimeout, path)));
    findings
}

/// `ClientAliveInterval` checks that the peer is reachable; it is often mistaken for an idle
/// timeout.
fn keepalive(facts: &Sshd) -> Finding {
    let check = Check::SshdKeepalive;
    let effective_settings = facts.effective_settings("ClientAliveInterval");
    let on = effective_settings.iter().find(|effective_settings| {
        time(&effective_settings.value).is_some_and(|every| !every.is_zero())
    });
    match on {
        None => Finding::ok(check, "sshd does not ask whether clients are there"),
        Some(EffectiveSetting {
            value,
            location,
            whom,
        }) => {
            let what = format!(
                "ClientAliveInterval {value}{location}{whom} only ends connections whose other end \
                 is gone; it is no limit of idle time"
            );
            Finding::note(check, &what)
        }
    }
}

fn channel_timeout(facts: &Sshd, policy_limits: &PolicyLimits) -> Vec<Finding> {
    let check = Check::SshdChannelTimeout;
    let effective_settings = facts.effective_settings("ChannelTimeout");
    let sooner = effective_settings.iter().flat_map(|effective_settings| {
        let words = effective_settings.value.split_whitespace();
        let sooner = words.filter_map(|word| Some((word, shell_timeout(word)?)));
        sooner.map(move |(word, after)| (effective_settings, word, after))
    });
    let found: Vec<Finding> = sooner
        .filter(|(_, _, after)| *after < policy_limits.longest)
        .map(|(EffectiveSetting { location, whom, .. }, word, after)| {
            let after = roughly(after);
            let what = format!(
                "ChannelTimeout {word}{location}{whom}: sshd closes terminals that were silent for \
                 {after}, without a warning"
            );
            Finding::warning(check, &what).do_this(&out(location, "ChannelTimeout"))
        })
        .collect();
    if found.is_empty() {
        return vec![Finding::ok(
            check,
            "sshd closes no terminal before a limit does",
        )];
    }
    found
}

/// The timeout of a word of `ChannelTimeout` that applies to shells: `session=5m`,
/// `session:shell=5m`, `*=5m`, `global=5m`. Zero means none.
fn shell_timeout(word: &str) -> Option<Duration> {
    let (kind, after) = word.split_once('=')?;
    let is_shell = kind == "global" || kind.starts_with("session") || kind.contains('*');
    time(after).filter(|after| is_shell && !after.is_zero())
}

/// `UnusedConnectionTimeout` is for connections without a channel: `ssh -N`.
fn unused_connection(facts: &Sshd, policy_limits: &PolicyLimits) -> Vec<Finding> {
    let check = Check::SshdUnusedConnection;
    let effective_settings = facts.effective_settings("UnusedConnectionTimeout");
    let sooner = effective_settings.iter().filter_map(|effective_settings| {
        let after = time(&effective_settings.value).filter(|after| !after.is_zero())?;
        (after < policy_limits.longest).then_some((effective_settings, after))
    });
    let found: Vec<Finding> = sooner
        .map(|(EffectiveSetting { value, location, whom }, after)| {
            let after = roughly(after);
            let what = format!(
                "UnusedConnectionTimeout {value}{location}{whom}: sshd closes connections without a \
                 channel after {after}, without a warning"
            );
            Finding::warning(check, &what).do_this(&out(location, "UnusedConnectionTimeout"))
        })
        .collect();
    if found.is_empty() {
        let what = "sshd closes no unused connection before a limit does";
        return vec![Finding::ok(check, what)];
    }
    found
}

fn out(location: &str, keyword: &str) -> String {
    let location = location.trim_start_matches(" (").trim_end_matches(')');
    match location {
        "" => format!("set `{keyword} none` in /etc/ssh/sshd_config, then: {RELOAD}"),
        location => format!("take out {location}, then: {RELOAD}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Fix;
    use crate::doctor::root::fake;

    fn facts(config: &str, answer: Option<&str>) -> Sshd {
        let (_dir, root) = fake::root(&[(SSHD, ""), ("/etc/ssh/sshd_config", config)]);
        Sshd::gather(&root, answer).unwrap()
    }

    fn problems(config: &str, answer: Option<&str>) -> Vec<(Check, Level)> {
        let facts = facts(config, answer);
        let mut findings = examine_timeouts(Some(&facts), &PolicyLimits::default());
        findings.push(examine_pam(Some(&facts)));
        findings.retain(|finding| finding.level > Level::Ok);
        findings
            .iter()
            .map(|finding| (finding.check, finding.level))
            .collect()
    }

    #[test]
    fn each_setting_is_judged_by_what_it_does_to_sessions() {
        let warning = |check| vec![(check, Level::Warning)];
        for (config, expected) in [
            ("", vec![]),
            ("ClientAliveInterval 0", vec![]),
            (
                "ClientAliveInterval 300",
                vec![(Check::SshdKeepalive, Level::Note)],
            ),
            ("ChannelTimeout none", vec![]),
            ("ChannelTimeout x11-connection=5m", vec![]),
            ("ChannelTimeout session=0", vec![]),
            ("ChannelTimeout session=2d", vec![]),
            (
                "ChannelTimeout session=5m",
                warning(Check::SshdChannelTimeout),
            ),
            (
                "ChannelTimeout tun-connection=1h *=5m",
                warning(Check::SshdChannelTimeout),
            ),
            (
                "ChannelTimeout global=5m",
                warning(Check::SshdChannelTimeout),
            ),
            (
                "Match User a\nChannelTimeout session=5m",
                warning(Check::SshdChannelTimeout),
            ),
            ("UnusedConnectionTimeout none", vec![]),
            (
                "UnusedConnectionTimeout 5m",
                warning(Check::SshdUnusedConnection),
            ),
        ] {
            let config = format!("UsePAM yes\n{config}\n");
            assert_eq!(problems(&config, None), expected, "{config}");
        }
    }

    #[test]
    fn without_pam_nobody_hears_of_logins() {
        let error = vec![(Check::SshdPam, Level::Error)];
        assert_eq!(problems("UsePAM no\n", None), error);
        assert_eq!(problems("", None), error);
        assert_eq!(problems("", Some("usepam yes\n")), []);
        assert_eq!(problems("UsePAM yes\n", Some("usepam no\n")), error);
        assert_eq!(examine_pam(None).level, Level::Ok);
    }

    #[test]
    fn sshd_s_own_word_is_believed_and_the_files_say_where_it_is_from() {
        let facts = facts(
            "ChannelTimeout session=9m\n",
            Some("channeltimeout session=5m\n"),
        );
        let found = channel_timeout(&facts, &PolicyLimits::default());
        assert!(
            found[0]
                .what
                .starts_with("ChannelTimeout session=5m (/etc/ssh/sshd_config:1): "),
            "{found:?}"
        );
        let fix = "take out /etc/ssh/sshd_config:1, then: systemctl reload ssh";
        assert_eq!(found[0].fix.as_ref().map(Fix::text), Some(fix));
    }

    #[test]
    fn what_is_not_seen_is_not_called_well() {
        let mut facts = facts("UsePAM yes\n", None);
        facts
            .config
            .hidden
            .push("/etc/ssh/sshd_config.d/1.conf".into());
        let found = examine_timeouts(Some(&facts), &PolicyLimits::default());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].level, Level::Note);
        // The hidden file may override the main file.
        assert_eq!(examine_pam(Some(&facts)).level, Level::Ok);
    }

    #[test]
    fn a_machine_without_sshd_has_nothing_to_be_said_of_it() {
        let (_dir, root) = fake::root(&[]);
        assert!(Sshd::gather(&root, None).is_none());
        assert_eq!(examine_timeouts(None, &PolicyLimits::default()), []);
    }
}
