//! The text form of events, one line each.

use session_timeout_policy::SessionType;

use super::person;
use super::words::{Parsed, Words, number, parse_span, span};
use crate::plan::{
    Change, Inhibitor, Leftovers, Mail, Memory, Nth, Pattern, Presence, Step, Stray, Trouble, What,
    Who,
};

pub(super) fn write(what: &What) -> String {
    let keys = |verb: &str, who: &Who, nth: &Nth, pattern: &Pattern| {
        let Pattern { every, lasts } = pattern;
        let (every, lasts) = (span(*every), span(*lasts));
        format!(
            "s{} {verb} nth={} every={every} lasts={lasts}",
            who.0, nth.0
        )
    };
    match what {
        What::Agent(who, Presence::Gone) => format!("s{} loses-agent", who.0),
        What::Agent(who, Presence::There) => format!("s{} regains-agent", who.0),
        What::AsksMore(who) => format!("s{} asks-more", who.0),
        What::Busy(lasts) => format!("daemon busy lasts={}", span(*lasts)),
        What::Changes(who, Change::Terminal(name)) => format!("s{} moves tty={name}", who.0),
        What::Changes(who, Change::Type(kind)) => {
            format!("s{} becomes type={}", who.0, kind.as_str())
        }
        What::Drops(who) => format!("s{} is-dropped", who.0),
        What::Escapes(who) => format!("s{} escapes", who.0),
        What::Verifies(how, lasts) => format!("remains {} lasts={}", trouble(*how), span(*lasts)),
        What::Closes(who, nth) => format!("s{} closes nth={}", who.0, nth.0),
        What::Crashes(down, memory) => {
            let memory = match memory {
                Memory::Fresh => "fresh",
                Memory::Kept => "kept",
                Memory::Lost => "lost",
            };
            format!("daemon crashes lasts={} memory={memory}", span(*down))
        }
        What::EndsFail(lasts) => format!("ends fail lasts={}", span(*lasts)),
        What::Groups(how, lasts) => format!("groups {} lasts={}", trouble(*how), span(*lasts)),
        What::Inhibits(who, Inhibitor::Taken) => format!("s{} inhibits", who.0),
        What::Inhibits(who, Inhibitor::Released) => format!("s{} stops-inhibiting", who.0),
        What::Keeps => "daemon keeps".to_owned(),
        What::Lists => "daemon lists".to_owned(),
        What::Locks(who) => format!("s{} locks", who.0),
        What::Logind(down) => format!("logind restarts lasts={}", span(*down)),
        What::LogsIn(who) => format!("s{} logs-in {}", who.who.0, person::write(who)),
        What::LogsOut(who, Leftovers::Nothing) => format!("s{} logs-out", who.0),
        What::LogsOut(who, Leftovers::Tmux) => format!("s{} detaches", who.0),
        What::Looks(who) => format!("s{} is-looked-at", who.0),
        What::Opens(who) => format!("s{} opens", who.0),
        What::Prints(who, nth, pattern) => keys("prints", who, nth, pattern),
        What::Probes(how, lasts) => format!("probes {} lasts={}", trouble(*how), span(*lasts)),
        What::Ready(who) => format!("s{} is-ready", who.0),
        What::Reloads(number) => format!("daemon reloads policy={number}"),
        What::Signals(mail, lasts) => {
            let how = match mail {
                Mail::Doubled => "doubled".to_owned(),
                Mail::Late(by) => format!("late by={}", span(*by)),
                Mail::Lost => "lost".to_owned(),
            };
            format!("signals {how} lasts={}", span(*lasts))
        }
        What::Steps(Step::Back(by)) => format!("clock back by={}", span(*by)),
        What::Steps(Step::Forward(by)) => format!("clock forward by={}", span(*by)),
        What::Strays(who, stray) => format!("s{} strays as={}", who.0, stray_word(*stray)),
        What::Suspends(lasts) => format!("machine sleeps lasts={}", span(*lasts)),
        What::Types(who, nth, pattern) => keys("types", who, nth, pattern),
        What::Unlocks(who) => format!("s{} unlocks", who.0),
        What::Unwatched(lasts) => format!("input unwatched lasts={}", span(*lasts)),
    }
}

