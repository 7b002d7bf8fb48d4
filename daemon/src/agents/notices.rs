//! The notices that a desktop's agent shows to its user: the current warning of each limit, or the
//! end.
//!
//! An agent is sent the differences from the notices that it was sent last, so there is no queue: a
//! slow agent misses notices that have been withdrawn meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Extensions, LimitKind, Limits, View, Warning};
use session_timeout_protocol::bus::{agent, warning};
use session_timeout_texts::{Language, sanitize};
use tokio::sync::watch;
use zbus::message::Flags;
use zbus::names::OwnedUniqueName;
use zbus::wire::Variant;
use zbus::{Connection, Message};

use crate::sys::clock::boot_now;
use crate::text;

/// The current notice of each limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notices {
    absolute: Notice,
    inactivity: Notice,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Notice {
    #[default]
    Nothing,
    Warned(WarningNotice),
    Ending(EndNotice),
}

/// A warning, as an agent shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WarningNotice {
    limit: LimitKind,
    length: Duration,
    lead: Duration,
    ends_at: BootTime,
    /// No later warning of the limit follows.
    is_last: bool,
    action: EndAction,
    rule: Option<String>,
    message: Option<String>,
    /// The number of extensions that are left, and their length.
    extensions: Extensions,
}

/// An end, as an agent shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EndNotice {
    limit: LimitKind,
    length: Duration,
    action: EndAction,
}

impl Notices {
    /// The notices for a session with these warnings.
    pub(crate) fn of(language: Language, session: &View<'_>, warnings: &[Warning]) -> Self {
        let mut notices = Self::default();
        for warning in warnings {
            notices.warn(language, session, warning);
        }
        notices
    }

    /// Shows a warning.
    pub(crate) fn warn(&mut self, language: Language, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let warning_notice = WarningNotice::of(language, session, limits, warning);
        *self.notice(warning.limit) = Notice::Warned(warning_notice);
    }

    /// Withdraws the warning of this limit.
    pub(crate) fn withdraw(&mut self, limit: LimitKind) {
        *self.notice(limit) = Notice::Nothing;
    }

    /// Shows that the session ends or is locked, for this limit.
    pub(crate) fn end(&mut self, limit: LimitKind, length: Duration, action: EndAction) {
        *self = Self::default();
        *self.notice(limit) = Notice::Ending(EndNotice {
            limit,
            length,
            action,
        });
    }

    fn notice(&mut self, limit: LimitKind) -> &mut Notice {
        match limit {
            LimitKind::Absolute => &mut self.absolute,
            LimitKind::Inactivity => &mut self.inactivity,
        }
    }

    fn all(&self) -> [(LimitKind, &Notice); 2] {
        [
            (LimitKind::Absolute, &self.absolute),
            (LimitKind::Inactivity, &self.inactivity),
        ]
    }
}

impl WarningNotice {
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
            is_last: shortest == Some(warning.lead),
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

    fn dictionary(&self) -> Dictionary {
        let (limit, action) = (self.limit.to_string(), self.action.as_str());
        let mut dictionary = HashMap::from([
            (warning::LIMIT, Variant::from(limit)),
            (
                warning::ENDS_IN_USEC,
                micros(self.ends_at.since(boot_now())),
            ),
            (warning::LENGTH_USEC, micros(self.length)),
            (warning::LEAD_USEC, micros(self.lead)),
            (warning::LAST, Variant::from(self.is_last)),
            (warning::ACTION, Variant::from(action)),
            (
                warning::EXTENSIONS_LEFT,
                Variant::from(self.extensions.times),
            ),
            (warning::EXTEND_BY_USEC, micros(self.extensions.by)),
        ]);
        let texts = [
            (warning::RULE, &self.rule),
            (warning::MESSAGE, &self.message),
        ]
        .into_iter();
        dictionary
            .extend(texts.filter_map(|(key, text)| Some((key, Variant::from(text.clone()?)))));
        dictionary
    }
}

impl EndNotice {
    fn dictionary(&self) -> Dictionary {
        let (limit, action) = (self.limit.to_string(), self.action.as_str());
        HashMap::from([
            (warning::LIMIT, Variant::from(limit)),
            (warning::LENGTH_USEC, micros(self.length)),
            (warning::ACTION, Variant::from(action)),
        ])
    }
}

type Dictionary = HashMap<&'static str, Variant<'static>>;

