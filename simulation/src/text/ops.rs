//! The text form of events, one line each.

use session_timeout_policy::SessionType;

use super::person;
use super::words::{Parsed, Words, number, parse_span, span};
use crate::plan::{
    CallFault, Inhibitor, Leftovers, LoginId, OpKind, Pattern, Presence, PropertyChange,
    SavedState, SignalFault, StaleEvent, Step, TerminalIndex,
};

pub(super) fn write(kind: &OpKind) -> String {
    let keys = |verb: &str, who: &LoginId, nth: &TerminalIndex, pattern: &Pattern| {
        let Pattern { every, lasts } = pattern;
        let (every, lasts) = (span(*every), span(*lasts));
        format!(
            "s{} {verb} nth={} every={every} lasts={lasts}",
            who.0, nth.0
        )
    };
    match kind {
        OpKind::Agent(who, Presence::Gone) => format!("s{} loses-agent", who.0),
        OpKind::Agent(who, Presence::There) => format!("s{} regains-agent", who.0),
        OpKind::RequestsExtension(who) => format!("s{} asks-more", who.0),
        OpKind::Busy(lasts) => format!("daemon busy lasts={}", span(*lasts)),
        OpKind::Changes(who, PropertyChange::Terminal(name)) => {
            format!("s{} moves tty={name}", who.0)
        }
        OpKind::Changes(who, PropertyChange::Type(kind)) => {
            format!("s{} becomes type={}", who.0, kind.as_str())
        }
        OpKind::Drops(who) => format!("s{} is-dropped", who.0),
        OpKind::Escapes(who) => format!("s{} escapes", who.0),
        OpKind::Verifies(how, lasts) => format!("remains {} lasts={}", trouble(*how), span(*lasts)),
        OpKind::Closes(who, nth) => format!("s{} closes nth={}", who.0, nth.0),
        OpKind::Crashes(down, memory) => {
            let memory = match memory {
                SavedState::Fresh => "fresh",
                SavedState::Kept => "kept",
                SavedState::Lost => "lost",
            };
            format!("daemon crashes lasts={} memory={memory}", span(*down))
        }
        OpKind::EndsFail(lasts) => format!("ends fail lasts={}", span(*lasts)),
        OpKind::Groups(how, lasts) => format!("groups {} lasts={}", trouble(*how), span(*lasts)),
        OpKind::Inhibits(who, Inhibitor::Taken) => format!("s{} inhibits", who.0),
        OpKind::Inhibits(who, Inhibitor::Released) => format!("s{} stops-inhibiting", who.0),
        OpKind::Keeps => "daemon keeps".to_owned(),
        OpKind::Lists => "daemon lists".to_owned(),
        OpKind::Locks(who) => format!("s{} locks", who.0),
        OpKind::Logind(down) => format!("logind restarts lasts={}", span(*down)),
        OpKind::LogsIn(who) => format!("s{} logs-in {}", who.who.0, person::write(who)),
        OpKind::LogsOut(who, Leftovers::Nothing) => format!("s{} logs-out", who.0),
        OpKind::LogsOut(who, Leftovers::Tmux) => format!("s{} detaches", who.0),
        OpKind::ExtraProbe(who) => format!("s{} is-probed", who.0),
        OpKind::Opens(who) => format!("s{} opens", who.0),
        OpKind::Prints(who, nth, pattern) => keys("prints", who, nth, pattern),
        OpKind::Probes(how, lasts) => format!("probes {} lasts={}", trouble(*how), span(*lasts)),
        OpKind::Ready(who) => format!("s{} is-ready", who.0),
        OpKind::Reloads(number) => format!("daemon reloads policy={number}"),
        OpKind::Returns(who) => format!("s{} is-returned-to", who.0),
        OpKind::Signals(signals, lasts) => {
            let how = match signals {
                SignalFault::Doubled => "doubled".to_owned(),
                SignalFault::Late(by) => format!("late by={}", span(*by)),
                SignalFault::Lost => "lost".to_owned(),
            };
            format!("signals {how} lasts={}", span(*lasts))
        }
        OpKind::Steps(Step::Back(by)) => format!("clock back by={}", span(*by)),
        OpKind::Steps(Step::Forward(by)) => format!("clock forward by={}", span(*by)),
        OpKind::Strays(who, stray) => format!("s{} strays as={}", who.0, stray_word(*stray)),
        OpKind::Suspends(lasts) => format!("machine sleeps lasts={}", span(*lasts)),
        OpKind::Types(who, nth, pattern) => keys("types", who, nth, pattern),
        OpKind::Unlocks(who) => format!("s{} unlocks", who.0),
        OpKind::Unwatched(lasts) => format!("input unwatched lasts={}", span(*lasts)),
    }
}

