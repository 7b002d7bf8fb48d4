//! The text form of a login.

use std::time::Duration;

use session_timeout_policy::{SessionClass, SessionType, Uid};

use super::words::{Parsed, Words, number, parse_span, span};
use crate::plan::{
    Agent, End, Habits, InputSource, Leftovers, LoginId, LogindSession, Pam, Person, Screen,
};

pub(super) fn write(person: &Person) -> String {
    let mut text = format!(
        "id={} user={} uid={} class={} type={}",
        person.id,
        person.user,
        person.uid,
        person.class.as_str(),
        person.session_type.as_str(),
    );
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!(" {key}={value}");
        }
    };
    add("groups", some_list(&person.groups));
    add("service", person.service.clone());
    add("host", person.host.clone());
    add("tty", person.tty.clone());
    add("seat", person.seat.clone());
    add(
        "pam",
        match person.pam {
            Pam::Silent => None,
            Pam::First => Some("first".to_owned()),
            Pam::Second(after) => Some(span(after)),
        },
    );
    add(
        "known",
        match person.known {
            LogindSession::Always => None,
            LogindSession::Late(after) => Some(span(after)),
            LogindSession::Never => Some("never".to_owned()),
        },
    );
    add(
        "idle",
        match person.idle {
            InputSource::Terminals(count) => Some(format!("terminals:{count}")),
            InputSource::Console => Some("console".to_owned()),
            InputSource::Hint(after) => Some(format!("hint:{}", span(after))),
            InputSource::Agent(how, hint) => {
                let how = match how {
                    Agent::Asked => "asked",
                    Agent::Called => "called",
                };
                let hint = hint.map(|after| format!("+{}", span(after)));
                Some(format!("agent:{how}{}", hint.unwrap_or_default()))
            }
            InputSource::Nobody => None,
        },
    );
    add(
        "screen",
        match person.screen {
            Screen::Missing => None,
            Screen::Stubborn => Some("stubborn".to_owned()),
            Screen::Locks(after) => Some(format!("locks:{}", span(after))),
            Screen::LocksMutely(after) => Some(format!("mutely:{}", span(after))),
        },
    );
    let End {
        exits,
        dies,
        hangs_up,
        leftovers,
        survives,
    } = person.end;
    add("exits", exits.map(span));
    add("dies", Some(span(dies)));
    add("hangs-up", hangs_up.map(span));
    add(
        "leaves",
        (leftovers == Leftovers::Tmux).then(|| "tmux".to_owned()),
    );
    add("survives", (survives > 0).then(|| survives.to_string()));
    let often = |habit: Option<(Duration, u32)>| {
        habit.map(|(after, times)| format!("{}*{times}", span(after)))
    };
    add("responds", often(person.habits.responds));
    add("asks", often(person.habits.asks));
    add("unlocks", person.habits.unlocks.map(span));
    text
}

fn some_list(items: &[String]) -> Option<String> {
    (!items.is_empty()).then(|| items.join(","))
}

pub(super) fn parse(who: LoginId, line: &str) -> Parsed<Person> {
    let words = Words::of(line);
    let owned = |key: &str| words.get(key).map(str::to_owned);
    let spans = |key: &str| words.get(key).map(parse_span).transpose();
    let often = |key: &str| {
        words
            .get(key)
            .map(|text| {
                let (after, times) = text.split_once('*').ok_or("how often?")?;
                Ok((parse_span(after)?, number(times)?))
            })
            .transpose()
            .map_err(|why: String| format!("`{key}`: {why}"))
    };
    Ok(Person {
        who,
        id: words.need("id")?.to_owned(),
        user: words.need("user")?.to_owned(),
        uid: Uid::new(words.number("uid")?),
        groups: words.list("groups").map(str::to_owned).collect(),
        class: SessionClass::parse(words.need("class")?),
        session_type: SessionType::parse(words.need("type")?),
        service: owned("service"),
        host: owned("host"),
        tty: owned("tty"),
        seat: owned("seat"),
        pam: match words.get("pam") {
            None => Pam::Silent,
            Some("first") => Pam::First,
            Some(after) => Pam::Second(parse_span(after)?),
        },
        known: match words.get("known") {
            None => LogindSession::Always,
            Some("never") => LogindSession::Never,
            Some(after) => LogindSession::Late(parse_span(after)?),
        },
        idle: parse_idle(words.get("idle"))?,
        screen: parse_screen(words.get("screen"))?,
        end: End {
            exits: spans("exits")?,
            dies: words.span("dies")?,
            hangs_up: spans("hangs-up")?,
            leftovers: match words.get("leaves") {
                Some("tmux") => Leftovers::Tmux,
                _ => Leftovers::Nothing,
            },
            survives: words.get("survives").map_or(Ok(0), number)?,
        },
        habits: Habits {
            responds: often("responds")?,
            asks: often("asks")?,
            unlocks: spans("unlocks")?,
        },
    })
}

fn parse_idle(text: Option<&str>) -> Parsed<InputSource> {
    match text.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        None => Ok(InputSource::Nobody),
        Some(("console", _)) => Ok(InputSource::Console),
        Some(("terminals", count)) => Ok(InputSource::Terminals(number(count)?)),
        Some(("hint", after)) => Ok(InputSource::Hint(parse_span(after)?)),
        Some(("agent", how)) => parse_agent(how),
        Some((other, _)) => Err(format!("`{other}` knows no idle time")),
    }
}

fn parse_agent(text: &str) -> Parsed<InputSource> {
    let (how, hint) = text
        .split_once('+')
        .map_or((text, None), |(how, hint)| (how, Some(hint)));
    let how = match how {
        "asked" => Agent::Asked,
        "called" => Agent::Called,
        other => return Err(format!("no agent is `{other}`")),
    };
    Ok(InputSource::Agent(how, hint.map(parse_span).transpose()?))
}

fn parse_screen(text: Option<&str>) -> Parsed<Screen> {
    match text.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        None => Ok(Screen::Missing),
        Some(("stubborn", _)) => Ok(Screen::Stubborn),
        Some(("locks", after)) => Ok(Screen::Locks(parse_span(after)?)),
        Some(("mutely", after)) => Ok(Screen::LocksMutely(parse_span(after)?)),
        Some((other, _)) => Err(format!("`{other}` is no screen")),
    }
}