fn micros(span: Duration) -> Variant<'static> {
    Variant::from(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// Sends an agent the changes of its notices, until it is forgotten.
pub(super) async fn send_changes(
    connection: &Connection,
    name: &OwnedUniqueName,
    mut wanted: watch::Receiver<Option<Notices>>,
) {
    let mut sent = None;
    while wanted.changed().await.is_ok() {
        let notices = wanted.borrow_and_update().clone();
        let Some(notices) = notices else { continue };
        for (limit, notice) in changes(sent.as_ref(), &notices) {
            send_notice(connection, name, limit, notice).await;
        }
        sent = Some(notices);
    }
}

/// The notices that differ from those that were sent last.
fn changes<'a>(
    sent: Option<&'a Notices>,
    notices: &'a Notices,
) -> impl Iterator<Item = (LimitKind, &'a Notice)> {
    let before = sent.map(Notices::all);
    let now = notices.all().into_iter().enumerate();
    now.filter(move |(index, notice)| before.is_none_or(|before| before[*index] != *notice))
        .map(|(_, notice)| notice)
}

async fn send_notice(
    connection: &Connection,
    name: &OwnedUniqueName,
    limit: LimitKind,
    notice: &Notice,
) {
    let sent = match notice {
        Notice::Nothing => send(connection, name, agent::WITHDRAW, &limit.to_string()).await,
        Notice::Warned(warning_notice) => {
            send(connection, name, agent::WARN, &warning_notice.dictionary()).await
        }
        Notice::Ending(end) => send(connection, name, agent::ENDING, &end.dictionary()).await,
    };
    if let Err(why) = sent {
        log::debug!("cannot send agent {name} the notice of the {limit} limit: {why}");
    }
}

/// Sends a call without a reply.
async fn send<B>(
    connection: &Connection,
    name: &OwnedUniqueName,
    method: &str,
    body: &B,
) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let message = Message::method_call(agent::PATH, method)
        .destination(name)
        .interface(agent::INTERFACE)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(body)?;
    connection.send(&message).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(900);

    fn warning_notice(lead: u64) -> Notice {
        Notice::Warned(WarningNotice {
            limit: LimitKind::Inactivity,
            length: LENGTH,
            lead: Duration::from_secs(lead),
            ends_at: BootTime::default(),
            is_last: false,
            action: EndAction::Terminate,
            rule: None,
            message: None,
            extensions: Limits::default().extensions,
        })
    }

    fn warned(lead: u64) -> Notices {
        Notices {
            absolute: Notice::Nothing,
            inactivity: warning_notice(lead),
        }
    }

    fn sent(before: Option<&Notices>, now: &Notices) -> Vec<LimitKind> {
        changes(before, now).map(|(limit, _)| limit).collect()
    }

    #[test]
    fn a_new_agent_is_sent_the_notices_of_both_limits() {
        let both = [LimitKind::Absolute, LimitKind::Inactivity];
        assert_eq!(sent(None, &warned(60)), both);
    }

    #[test]
    fn each_warning_is_sent_once() {
        let before = warned(60);
        assert_eq!(sent(Some(&before), &warned(60)), []);
        let next = warned(30);
        assert_eq!(sent(Some(&before), &next), [LimitKind::Inactivity]);
    }

    #[test]
    fn an_end_leaves_nothing_of_what_was_warned_of() {
        let mut notices = warned(60);
        notices.end(LimitKind::Absolute, LENGTH, EndAction::HangUp);
        assert_eq!(notices.inactivity, Notice::Nothing);
        let hung_up = notices.clone();
        notices.end(LimitKind::Absolute, LENGTH, EndAction::Terminate);
        let said = sent(Some(&hung_up), &notices);
        assert_eq!(said, [LimitKind::Absolute], "what comes next is sent");
        notices.withdraw(LimitKind::Absolute);
        assert_eq!(notices, Notices::default());
    }

    #[test]
    fn a_notice_has_every_key_and_no_text_that_is_not_set() {
        let Notice::Warned(mut warning_notice) = warning_notice(60) else {
            panic!("it is a warning")
        };
        assert_eq!(warning_notice.dictionary().len(), 8);
        warning_notice.rule = Some("card data".to_owned());
        warning_notice.message = Some("Go home".to_owned());
        let sent = warning_notice.dictionary();
        assert_eq!(sent.len(), 10);
        assert_eq!(sent[warning::LIMIT], Variant::from("inactivity"));
        assert_eq!(sent[warning::MESSAGE], Variant::from("Go home"));
    }
}
