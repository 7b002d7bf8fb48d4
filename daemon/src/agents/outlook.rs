//! What the user of a desktop is to be told through its agent: what the session is threatened with
//! as things stand, and that it ends.
//!
//! An agent is told what has changed since it was told last. One that takes its time misses what
//! did not last, and nothing piles up for it.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Extensions, LimitKind, Limits, View, Warning};
use session_timeout_texts::{Language, sanitize};
use tokio::sync::watch;
use zbus::message::Flags;
use zbus::names::OwnedUniqueName;
use zbus::wire::Variant;
use zbus::{Connection, Message};

use super::{INTERFACE, PATH};
use crate::clock::boot_now;
use crate::text;

/// What is told of each limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    absolute: Prospect,
    inactivity: Prospect,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Prospect {
    #[default]
    Nothing,
    Warned(Threat),
    Ending(End),
}

/// What a warning says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Threat {
    limit: LimitKind,
    length: Duration,
    lead: Duration,
    ends_at: BootTime,
    rank: Rank,
    action: EndAction,
    rule: Option<String>,
    message: Option<String>,
    /// How often that may still be done, and by how much.
    extensions: Extensions,
}

/// Which of its limit's warnings one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Last,
    /// Others follow.
    Earlier,
}

/// What an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    limit: LimitKind,
    length: Duration,
    action: EndAction,
}

impl Outlook {
    /// Of a session whose user was warned so.
    pub(crate) fn of(language: Language, session: &View<'_>, warnings: &[Warning]) -> Self {
        let mut outlook = Self::default();
        for warning in warnings {
            outlook.warn(language, session, warning);
        }
        outlook
    }

    /// The user is warned.
    pub(crate) fn warn(&mut self, language: Language, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let threat = Threat::of(language, session, limits, warning);
        *self.prospect(warning.limit) = Prospect::Warned(threat);
    }

    /// That will not happen.
    pub(crate) fn withdraw(&mut self, limit: LimitKind) {
        *self.prospect(limit) = Prospect::Nothing;
    }

    /// The session ends for this limit, or is locked.
    pub(crate) fn end(&mut self, limit: LimitKind, length: Duration, action: EndAction) {
        *self = Self::default();
        *self.prospect(limit) = Prospect::Ending(End {
            limit,
            length,
            action,
        });
    }

    fn prospect(&mut self, limit: LimitKind) -> &mut Prospect {
        match limit {
            LimitKind::Absolute => &mut self.absolute,
            LimitKind::Inactivity => &mut self.inactivity,
        }
    }

    fn prospects(&self) -> [(LimitKind, &Prospect); 2] {
        [
            (LimitKind::Absolute, &self.absolute),
            (LimitKind::Inactivity, &self.inactivity),
        ]
    }
}

impl Threat {
    fn of(language: Language, session: &View<'_>, limits: &Limits, warning: &Warning) -> Self {
        let allowed = session.extensions().unwrap_or(limits.extensions);
        let left = warning.ends_at.since(boot_now());
        let limits_for = session.limits_for(warning.limit).unwrap_or(limits);
        let leads = limits_for.get(warning.limit).map(|limit| &limit.leads);
        let shortest = leads.and_then(session_timeout_policy::Leads::shortest);
        Self {
            limit: warning.limit,
            length: warning.length,
            lead: warning.lead,
            ends_at: warning.ends_at,
            rank: if shortest == Some(warning.lead) {
                Rank::Last
            } else {
                Rank::Earlier
            },
            action: session
                .end_action_for(warning.limit)
                .unwrap_or(limits.end_action),
            rule: session.rule_for(warning.limit).map(sanitize),
            message: text::message(language, session, warning, left),
            extensions: Extensions {
                times: allowed.times.saturating_sub(session.granted.times),
                by: allowed.by,
            },
        }
    }

    fn told(&self) -> Dictionary {
        let (limit, action) = (self.limit.to_string(), self.action.as_str());
        let mut told = HashMap::from([
            ("Limit", Variant::from(limit)),
            ("EndsInUSec", micros(self.ends_at.since(boot_now()))),
            ("LengthUSec", micros(self.length)),
            ("LeadUSec", micros(self.lead)),
            ("Last", Variant::from(self.rank == Rank::Last)),
            ("Action", Variant::from(action)),
            ("ExtensionsLeft", Variant::from(self.extensions.times)),
            ("ExtendByUSec", micros(self.extensions.by)),
        ]);
        let texts = [("Rule", &self.rule), ("Message", &self.message)].into_iter();
        told.extend(texts.filter_map(|(key, text)| Some((key, Variant::from(text.clone()?)))));
        told
    }
}

