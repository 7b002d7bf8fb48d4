//! What others may ask of the daemon over D-Bus: `org.sessiontimeout1.Manager`.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use session_timeout_policy::{EndAction, Exemption, IdleSource, LimitKind, Phase, SessionFacts};
use tokio::sync::{mpsc, oneshot};
use zbus::message::Header;
use zbus::wire::Variant;
use zbus::{Connection, fdo, interface};

use crate::input::Input;
use crate::probe::probe;

const BUS_NAME: &str = "org.sessiontimeout1";
const PATH: &str = "/org/sessiontimeout1";
/// Sessions that are looked at at once for one question.
const PROBES: usize = 16;

/// Where everything stands.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) policy_path: String,
    pub(crate) policy_state: &'static str,
    pub(crate) policy_error: Option<String>,
    pub(crate) short_limits: bool,
    pub(crate) logind_connected: bool,
    pub(crate) rejected_frames: u64,
    pub(crate) sessions: Vec<SessionReport>,
}

/// Where one session stands.
#[derive(Debug)]
pub(crate) struct SessionReport {
    pub(crate) facts: SessionFacts,
    pub(crate) phase: Phase,
    pub(crate) idle: Option<Duration>,
    pub(crate) idle_source: IdleSource,
    pub(crate) ends: Option<(LimitKind, Duration)>,
    pub(crate) absolute: Option<Duration>,
    pub(crate) inactivity: Option<Duration>,
    pub(crate) end_action: Option<EndAction>,
}

/// Offers the interface on this connection. Without it everything else goes on: it is there to
/// look at, not to enforce.
pub(crate) async fn serve(connection: &Connection, inputs: mpsc::Sender<Input>) {
    let manager = Manager { inputs };
    if let Err(error) = connection.object_server().at(PATH, manager).await {
        log::warn!("cannot offer {BUS_NAME}: {error}");
    }
    if let Err(error) = connection.request_name(BUS_NAME).await {
        log::warn!("cannot own {BUS_NAME} on the system bus: {error}");
    }
}

struct Manager {
    inputs: mpsc::Sender<Input>,
}

#[interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    /// Every session that a person logged in to, for root; for anybody else the caller's own.
    async fn list_sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Vec<HashMap<&'static str, Variant<'static>>>> {
        let caller = caller(connection, &header).await?;
        let may_see = |session: &SessionFacts| {
            session.class.is_login_of_a_person() && (caller == 0 || session.uid.as_raw() == caller)
        };

        let before = self.ask().await?;
        let visible = before
            .sessions
            .into_iter()
            .map(|session| session.facts)
            .filter(&may_see);
        stream::iter(visible)
            .for_each_concurrent(PROBES, |session| async {
                let reading = probe(Some(connection.clone()), session).await;
                let _ = self.inputs.send(Input::Event(reading)).await;
            })
            .await;
        let after = self.ask().await?;
        Ok(after
            .sessions
            .iter()
            .filter(|session| may_see(&session.facts))
            .map(row)
            .collect())
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
    async fn ask(&self) -> fdo::Result<Report> {
        let stopping = || fdo::Error::Failed("session-timeoutd is stopping".to_owned());
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

/// A session as D-Bus has it: what is not known or does not hold is not there.
fn row(session: &SessionReport) -> HashMap<&'static str, Variant<'static>> {
    let facts = &session.facts;
    let phase = match session.phase {
        Phase::Running => "running",
        Phase::Warned => "warned",
        Phase::Ending(_) => "ending",
        Phase::Reported => "reported",
        Phase::Exempt(_) => "exempt",
    };
    let exemption = match session.phase {
        Phase::Exempt(why) => Some(why),
        Phase::Running | Phase::Warned | Phase::Ending(_) | Phase::Reported => None,
    };
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let end_action = session.end_action.map(|action| match action {
        EndAction::Terminate => "terminate",
        EndAction::Report => "report",
    });
    let always = [
        ("Id", Variant::from(facts.key.id.clone())),
        ("User", Variant::from(facts.user.clone())),
        ("Uid", Variant::from(facts.uid.as_raw())),
        ("Type", Variant::from(facts.session_type.as_str())),
        ("Class", Variant::from(facts.class.as_str().to_owned())),
        ("Phase", Variant::from(phase)),
        ("IdleSource", Variant::from(session.idle_source.as_str())),
    ];
    let sometimes = [
        ("Service", facts.service.clone().map(Variant::from)),
        ("From", facts.remote_host.clone().map(Variant::from)),
        ("Terminal", facts.terminal.clone().map(Variant::from)),
        (
            "Exemption",
            exemption.map(|why: Exemption| Variant::from(why.to_string())),
        ),
        (
            "IdleUSec",
            session.idle.map(|idle| Variant::from(micros(idle))),
        ),
        (
            "EndsBy",
            session
                .ends
                .map(|(limit, _)| Variant::from(limit.to_string())),
        ),
        (
            "LeftUSec",
            session.ends.map(|(_, left)| Variant::from(micros(left))),
        ),
        (
            "AbsoluteUSec",
            session.absolute.map(|limit| Variant::from(micros(limit))),
        ),
        (
            "InactivityUSec",
            session.inactivity.map(|limit| Variant::from(micros(limit))),
        ),
        ("EndAction", end_action.map(Variant::from)),
    ];
    let sometimes = sometimes
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    always.into_iter().chain(sometimes).collect()
}