pub(super) fn parse(line: &str) -> Parsed<What> {
    let mut parts = line.split_whitespace();
    let subject = parts.next().unwrap_or_default();
    let verb = parts.next().unwrap_or_default();
    let words = Words::of(line);
    let lasts = || words.span("lasts");
    Ok(match (subject, verb) {
        ("daemon", "busy") => What::Busy(lasts()?),
        ("daemon", "crashes") => What::Crashes(lasts()?, memory(words.need("memory")?)?),
        ("daemon", "keeps") => What::Keeps,
        ("daemon", "lists") => What::Lists,
        ("daemon", "reloads") => What::Reloads(words.number("policy")?),
        ("ends", "fail") => What::EndsFail(lasts()?),
        ("groups", how) => What::Groups(parse_trouble(how, &words)?, lasts()?),
        ("probes", how) => What::Probes(parse_trouble(how, &words)?, lasts()?),
        ("remains", how) => What::Verifies(parse_trouble(how, &words)?, lasts()?),
        ("logind", "restarts") => What::Logind(lasts()?),
        ("signals", "doubled") => What::Signals(Mail::Doubled, lasts()?),
        ("signals", "late") => What::Signals(Mail::Late(words.span("by")?), lasts()?),
        ("signals", "lost") => What::Signals(Mail::Lost, lasts()?),
        ("clock", "back") => What::Steps(Step::Back(words.span("by")?)),
        ("clock", "forward") => What::Steps(Step::Forward(words.span("by")?)),
        ("machine", "sleeps") => What::Suspends(lasts()?),
        ("input", "unwatched") => What::Unwatched(lasts()?),
        (who, verb) => {
            let who = who
                .strip_prefix('s')
                .ok_or_else(|| format!("who is `{who}`?"))?;
            of_somebody(Who(number(who)?), verb, line, &words)?
        }
    })
}

fn of_somebody(who: Who, verb: &str, line: &str, words: &Words<'_>) -> Parsed<What> {
    let nth = || Ok::<_, String>(Nth(words.number("nth")?));
    let pattern = || {
        Ok::<_, String>(Pattern {
            every: words.span("every")?,
            lasts: words.span("lasts")?,
        })
    };
    Ok(match verb {
        "asks-more" => What::AsksMore(who),
        "loses-agent" => What::Agent(who, Presence::Gone),
        "regains-agent" => What::Agent(who, Presence::There),
        "becomes" => What::Changes(who, Change::Type(SessionType::parse(words.need("type")?))),
        "moves" => What::Changes(who, Change::Terminal(words.need("tty")?.to_owned())),
        "is-dropped" => What::Drops(who),
        "escapes" => What::Escapes(who),
        "closes" => What::Closes(who, nth()?),
        "inhibits" => What::Inhibits(who, Inhibitor::Taken),
        "stops-inhibiting" => What::Inhibits(who, Inhibitor::Released),
        "locks" => What::Locks(who),
        "logs-in" => What::LogsIn(Box::new(person::parse(who, line)?)),
        "logs-out" => What::LogsOut(who, Leftovers::Nothing),
        "detaches" => What::LogsOut(who, Leftovers::Tmux),
        "is-looked-at" => What::Looks(who),
        "opens" => What::Opens(who),
        "prints" => What::Prints(who, nth()?, pattern()?),
        "is-ready" => What::Ready(who),
        "strays" => What::Strays(who, parse_stray(words.need("as")?)?),
        "types" => What::Types(who, nth()?, pattern()?),
        "unlocks" => What::Unlocks(who),
        other => return Err(format!("nobody `{other}`")),
    })
}

fn memory(word: &str) -> Parsed<Memory> {
    match word {
        "fresh" => Ok(Memory::Fresh),
        "kept" => Ok(Memory::Kept),
        "lost" => Ok(Memory::Lost),
        other => Err(format!("`{other}` is no memory")),
    }
}

fn trouble(trouble: Trouble) -> String {
    match trouble {
        Trouble::Fails => "fail".to_owned(),
        Trouble::Hangs => "hang".to_owned(),
        Trouble::Late(by) => format!("late by={}", span(by)),
    }
}

fn parse_trouble(word: &str, words: &Words<'_>) -> Parsed<Trouble> {
    match word {
        "fail" => Ok(Trouble::Fails),
        "hang" => Ok(Trouble::Hangs),
        "late" => Ok(Trouble::Late(parse_span(words.need("by")?)?)),
        other => Err(format!("`{other}` is no trouble")),
    }
}

/// All old news there are.
pub(crate) const STRAYS: [Stray; 8] = [
    Stray::ActivitySeen,
    Stray::EndFailed,
    Stray::ExtensionAsked,
    Stray::GroupsUnavailable,
    Stray::HungUp,
    Stray::Locked,
    Stray::ProbeFailed,
    Stray::Unlocked,
];

const fn stray_word(stray: Stray) -> &'static str {
    match stray {
        Stray::ActivitySeen => "activity-seen",
        Stray::EndFailed => "end-failed",
        Stray::ExtensionAsked => "extension-asked",
        Stray::GroupsUnavailable => "groups-unavailable",
        Stray::HungUp => "hung-up",
        Stray::Locked => "locked",
        Stray::ProbeFailed => "probe-failed",
        Stray::Unlocked => "unlocked",
    }
}

fn parse_stray(word: &str) -> Parsed<Stray> {
    let mut strays = STRAYS.into_iter();
    strays
        .find(|stray| stray_word(*stray) == word)
        .ok_or_else(|| format!("`{word}` is no news"))
}