pub(super) fn parse(line: &str) -> Parsed<OpKind> {
    let mut parts = line.split_whitespace();
    let subject = parts.next().unwrap_or_default();
    let verb = parts.next().unwrap_or_default();
    let words = Words::of(line);
    let lasts = || words.span("lasts");
    Ok(match (subject, verb) {
        ("daemon", "busy") => OpKind::Busy(lasts()?),
        ("daemon", "crashes") => OpKind::Crashes(lasts()?, memory(words.need("memory")?)?),
        ("daemon", "keeps") => OpKind::Keeps,
        ("daemon", "lists") => OpKind::Lists,
        ("daemon", "reloads") => OpKind::Reloads(words.number("policy")?),
        ("ends", "fail") => OpKind::EndsFail(lasts()?),
        ("groups", how) => OpKind::Groups(parse_trouble(how, &words)?, lasts()?),
        ("probes", how) => OpKind::Probes(parse_trouble(how, &words)?, lasts()?),
        ("remains", how) => OpKind::Verifies(parse_trouble(how, &words)?, lasts()?),
        ("logind", "restarts") => OpKind::Logind(lasts()?),
        ("signals", "doubled") => OpKind::Signals(SignalFault::Doubled, lasts()?),
        ("signals", "late") => OpKind::Signals(SignalFault::Late(words.span("by")?), lasts()?),
        ("signals", "lost") => OpKind::Signals(SignalFault::Lost, lasts()?),
        ("clock", "back") => OpKind::Steps(Step::Back(words.span("by")?)),
        ("clock", "forward") => OpKind::Steps(Step::Forward(words.span("by")?)),
        ("machine", "sleeps") => OpKind::Suspends(lasts()?),
        ("input", "unwatched") => OpKind::Unwatched(lasts()?),
        (who, verb) => {
            let who = who
                .strip_prefix('s')
                .ok_or_else(|| format!("who is `{who}`?"))?;
            of_login(LoginId(number(who)?), verb, line, &words)?
        }
    })
}

fn of_login(who: LoginId, verb: &str, line: &str, words: &Words<'_>) -> Parsed<OpKind> {
    let nth = || Ok::<_, String>(TerminalIndex(words.number("nth")?));
    let pattern = || {
        Ok::<_, String>(Pattern {
            every: words.span("every")?,
            lasts: words.span("lasts")?,
        })
    };
    Ok(match verb {
        "asks-more" => OpKind::RequestsExtension(who),
        "loses-agent" => OpKind::Agent(who, Presence::Gone),
        "regains-agent" => OpKind::Agent(who, Presence::There),
        "becomes" => OpKind::Changes(
            who,
            PropertyChange::Type(SessionType::parse(words.need("type")?)),
        ),
        "moves" => OpKind::Changes(who, PropertyChange::Terminal(words.need("tty")?.to_owned())),
        "is-dropped" => OpKind::Drops(who),
        "escapes" => OpKind::Escapes(who),
        "closes" => OpKind::Closes(who, nth()?),
        "inhibits" => OpKind::Inhibits(who, Inhibitor::Taken),
        "stops-inhibiting" => OpKind::Inhibits(who, Inhibitor::Released),
        "locks" => OpKind::Locks(who),
        "logs-in" => OpKind::LogsIn(Box::new(person::parse(who, line)?)),
        "logs-out" => OpKind::LogsOut(who, Leftovers::Nothing),
        "detaches" => OpKind::LogsOut(who, Leftovers::Tmux),
        "is-probed" => OpKind::ExtraProbe(who),
        "opens" => OpKind::Opens(who),
        "prints" => OpKind::Prints(who, nth()?, pattern()?),
        "is-ready" => OpKind::Ready(who),
        "is-returned-to" => OpKind::Returns(who),
        "strays" => OpKind::Strays(who, parse_stray(words.need("as")?)?),
        "types" => OpKind::Types(who, nth()?, pattern()?),
        "unlocks" => OpKind::Unlocks(who),
        other => return Err(format!("nobody `{other}`")),
    })
}

fn memory(word: &str) -> Parsed<SavedState> {
    match word {
        "fresh" => Ok(SavedState::Fresh),
        "kept" => Ok(SavedState::Kept),
        "lost" => Ok(SavedState::Lost),
        other => Err(format!("`{other}` is no memory")),
    }
}

fn trouble(trouble: CallFault) -> String {
    match trouble {
        CallFault::Fails => "fail".to_owned(),
        CallFault::Hangs => "hang".to_owned(),
        CallFault::Late(by) => format!("late by={}", span(by)),
    }
}

fn parse_trouble(word: &str, words: &Words<'_>) -> Parsed<CallFault> {
    match word {
        "fail" => Ok(CallFault::Fails),
        "hang" => Ok(CallFault::Hangs),
        "late" => Ok(CallFault::Late(parse_span(words.need("by")?)?)),
        other => Err(format!("`{other}` is no trouble")),
    }
}

/// All kinds of stale events.
pub(crate) const STRAYS: [StaleEvent; 8] = [
    StaleEvent::ActivitySeen,
    StaleEvent::EndFailed,
    StaleEvent::ExtensionAsked,
    StaleEvent::GroupsUnavailable,
    StaleEvent::HungUp,
    StaleEvent::Locked,
    StaleEvent::ProbeFailed,
    StaleEvent::Unlocked,
];

const fn stray_word(stray: StaleEvent) -> &'static str {
    match stray {
        StaleEvent::ActivitySeen => "activity-seen",
        StaleEvent::EndFailed => "end-failed",
        StaleEvent::ExtensionAsked => "extension-asked",
        StaleEvent::GroupsUnavailable => "groups-unavailable",
        StaleEvent::HungUp => "hung-up",
        StaleEvent::Locked => "locked",
        StaleEvent::ProbeFailed => "probe-failed",
        StaleEvent::Unlocked => "unlocked",
    }
}

fn parse_stray(word: &str) -> Parsed<StaleEvent> {
    let mut strays = STRAYS.into_iter();
    strays
        .find(|stray| stray_word(*stray) == word)
        .ok_or_else(|| format!("`{word}` is no news"))
}
