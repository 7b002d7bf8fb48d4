//! What others may ask of the daemon over D-Bus: `org.sessiontimeout1.Manager`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use session_timeout_policy::{
    Exemption, Groups, LimitKind, LockCause, MilestoneKind, Phase, SessionFacts, SessionKey,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use zbus::message::Header;
use zbus::wire::Variant;
use zbus::{Connection, fdo, interface};

use crate::input::Input;
use crate::probe::Prober;
use crate::report::{Explanation, Extension, Report, SessionReport};
use crate::text;

const BUS_NAME: &str = "org.sessiontimeout1";
const PATH: &str = "/org/sessiontimeout1";
/// Sessions that are looked at at once for all questions.
const PROBES: usize = 16;
/// A session is looked at once in this time, however often it is asked for.
const FRESH: Duration = Duration::from_secs(1);

/// Offers the interface on this connection. Without it everything else goes on: it is there to
/// look at, not to enforce.
pub(crate) async fn serve(connection: &Connection, inputs: mpsc::Sender<Input>, prober: Prober) {
    let manager = Manager {
        inputs,
        prober,
        turn: Semaphore::new(PROBES),
        looked: Mutex::default(),
    };
    if let Err(error) = connection.object_server().at(PATH, manager).await {
        log::warn!("cannot offer {BUS_NAME}: {error}");
    }
    if let Err(error) = connection.request_name(BUS_NAME).await {
        log::warn!("cannot own {BUS_NAME} on the system bus: {error}");
    }
}

struct Manager {
    inputs: mpsc::Sender<Input>,
    prober: Prober,
    turn: Semaphore,
    /// When each session was looked at for somebody's question.
    looked: Mutex<HashMap<SessionKey, Instant>>,
}

#[interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    /// Every session that a person logged in to, for root; for anybody else the caller's own.
    async fn list_sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Vec<Row>> {
        let caller = caller(connection, &header).await?;
        let may_see = |session: &SessionReport| may_see(caller, &session.facts);
        let before = self.ask().await?.sessions.into_iter();
        stream::iter(before.filter(&may_see))
            .for_each_concurrent(PROBES, |session| self.look(connection, session))
            .await;
        let after = self.ask().await?;
        Ok(after
            .sessions
            .iter()
            .filter(|one| may_see(one))
            .map(row)
            .collect())
    }

    /// Why a session stands where it does: its rule, every value of it and where that was set,
    /// and what comes next.
    async fn explain(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Row> {
        let caller = caller(connection, &header).await?;
        let unknown = || {
            let which = text::harmless(&session);
            fdo::Error::InvalidArgs(format!("there is no session {which} that you may see"))
        };
        let visible = |found: &Explanation| may_see(caller, &found.session.facts);
        let before = self.explanation(&session).await?;
        let before = before.filter(visible).ok_or_else(unknown)?;
        self.look(connection, before.session).await;
        let after = self.explanation(&session).await?;
        after.filter(visible).map(explained).ok_or_else(unknown)
    }

    /// Puts off the absolute limit of a session once, as far as its policy allows; for root. Says
    /// by how much, in how long the session ends then, both in microseconds, and how often that
    /// may be done again.
    async fn extend_session(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<(u64, u64, u32)> {
        if caller(connection, &header).await? != 0 {
            let only = "only root may extend a session";
            return Err(fdo::Error::AccessDenied(only.to_owned()));
        }
        let (answer, answered) = oneshot::channel();
        let question = Input::Extend(session.clone(), answer);
        self.inputs.send(question).await.map_err(|_| stopping())?;
        match answered.await.map_err(|_| stopping())? {
            Extension::Granted { by, ends_in, left } => Ok((micros(by), micros(ends_in), left)),
            Extension::Refused(why) => Err(fdo::Error::InvalidArgs(why.to_string())),
            Extension::NoSession => {
                let which = text::harmless(&session);
                Err(fdo::Error::InvalidArgs(format!(
                    "there is no session {which}"
                )))
            }
        }
    }

    /// The version of the daemon.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The policy file.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn policy_path(&self) -> fdo::Result<String> {
        Ok(self.ask().await?.policy_path)
    }

    /// `in-force`, `built-in`, `last-good` or `none`.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn policy_state(&self) -> fdo::Result<String> {
        Ok(self.ask().await?.policy_state.to_owned())
    }

    /// Why the policy file as it is now was not taken; empty if it was.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn policy_error(&self) -> fdo::Result<String> {
        Ok(self.ask().await?.policy_error.unwrap_or_default())
    }

    /// Whether the daemon was started with `--allow-short-limits`.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn short_limits(&self) -> fdo::Result<bool> {
        Ok(self.ask().await?.short_limits)
    }

    /// `connected` or `waiting`.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn logind_state(&self) -> fdo::Result<String> {
        let connected = self.ask().await?.logind_connected;
        Ok(if connected { "connected" } else { "waiting" }.to_owned())
    }

    /// Connections to the login socket that sent something else than a frame of ours.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn rejected_frames(&self) -> fdo::Result<u64> {
        Ok(self.ask().await?.rejected_frames)
    }
}

