//! The text form of policies: one line for the default, and one for each rule.

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{
    ActivityKind, Bell, EndAction, Extensions, Host, Leads, Limit, Limits, Match, Mesg, Pattern,
    Policy, Reach, Rule, SessionType, Uid, UnknownIdle,
};

use super::words::{Parsed, Words, number, parse_span, span};

pub(super) fn write(policy: &Policy) -> String {
    let default = policy.default.as_ref().map_or("none".to_owned(), limits);
    let mut text = format!("policy uid-min={} {default}\n", policy.first_regular_uid);
    for rule in &policy.rules {
        let (matching, limits) = (matching(&rule.matching), limits(&rule.limits));
        text += &format!("rule name={}{matching} {limits}\n", rule.name);
    }
    text
}

pub(super) fn parse(line: &str) -> Parsed<Policy> {
    let words = Words::of(line);
    let none = words.get("none").is_some();
    Ok(Policy {
        default: if none {
            None
        } else {
            Some(parse_limits(&words)?)
        },
        rules: Vec::new(),
        first_regular_uid: Uid::new(words.number("uid-min")?),
    })
}

pub(super) fn parse_rule(line: &str) -> Parsed<Rule> {
    let words = Words::of(line);
    Ok(Rule {
        name: words.need("name")?.to_owned(),
        matching: parse_matching(&words)?,
        limits: parse_limits(&words)?,
    })
}

fn limit(limit: &Limit) -> String {
    let leads: Vec<String> = limit.leads.iter().map(span).collect();
    format!("{}:{}", span(limit.length), leads.join(","))
}

fn parse_limit(text: &str) -> Parsed<Limit> {
    let (length, leads) = text.split_once(':').unwrap_or((text, ""));
    let leads = leads.split(',').filter(|lead| !lead.is_empty());
    let leads = leads.map(parse_span).collect::<Parsed<Vec<Duration>>>()?;
    Ok(Limit {
        length: parse_span(length)?,
        leads: Leads::new(leads),
    })
}

fn limits(limits: &Limits) -> String {
    let mut text = format!("absolute={}", limit(&limits.absolute));
    if let Some(inactivity) = &limits.inactivity {
        text += &format!(" inactivity={}", limit(inactivity));
    }
    if let Some(after) = limits.lock_after {
        text += &format!(" lock-after={}", span(after));
    }
    let activity: Vec<&str> = limits.activity.iter().map(|kind| activity(*kind)).collect();
    let action = match limits.end_action {
        EndAction::HangUp => "hang-up",
        EndAction::Lock => "lock",
        EndAction::Report => "report",
        EndAction::Terminate => "terminate",
    };
    let unknown = match limits.unknown_idle {
        UnknownIdle::CountFromLogin => "count-from-login",
        UnknownIdle::Report => "report",
    };
    text += &format!(
        " action={action} activity={} unknown-idle={unknown} grace={} extend={}*{}",
        activity.join(","),
        span(limits.grace),
        span(limits.extensions.by),
        limits.extensions.times,
    );
    text
}

const fn activity(kind: ActivityKind) -> &'static str {
    match kind {
        ActivityKind::Input => "input",
        ActivityKind::Output => "output",
        ActivityKind::Inhibitor => "inhibitor",
    }
}

fn parse_limits(words: &Words<'_>) -> Parsed<Limits> {
    let (by, times) = words
        .need("extend")?
        .split_once('*')
        .ok_or("`extend=` is a span, `*` and how often")?;
    let kinds = [
        ActivityKind::Input,
        ActivityKind::Output,
        ActivityKind::Inhibitor,
    ];
    let activity = words.list("activity").filter_map(|word| {
        let mut kinds = kinds.into_iter();
        kinds.find(|kind| activity(*kind) == word)
    });
    Ok(Limits {
        absolute: parse_limit(words.need("absolute")?)?,
        inactivity: words.get("inactivity").map(parse_limit).transpose()?,
        lock_after: words.get("lock-after").map(parse_span).transpose()?,
        end_action: match words.need("action")? {
            "hang-up" => EndAction::HangUp,
            "lock" => EndAction::Lock,
            "report" => EndAction::Report,
            "terminate" => EndAction::Terminate,
            other => return Err(format!("`{other}` is no action")),
        },
        activity: activity.collect::<BTreeSet<_>>(),
        unknown_idle: match words.need("unknown-idle")? {
            "count-from-login" => UnknownIdle::CountFromLogin,
            "report" => UnknownIdle::Report,
            other => return Err(format!("`{other}` is no word for an unknown idle time")),
        },
        grace: words.span("grace")?,
        extensions: Extensions {
            times: number(times)?,
            by: parse_span(by)?,
        },
        message: None,
        bell: Bell::Silent,
        mesg: Mesg::Ignored,
    })
}

fn matching(rule: &Match) -> String {
    let mut text = String::new();
    let mut add = |key: &str, values: Option<Vec<String>>| {
        if let Some(values) = values {
            text += &format!(" {key}={}", values.join(","));
        }
    };
    let names = |patterns: &Option<Vec<Pattern>>| {
        let patterns = patterns.as_ref()?;
        Some(patterns.iter().map(ToString::to_string).collect())
    };
    add("user", names(&rule.user));
    add("group", names(&rule.group));
    add("service", names(&rule.service));
    add("tty", names(&rule.tty));
    add("seat", names(&rule.seat));
    let types = rule.session_type.as_ref();
    add(
        "type",
        types.map(|types| types.iter().map(|kind| kind.as_str().to_owned()).collect()),
    );
    let from = rule.from.as_ref();
    add(
        "from",
        from.map(|from| from.iter().map(ToString::to_string).collect()),
    );
    add(
        "remote",
        rule.reach
            .map(|reach| vec![(reach == Reach::Remote).to_string()]),
    );
    text
}

fn parse_matching(words: &Words<'_>) -> Parsed<Match> {
    let names = |key: &str| {
        let asked = words.get(key).is_some();
        asked.then(|| words.list(key).map(Pattern::new).collect())
    };
    let types = words.get("type").is_some();
    let from = words.list("from").map(|host| match host.parse() {
        Ok(network) => Host::Network(network),
        Err(_) => Host::Name(Pattern::new(host)),
    });
    Ok(Match {
        user: names("user"),
        group: names("group"),
        service: names("service"),
        tty: names("tty"),
        seat: names("seat"),
        session_type: types.then(|| words.list("type").map(SessionType::parse).collect()),
        class: None,
        reach: match words.get("remote") {
            Some("true") => Some(Reach::Remote),
            Some("false") => Some(Reach::Local),
            None => None,
            Some(other) => return Err(format!("`{other}` is neither true nor false")),
        },
        from: words.get("from").map(|_| from.collect()),
    })
}
