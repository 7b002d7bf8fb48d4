//! A scenario: its text, played.
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
//! The policy is written as in `policy.toml`, plus `UID_MIN` of login.defs(5). A scenario starts
//! with the wall clock on a whole minute and the daemon running, and goes on until nothing is to
//! come any more. `out with looks` shows each look at a session, too. The words of `in` are those
//! of [`Player::does`].

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_config::Minima;
use session_timeout_policy::{Action, BootTime, Hint, Policy, Uid};

use crate::support::sim::{Leftover, Order, Sim, State};
use crate::support::world::{Place, Probes};
use crate::words;

/// A scenario runs on for so long after its last line, at most.
const AFTERMATH: Duration = Duration::from_secs(48 * 3600);

/// A scenario in its parts.
pub(crate) struct Script<'a> {
    /// Everything up to the line `out`, and that line.
    pub(crate) head: &'a str,
    /// What is to come out.
    pub(crate) out: &'a str,
    policy: Vec<&'a str>,
    lines: Vec<Line<'a>>,
    looks: Looks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Hidden,
    Shown,
}

/// `0:14:30  c1  types`
struct Line<'a> {
    at: Duration,
    who: &'a str,
    what: &'a str,
}

impl<'a> Script<'a> {
    /// Takes a text apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let start = text.find("\nout").ok_or("no line `out`")? + 1;
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length + 1);
        let (head, out) = text.split_at(end);
        let looks = match text[start..end].trim_end() {
            "out" => Looks::Hidden,
            "out with looks" => Looks::Shown,
            other => return Err(format!("`{other}`: expected `out` or `out with looks`")),
        };
        let mut script = Self {
            head,
            out,
            policy: Vec::new(),
            lines: Vec::new(),
            looks,
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

    /// Plays it, and says what came out.
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
            looks: self.looks,
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

/// The policy's keys as they are written.
#[derive(Default)]
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn set(&mut self, setting: &str) -> Result<(), String> {
        let (key, value) = setting
            .split_once('=')
            .ok_or(format!("`{setting}`: no `=`"))?;
        self.0
            .insert(key.trim().to_owned(), value.trim().to_owned());
        Ok(())
    }

    fn policy(&self) -> Result<Policy, String> {
        let mut policy = Policy::default();
        let mut text = String::from("[default]\n");
        for (key, value) in &self.0 {
            if key == "UID_MIN" {
                let uid = value.parse().map_err(|_| format!("UID_MIN = {value}"))?;
                policy.first_regular_uid = Uid::new(uid);
            } else {
                text += &format!("{key} = {value}\n");
            }
        }
        let settings = session_timeout_config::parse("policy", &text, Minima::Lifted);
        let errors = |errors: Vec<_>| {
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<String>>()
                .join("; ")
        };
        policy.default = Some(settings.map_err(errors)?.limits);
        Ok(policy)
    }
}

struct Player {
    sim: Sim,
    zero: BootTime,
    settings: Settings,
    looks: Looks,
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
            "logind" => self.logind(line.what),
            "looks" => self.looks(line.what),
            "machine" => self.machine(line.what),
            "policy" => self.policy(line.what),
            id => self.does(id, line.what),
        }?;
        self.writes_down();
        Ok(())
    }

    /// What a session or its user does.
    fn does(&mut self, id: &str, what: &str) -> Result<(), String> {
        let sim = &mut self.sim;
        match what {
            "closes its terminals" => sim.world.closes_its_terminals(id),
            "desktop says: active" => sim.hints(id, Hint::Active),
            "desktop says: idle" => sim.hints(id, Hint::IdleSince(sim.world.now)),
            "is shown" => {
                let now = sim.world.now;
                let view = sim.engine().and_then(|engine| engine.session(id));
                let shown = view.map_or("is unknown".into(), |view| words::of_view(now, &view));
                self.out.push((now.since(self.zero), id.into(), shown));
            }
            "is stubborn" => {
                sim.world
                    .sessions
                    .get_mut(id)
                    .ok_or("there is no such session")?
                    .stubborn = true;
            }
            "logs out" => sim.logs_out(id, Leftover::Nothing),
            "logs out and leaves something running" => sim.logs_out(id, Leftover::Something),
            "opens a terminal" => sim.opens_a_terminal(id),
            "types" => sim.types(id),
            _ => {
                let (what, order) = match what.split_once(", ") {
                    None => (what, Order::LogindFirst),
                    Some((what, "told by PAM first")) => (what, Order::PamFirst),
                    Some((what, "without PAM")) => (what, Order::WithoutPam),
                    Some((_, other)) => return Err(format!("what is `{other}`?")),
                };
                let (user, place) = what.split_once(" logs in ").ok_or("does what?")?;
                let place = match place {
                    "on a desktop" => Place::Desktop,
                    "on the console" => Place::Console,
                    "on the login screen" => Place::Greeter,
                    "over ssh" => Place::Ssh,
                    "over ssh without a terminal" => Place::SshWithoutTerminal,
                    other => return Err(format!("logs in where? `{other}`")),
                };
                sim.logs_in(id, user, place, order);
            }
        }
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
            "comes back" => self.sim.logind_comes_back(),
            "comes back and has forgotten everything" => {
                self.sim.world.sessions.clear();
                self.sim.logind_comes_back();
            }
            _ => return Err("does what?".into()),
        }
        Ok(())
    }

    fn looks(&mut self, what: &str) -> Result<(), String> {
        self.sim.world.probes = match what {
            "fail" => Probes::Fail,
            "hang" => Probes::Hang,
            "work" => Probes::Work,
            _ => return Err("do what?".into()),
        };
        Ok(())
    }

    fn machine(&mut self, what: &str) -> Result<(), String> {
        let until = what.strip_prefix("sleeps until ").ok_or("does what?")?;
        self.sim.sleep_until(self.zero.saturating_add(time(until)?));
        Ok(())
    }

    fn policy(&mut self, setting: &str) -> Result<(), String> {
        self.settings.set(setting)?;
        self.sim.reload(self.settings.policy()?);
        Ok(())
    }

    fn runs_until(&mut self, then: BootTime) {
        self.sim.run_until(then);
        self.writes_down();
    }

    fn writes_down(&mut self) {
        for (at, action) in std::mem::take(&mut self.sim.log) {
            if self.looks == Looks::Shown || !matches!(action, Action::Probe(_)) {
                let (who, what) = words::of_action(at, &action, self.sim.policy.default.as_ref());
                self.out.push((at.since(self.zero), who, what));
            }
        }
    }
}

/// `14:30:00`: hours, minutes and seconds.
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