impl Manager {
    /// Reads the session's idle time afresh, before it is told; unless that was just done: anybody
    /// may ask, and as often as the bus allows.
    async fn look(&self, connection: &Connection, session: SessionReport) {
        let Ok(_turn) = self.turn.acquire().await else {
            return;
        };
        if !self.is_due(&session.facts.key) {
            return;
        }
        let counted = session
            .limits
            .map(|limits| limits.activity)
            .unwrap_or_default();
        let connection = Some(connection.clone());
        let reading = self.prober.probe(connection, session.facts, &counted).await;
        let _ = self.inputs.send(Input::Event(reading)).await;
    }

    /// Whether nobody has looked for a while; whoever asks does.
    fn is_due(&self, key: &SessionKey) -> bool {
        let now = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, then| now.duration_since(*then) < FRESH);
        let due = !looked.contains_key(key);
        if due {
            looked.insert(key.clone(), now);
        }
        due
    }

    async fn explanation(&self, session: &str) -> fdo::Result<Option<Explanation>> {
        let (answer, answered) = oneshot::channel();
        let question = Input::Explain(session.to_owned(), answer);
        self.inputs.send(question).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    async fn ask(&self) -> fdo::Result<Report> {
        let (answer, answered) = oneshot::channel();
        self.inputs
            .send(Input::Query(answer))
            .await
            .map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }
}

/// The uid of whoever calls, by the bus's word.
async fn caller(connection: &Connection, header: &Header<'_>) -> fdo::Result<u32> {
    let unknown = || fdo::Error::AccessDenied("the caller is unknown".to_owned());
    let sender = header.sender().ok_or_else(unknown)?;
    let bus = fdo::DBusProxy::new(connection).await?;
    bus.get_connection_unix_user(sender.clone().into())
        .await
        .map_err(|_| unknown())
}

fn stopping() -> fdo::Error {
    fdo::Error::Failed("session-timeoutd is stopping".to_owned())
}

fn may_see(caller: u32, session: &SessionFacts) -> bool {
    session.class.is_login_of_a_person() && (caller == 0 || session.uid.as_raw() == caller)
}

/// What D-Bus has of something: what is not known or does not hold is not there.
type Row = HashMap<&'static str, Variant<'static>>;

