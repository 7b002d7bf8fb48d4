//! The text format of scenarios: its parser and its player.
//!
//! ```text
//! # Typing during the warning withdraws it.
//! policy
//!   inactivity-timeout = "15min"
//! in
//!   0:00:00  c1  alice logs in over ssh
//!   0:14:30  c1  types
//! out
//!   0:00:00  c1  begins
//! ```
//!
//! The policy is written as in `policy.toml` (the keys of `[default]`, then rules from the first
//! `[[rule]]` on; or `@name` for a file of `docs/examples/`), plus `UID_MIN` of login.defs(5). A
//! scenario starts with the wall clock on a whole minute and the daemon running, and continues
//! until nothing more can happen. `out with probes` also shows each probe. [`Player::does`] has the
//! words of `in`.

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_config::Minima;
use session_timeout_policy::{Action, BootTime, Hint, Output, Policy, SessionId, SessionType, Uid};

use crate::support::sim::{Entry, Leftover, Order, Sim, State};
use crate::support::world::{LoginKind, Probes, Service, Session};
use crate::words;

/// The maximum duration of a scenario after its last line.
const AFTERMATH: Duration = Duration::from_secs(48 * 3600);

/// A parsed scenario.
pub(crate) struct Script<'a> {
    /// The text up to and including the line `out`.
    pub(crate) head: &'a str,
    /// The expected result.
    pub(crate) out: &'a str,
    policy: Vec<&'a str>,
    lines: Vec<Line<'a>>,
    probes: ProbeLines,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProbeLines {
    Hidden,
    Shown,
}

/// A line of `in`: `0:14:30  c1  types`.
struct Line<'a> {
    at: Duration,
    who: &'a str,
    what: &'a str,
}

impl<'a> Script<'a> {
    /// Parses a scenario.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let start = text.find("\nout").ok_or("no line `out`")? + 1;
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length + 1);
        let (head, out) = text.split_at(end);
        let probes = match text[start..end].trim_end() {
            "out" => ProbeLines::Hidden,
            "out with probes" => ProbeLines::Shown,
            other => return Err(format!("`{other}`: expected `out` or `out with probes`")),
        };
        let mut script = Self {
            head,
            out,
            policy: Vec::new(),
            lines: Vec::new(),
            probes,
        };
        let mut part = "";
        for line in text[..start].lines().filter(|line| !line.trim().is_empty()) {
            match (part, line.strip_prefix("  ")) {
                (_, None) if line.starts_with('#') => {}
                (_, None) => part = line,
                ("policy", Some(setting)) => script.policy.push(setting),
                ("in", Some(line)) => script.lines.push(Line::parse(line)?),
                (_, Some(_)) => return Err(format!("`{line}` is in no part")),
            }
        }
        Ok(script)
    }

    /// Plays the scenario; returns the actual result.
    pub(crate) fn play(&self) -> Result<String, String> {
        let mut settings = Settings::default();
        for setting in &self.policy {
            settings.set(setting)?;
        }
        let sim = Sim::new(settings.policy()?);
        let zero = sim.world.now;
        let mut player = Player {
            sim,
            zero,
            settings,
            probes: self.probes,
            out: Vec::new(),
        };
        for line in &self.lines {
            player
                .plays(line)
                .map_err(|why| format!("`{} {}`: {why}", line.who, line.what))?;
        }
        let end = player.sim.world.now.saturating_add(AFTERMATH);
        player.runs_until(end);
        Ok(aligned(&player.out))
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Result<Self, String> {
        let parts = line.trim().split_once(' ').and_then(|(at, rest)| {
            let (who, what) = rest.trim_start().split_once(' ')?;
            Some((at, who, what.trim_start()))
        });
        let (at, who, what) = parts.ok_or(format!("`{line}`: expected `time  who  what`"))?;
        Ok(Self {
            at: time(at)?,
            who,
            what,
        })
    }
}