impl End {
    fn told(&self) -> Dictionary {
        let (limit, action) = (self.limit.to_string(), self.action.as_str());
        HashMap::from([
            ("Limit", Variant::from(limit)),
            ("LengthUSec", micros(self.length)),
            ("Action", Variant::from(action)),
        ])
    }
}

type Dictionary = HashMap<&'static str, Variant<'static>>;

fn micros(span: Duration) -> Variant<'static> {
    Variant::from(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// Tells this agent, for as long as there is anything to tell. Before the first outlook is there it
/// is told nothing.
pub(super) async fn tell(
    connection: &Connection,
    name: &OwnedUniqueName,
    mut wanted: watch::Receiver<Option<Outlook>>,
) {
    let mut told = None;
    while wanted.changed().await.is_ok() {
        let outlook = wanted.borrow_and_update().clone();
        let Some(outlook) = outlook else { continue };
        for (limit, prospect) in changes(told.as_ref(), &outlook) {
            tell_one(connection, name, limit, prospect).await;
        }
        told = Some(outlook);
    }
}

/// What an agent is told that was told that before.
fn changes<'a>(
    told: Option<&'a Outlook>,
    outlook: &'a Outlook,
) -> impl Iterator<Item = (LimitKind, &'a Prospect)> {
    let before = told.map(Outlook::prospects);
    let now = outlook.prospects().into_iter().enumerate();
    now.filter(move |(index, prospect)| before.is_none_or(|before| before[*index] != *prospect))
        .map(|(_, prospect)| prospect)
}

async fn tell_one(
    connection: &Connection,
    name: &OwnedUniqueName,
    limit: LimitKind,
    prospect: &Prospect,
) {
    let told = match prospect {
        Prospect::Nothing => send(connection, name, "Withdraw", &limit.to_string()).await,
        Prospect::Warned(threat) => send(connection, name, "Warn", &threat.told()).await,
        Prospect::Ending(end) => send(connection, name, "Ending", &end.told()).await,
    };
    if let Err(why) = told {
        log::debug!("agent {name} was not told of the {limit} limit: {why}");
    }
}

/// Nobody waits for it to take note.
async fn send<B>(
    connection: &Connection,
    name: &OwnedUniqueName,
    method: &str,
    body: &B,
) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let message = Message::method_call(PATH, method)
        .destination(name)
        .interface(INTERFACE)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(body)?;
    connection.send(&message).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(900);

    fn threat(lead: u64) -> Prospect {
        Prospect::Warned(Threat {
            limit: LimitKind::Inactivity,
            length: LENGTH,
            lead: Duration::from_secs(lead),
            ends_at: BootTime::default(),
            rank: Rank::Earlier,
            action: EndAction::Terminate,
            rule: None,
            message: None,
            extensions: Limits::default().extensions,
        })
    }

    fn warned(lead: u64) -> Outlook {
        Outlook {
            absolute: Prospect::Nothing,
            inactivity: threat(lead),
        }
    }

    fn told(before: Option<&Outlook>, now: &Outlook) -> Vec<LimitKind> {
        changes(before, now).map(|(limit, _)| limit).collect()
    }

    #[test]
    fn a_new_agent_is_told_of_what_stands_and_of_what_does_not() {
        let both = [LimitKind::Absolute, LimitKind::Inactivity];
        assert_eq!(told(None, &warned(60)), both);
    }

    #[test]
    fn each_warning_is_told_once() {
        let before = warned(60);
        assert_eq!(told(Some(&before), &warned(60)), []);
        let next = warned(30);
        assert_eq!(told(Some(&before), &next), [LimitKind::Inactivity]);
    }

    #[test]
    fn an_end_leaves_nothing_of_what_was_warned_of() {
        let mut outlook = warned(60);
        outlook.end(LimitKind::Absolute, LENGTH, EndAction::HangUp);
        assert_eq!(outlook.inactivity, Prospect::Nothing);
        let hung_up = outlook.clone();
        outlook.end(LimitKind::Absolute, LENGTH, EndAction::Terminate);
        let said = told(Some(&hung_up), &outlook);
        assert_eq!(said, [LimitKind::Absolute], "what comes next is told");
        outlook.withdraw(LimitKind::Absolute);
        assert_eq!(outlook, Outlook::default());
    }

    #[test]
    fn what_is_told_has_every_key_and_no_text_that_is_not_there() {
        let Prospect::Warned(mut threat) = threat(60) else {
            panic!("it is a warning")
        };
        assert_eq!(threat.told().len(), 8);
        threat.rule = Some("card data".to_owned());
        threat.message = Some("Go home".to_owned());
        let told = threat.told();
        assert_eq!(told.len(), 10);
        assert_eq!(told["Limit"], Variant::from("inactivity"));
        assert_eq!(told["Message"], Variant::from("Go home"));
    }
}