/// Where a session stands.
fn row(session: &SessionReport) -> Row {
    let (facts, limits) = (&session.facts, session.limits.as_ref());
    let mut row = head(session);
    row.extend([
        ("Uid", Variant::from(facts.uid.as_raw())),
        ("Type", Variant::from(facts.session_type.as_str())),
        ("Class", Variant::from(facts.class.as_str().to_owned())),
        ("IdleSource", Variant::from(session.idle_source.as_str())),
        ("Locked", Variant::from(session.locked)),
    ]);
    let text = |text: &Option<String>| text.clone().map(Variant::from);
    let span = |span: Option<Duration>| span.map(|span| Variant::from(micros(span)));
    let inactivity = limits.and_then(|limits| limits.get(LimitKind::Inactivity));
    let allowed = limits.map(|limits| Variant::from(limits.extensions.times));
    let used = limits.map(|_| Variant::from(session.granted.times));
    let ends_by = session.ends.map(|(limit, _)| limit.to_string());
    let known = [
        ("Service", text(&facts.service)),
        ("From", text(&facts.remote_host)),
        ("Terminal", text(&facts.terminal)),
        ("Seat", text(&facts.seat)),
        ("IdleUSec", span(session.idle)),
        ("EndsBy", text(&ends_by)),
        ("LeftUSec", span(session.ends.map(|(_, left)| left))),
        (
            "AbsoluteUSec",
            span(limits.map(|limits| limits.absolute.length)),
        ),
        ("InactivityUSec", span(inactivity.map(|limit| limit.length))),
        (
            "LockAfterUSec",
            span(limits.and_then(|limits| limits.lock_after)),
        ),
        ("ExtensionsAllowed", allowed),
        ("ExtensionsUsed", used),
    ];
    row.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    row
}

/// Why a session stands there.
fn explained(explanation: Explanation) -> Row {
    let mut row = head(&explanation.session);
    if let Groups::Known(names) = explanation.session.groups {
        let names: Vec<String> = names.into_iter().collect();
        row.insert("Groups", Variant::from(names));
    }
    let settings = explanation.settings.into_iter();
    let settings: Vec<(String, String, String)> = settings
        .map(|one| (one.key.to_owned(), one.value, one.origin.to_string()))
        .collect();
    row.insert("Settings", Variant::from(settings));
    let schedule = explanation.schedule.into_iter();
    let schedule: Vec<(String, String, u64)> = schedule
        .map(|(what, left)| {
            let (what, limit) = match what {
                MilestoneKind::End(limit) => ("end", LockCause::Limit(limit)),
                MilestoneKind::Lock => ("lock", LockCause::Stage),
                MilestoneKind::Warning(limit, _) => ("warning", LockCause::Limit(limit)),
            };
            (what.to_owned(), limit.to_string(), micros(left))
        })
        .collect();
    row.insert("Schedule", Variant::from(schedule));
    row
}

/// What is always told of a session.
fn head(session: &SessionReport) -> Row {
    let phase = match session.phase {
        Phase::Running => "running",
        Phase::Warned => "warned",
        Phase::Ending(_) => "ending",
        Phase::Held(_) => "held",
        Phase::Reported => "reported",
        Phase::Undecided => "undecided",
        Phase::Exempt(_) => "exempt",
    };
    let mut row = HashMap::from([
        ("Id", Variant::from(session.facts.key.id.clone())),
        ("User", Variant::from(session.facts.user.clone())),
        ("Phase", Variant::from(phase)),
    ]);
    let groups = match session.groups {
        Groups::Unavailable => Some("unavailable"),
        Groups::Untold if session.phase == Phase::Undecided => Some("asked"),
        Groups::Untold | Groups::Known(_) => None,
    };
    let exemption = match session.phase {
        Phase::Exempt(why) => Some(why),
        _ => None,
    };
    let limits = session.limits.as_ref();
    let known = [
        ("Rule", session.rule.clone().map(Variant::from)),
        ("GroupsState", groups.map(Variant::from)),
        (
            "Exemption",
            exemption.map(|why: Exemption| Variant::from(why.to_string())),
        ),
        (
            "EndAction",
            limits.map(|limits| {
                let action = limits.end_action.within(session.facts.session_type);
                Variant::from(action.as_str())
            }),
        ),
    ];
    row.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    row
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