/// The policy of a scenario: the keys of `[default]`, and the lines from the first `[[rule]]` on,
/// or the name of a file of `docs/examples/`.
#[derive(Default)]
struct Settings {
    example: Option<String>,
    default: BTreeMap<String, String>,
    rules: Vec<String>,
}

impl Settings {
    fn set(&mut self, setting: &str) -> Result<(), String> {
        if let Some(name) = setting.strip_prefix('@') {
            self.example = Some(name.to_owned());
            return Ok(());
        }
        if setting == "[[rule]]" || !self.rules.is_empty() {
            self.rules.push(setting.to_owned());
            return Ok(());
        }
        let (key, value) = setting
            .split_once('=')
            .ok_or(format!("`{setting}`: no `=`"))?;
        self.default
            .insert(key.trim().to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// Sets a key of `[default]`, or of the rule that has this key.
    fn change(&mut self, setting: &str) -> Result<(), String> {
        if setting == "[[rule]]" || self.is_unfinished() {
            return self.set(setting);
        }
        let (key, _) = setting.split_once('=').ok_or("no `=`")?;
        let same = |line: &&mut String| {
            let written = line.split_once('=');
            written.is_some_and(|(written, _)| written.trim() == key.trim())
        };
        match self.rules.iter_mut().find(same) {
            Some(line) if !self.default.contains_key(key.trim()) => {
                *line = setting.to_owned();
                Ok(())
            }
            _ => {
                let rules = std::mem::take(&mut self.rules);
                let set = self.set(setting);
                self.rules = rules;
                set
            }
        }
    }

    /// Whether the last rule is incomplete.
    fn is_unfinished(&self) -> bool {
        let last = self.rules.last().map_or("", String::as_str);
        ["[[rule]]", "name", "match"]
            .iter()
            .any(|start| last.starts_with(start))
    }

    fn policy(&self) -> Result<Policy, String> {
        let mut uid_min = 1000;
        let mut text = match &self.example {
            None => String::new(),
            Some(name) => {
                let path = format!("{}/../docs/examples/{name}", env!("CARGO_MANIFEST_DIR"));
                std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?
            }
        };
        if self.example.is_none() {
            text += "[default]\n";
        }
        for (key, value) in &self.default {
            if key == "UID_MIN" {
                uid_min = value.parse().map_err(|_| format!("UID_MIN = {value}"))?;
            } else {
                text += &format!("{key} = {value}\n");
            }
        }
        text += &self.rules.join("\n");
        let settings = session_timeout_config::parse("policy", &text, Minima::Lifted);
        let errors = |errors: Vec<_>| {
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<String>>()
                .join("; ")
        };
        Ok(settings.map_err(errors)?.policy(Uid::new(uid_min)))
    }
}

struct Player {
    sim: Sim,
    zero: BootTime,
    settings: Settings,
    probes: ProbeLines,
    out: Vec<(Duration, String, String)>,
}

impl Player {
    fn plays(&mut self, line: &Line<'_>) -> Result<(), String> {
        let at = self.zero.saturating_add(line.at);
        if at < self.sim.world.now {
            return Err("is out of order".into());
        }
        self.runs_until(at);
        match line.who {
            "clock" => self.clock(line.what),
            "daemon" => self.daemon(line.what),
            "groups" => self.groups(line.what),
            "logind" => self.logind(line.what),
            "probes" => self.probes(line.what),
            "remains" => self.remains(line.what),
            "machine" => self.machine(line.what),
            "policy" => self.policy(line.what),
            id => self.does(id, line.what),
        }?;
        self.writes_down();
        Ok(())
    }

    /// Something that a session or its user does.
    fn does(&mut self, id: &str, what: &str) -> Result<(), String> {
        let sim = &mut self.sim;
        match what {
            "asks for more time" => sim.asks_for_more_time(id),
            "cannot be locked" => self.session(id)?.locks = false,
            "closes its terminals" => sim.world.closes_its_terminals(id),
            "desktop says: active" => sim.hints(id, Hint::Active),
            "desktop says: idle" => sim.hints(id, Hint::IdleSince(sim.world.now)),
            "is shown" => {
                let now = sim.world.now;
                let view = sim
                    .engine()
                    .and_then(|engine| engine.session(&SessionId::new(id)));
                let shown = view.map_or("is unknown".into(), |view| words::of_view(now, &view));
                self.out.push((now.since(self.zero), id.into(), shown));
            }
            "has something detached" => self.session(id)?.detached = true,
            "inhibits idle" => sim.inhibits(id, true),
            "inhibits idle no more" => sim.inhibits(id, false),
            "is probed" => sim.is_probed(id),
            "loses its lock hint" => self.session(id)?.locked = false,
            "is locked by its user" => sim.locks(id),
            "is dropped by logind" => sim.is_dropped(id),
            "leaves its scope" => self.session(id)?.escaped = true,
            "is stubborn" => self.session(id)?.stubborn = true,
            "logs out" => sim.logs_out(id, Leftover::Nothing),
            "logs out and leaves something running" => sim.logs_out(id, Leftover::Something),
            "opens a terminal" => sim.opens_a_terminal(id),
            "prints" => sim.prints(id),
            "is returned to" => sim.is_returned_to(id),
            "unlocks" => sim.unlocks(id),
            "types" => sim.types(id),
            _ => {
                if let Some(word) = what.strip_prefix("becomes a ") {
                    let session_type = SessionType::parse(word);
                    sim.changes(id, |facts| facts.session_type = session_type);
                    return Ok(());
                }
                if let Some(terminal) = what.strip_prefix("is moved to ") {
                    sim.changes(id, |facts| facts.terminal = Some(terminal.to_owned()));
                    return Ok(());
                }
                if let Some(other) = what.strip_prefix("is known to logind as ") {
                    sim.becomes_known(id, other);
                    return Ok(());
                }
                let (what, order) = match what.split_once(", ") {
                    None => (what, Order::LogindFirst),
                    Some((what, "told by PAM first")) => (what, Order::PamFirst),
                    Some((what, "without PAM")) => (what, Order::WithoutPam),
                    Some((what, "without logind")) => (what, Order::WithoutLogind),
                    Some((_, other)) => return Err(format!("what is `{other}`?")),
                };
                let (user, kind) = what.split_once(" logs in ").ok_or("does what?")?;
                let kind = match kind {
                    "on a desktop" => LoginKind::Desktop,
                    "on the console" => LoginKind::Console,
                    "on the login screen" => LoginKind::Greeter,
                    "over ssh" => LoginKind::Ssh,
                    "over ssh without a terminal" => LoginKind::SshWithoutTerminal,
                    "in a web console" => LoginKind::WebConsole,
                    other => return Err(format!("logs in where? `{other}`")),
                };
                match order {
                    Order::WithoutLogind => sim.logs_in_without_logind(id, user, kind),
                    Order::LogindFirst | Order::PamFirst | Order::WithoutPam => {
                        sim.logs_in(id, user, kind, order);
                    }
                }
            }
        }
        Ok(())
    }

    fn session(&mut self, id: &str) -> Result<&mut Session, String> {
        let session = self.sim.world.sessions.get_mut(id);
        session.ok_or_else(|| "there is no such session".into())
    }

    /// The groups of a user (`of alice are pci, users`), or the state of the name service: `fail`,
    /// `hang`, `work`.
    fn groups(&mut self, what: &str) -> Result<(), String> {
        let world = &mut self.sim.world;
        if let Some((user, names)) = what
            .strip_prefix("of ")
            .and_then(|what| what.split_once(" are "))
        {
            let names = names.split(", ").map(str::to_owned).collect();
            world.groups.insert(user.to_owned(), names);
            return Ok(());
        }
        world.name_service = answers(what)?;
        Ok(())
    }

    fn clock(&mut self, what: &str) -> Result<(), String> {
        if let Some(by) = what.strip_prefix("is set forward by ") {
            self.sim.world.step_forward(time(by)?);
        } else if let Some(by) = what.strip_prefix("is set back by ") {
            self.sim.world.step_back(time(by)?);
        } else {
            return Err("is set how?".into());
        }
        Ok(())
    }

    fn daemon(&mut self, what: &str) -> Result<(), String> {
        match what {
            "stops" => self.sim.crash(),
            "starts" => self.sim.start(State::Kept),
            "starts without its state" => self.sim.start(State::Lost),
            _ => return Err("does what?".into()),
        }
        Ok(())
    }

    fn logind(&mut self, what: &str) -> Result<(), String> {
        match what {
            "goes away" => self.sim.logind_goes_away(),
            "does not answer" => self.sim.world.logind = Service::Silent,
            "answers again" => self.sim.is_reachable(),
            "comes back" => self.sim.logind_comes_back(),
            "comes back and has forgotten everything" => {
                self.sim.world.sessions.clear();
                self.sim.logind_comes_back();
            }
            _ => return Err("does what?".into()),
        }
        Ok(())
    }

    fn probes(&mut self, what: &str) -> Result<(), String> {
        self.sim.world.probes = answers(what)?;
        Ok(())
    }

    /// Whether the verification of a session has a reply.
    fn remains(&mut self, what: &str) -> Result<(), String> {
        self.sim.world.remains = answers(what)?;
        Ok(())
    }

    fn machine(&mut self, what: &str) -> Result<(), String> {
        let until = what.strip_prefix("sleeps until ").ok_or("does what?")?;
        self.sim.sleep_until(self.zero.saturating_add(time(until)?));
        Ok(())
    }

    fn policy(&mut self, setting: &str) -> Result<(), String> {
        self.settings.change(setting)?;
        if self.settings.is_unfinished() {
            return Ok(());
        }
        self.sim.reload(self.settings.policy()?);
        Ok(())
    }

    fn runs_until(&mut self, then: BootTime) {
        self.sim.run_until(then);
        self.writes_down();
    }

    fn writes_down(&mut self) {
        for (at, entry) in std::mem::take(&mut self.sim.log) {
            let is_probe = matches!(entry, Entry::Output(Output::Action(Action::Probe(_))));
            if self.probes == ProbeLines::Shown || !is_probe {
                let length = |kind| self.sim.length_of(entry.key(), kind);
                let (who, what) = words::of_entry(at, &entry, length);
                self.out.push((at.since(self.zero), who, what));
            }
        }
    }
}

fn answers(what: &str) -> Result<Probes, String> {
    Ok(match what {
        "fail" => Probes::Fail,
        "hang" => Probes::Hang,
        "work" => Probes::Work,
        _ => return Err("do what?".into()),
    })
}

/// A time in hours, minutes and seconds: `14:30:00`.
fn time(text: &str) -> Result<Duration, String> {
    let parts: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some(&[hours, minutes, secs]) if minutes < 60 && secs < 60 => {
            Ok(Duration::from_secs((hours * 60 + minutes) * 60 + secs))
        }
        _ => Err(format!("`{text}` is no time: h:mm:ss")),
    }
}

fn aligned(out: &[(Duration, String, String)]) -> String {
    let times: Vec<String> = out.iter().map(|(at, _, _)| clock(*at)).collect();
    let wide = times.iter().map(String::len).max().unwrap_or(0);
    let broad = out.iter().map(|(_, who, _)| who.len()).max().unwrap_or(0);
    let lines = times.iter().zip(out);
    lines
        .map(|(time, (_, who, what))| format!("  {time:>wide$}  {who:broad$}  {what}\n"))
        .collect()
}

fn clock(at: Duration) -> String {
    let secs = at.as_secs();
    let fraction = match at.subsec_micros() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!(
        "{}:{:02}:{:02}{fraction}",
        secs / 3600,
        secs / 60 % 60,
        secs % 60
    )
}
