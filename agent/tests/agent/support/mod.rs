//! A fake system bus with logind and the daemon, and a fake session bus with Mutter, a notification
//! server or a screensaver. The agent is their only client.

mod screensaver;
mod server;

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::message::{Flags, Header};
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, Guid, Message, fdo};

pub(crate) use self::screensaver::{Cover, Hint, MATE, Screensaver, XFCE};

/// The bus names of the daemon, and of another process, which is not root.
pub(crate) const DAEMON: &str = ":1.2";
pub(crate) const STRANGER: &str = ":1.3";
/// The notification server's name on the session bus.
pub(crate) const SERVER: &str = ":1.7";

const LOGIND_PATH: &str = "/org/freedesktop/login1";
const SESSION_PATH: &str = "/org/freedesktop/login1/session/c1";
const USER_PATH: &str = "/org/freedesktop/login1/user/_1";

/// Timeout for each wait, far longer than any of them takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The state of the fake peers.
pub(crate) struct Peers {
    pub(crate) daemon: Daemon,
    pub(crate) session_type: &'static str,
    /// Whether logind has the session.
    pub(crate) session: bool,
    /// Mutter's idle time.
    pub(crate) idle: Duration,
    pub(crate) notifications: Notifications,
    pub(crate) screensaver: Screensaver,
    /// logind's hint that the session is locked.
    pub(crate) hint: Hint,
    /// The number of changes of the hint that logind refuses.
    pub(crate) refused_hints: u32,
    /// The daemon's reply about the end of the last session.
    pub(crate) last_ending: HashMap<&'static str, Variant<'static>>,
}

/// The behavior of the notification server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notifications {
    Absent,
    Shown,
    /// The server does not reply.
    Hanging,
}

#[derive(Clone, Copy)]
pub(crate) enum Daemon {
    Absent,
    Taking,
    Taken,
    Refusing,
    /// Returns an unknown session for this number of calls.
    Unknowing(u32),
}

/// A call of the agent to a fake peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// To the bus, which replies that the daemon has no name.
    FindDaemon,
    Attach(String, String),
    Idle(String),
    Active(String),
    IdleWatch(u64),
    ActiveWatch,
    /// To the notification server: the replaced id, the summary and the body.
    Show(u32, String, String),
    Close(u32),
    Stay(String),
    /// The agent reported that the user has seen the end of the last session.
    LastEndingShown(String),
    /// With or without the flag that allows a password prompt.
    Extend(String, Interaction),
    /// To logind.
    Terminate(String),
    SetLockedHint(bool),
    /// To the screensaver: whether it covers the screen.
    GetActive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Allowed,
    Unwanted,
}

type Shared = Arc<Mutex<Peers>>;

/// The agent's connections to the session bus.
type Users = Arc<Mutex<Vec<Connection>>>;

/// The agent and its fake peers.
pub(crate) struct Harness {
    pub(crate) agent: Child,
    system: Connection,
    user: Users,
    peers: Shared,
    said: mpsc::UnboundedReceiver<Call>,
    dir: tempfile::TempDir,
}

/// The desktop on the session bus.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Desktop {
    Mutter,
    /// Only a notification server, which may be absent.
    Notifications,
    /// A screensaver, and Xfce's settings.
    Screensaver,
    Nothing,
}

impl Harness {
    /// Starts the agent.
    pub(crate) async fn start(desktop: Desktop, peers: Peers, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = |name: &str| UnixListener::bind(dir.path().join(name)).unwrap();
        let at = |name: &str| format!("unix:path={}", dir.path().join(name).display());
        let system = listen("system");
        if peers.hint == Hint::LockedByAgent {
            std::fs::write(dir.path().join(screensaver::MARKER), "").unwrap();
        }
        let user = (desktop != Desktop::Nothing).then(|| listen("user"));
        let agent = Command::new(env!("CARGO_BIN_EXE_session-timeout-agent"))
            .args(arguments)
            .env_clear()
            .env("TZ", "UTC0")
            .env("DBUS_SYSTEM_BUS_ADDRESS", at("system"))
            .env("DBUS_SESSION_BUS_ADDRESS", at("user"))
            .env("XDG_RUNTIME_DIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let peers = Arc::new(Mutex::new(peers));
        let (calls, said) = mpsc::unbounded_channel();
        let server = || Server {
            peers: Arc::clone(&peers),
            calls: calls.clone(),
        };
        let system = soon(connect(&into_tokio(system), server(), desktop)).await;
        let users = Users::default();
        if let Some(user) = user {
            tokio::spawn(serve(
                into_tokio(user),
                server(),
                desktop,
                Arc::clone(&users),
            ));
        }
        Self {
            agent,
            system,
            user: users,
            peers,
            said,
            dir,
        }
    }

    pub(crate) fn peers(&self) -> MutexGuard<'_, Peers> {
        lock(&self.peers)
    }

    /// The next call of the agent.
    pub(crate) async fn next_call(&mut self) -> Call {
        soon(self.said.recv()).await.unwrap()
    }

    /// Whether the agent calls nothing for this long.
    pub(crate) async fn no_call_for(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, self.said.recv()).await.is_err()
    }

    /// Signals that the daemon's name has a new owner, or none.
    pub(crate) async fn daemon_is(&self, owner: Option<&str>) {
        let signal = Message::signal(
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
        );
        let body = ("org.sessiontimeout1", "", owner.unwrap_or_default());
        let signal = signal.sender("org.freedesktop.DBus");
        let signal = signal.build(&body).unwrap();
        self.system.send(&signal).await.unwrap();
    }

    /// Signals from a peer other than logind that the session was removed.
    pub(crate) async fn session_removed(&self) {
        let interface = "org.freedesktop.login1.Manager";
        let signal = Message::signal(LOGIND_PATH, interface, "SessionRemoved");
        let path = OwnedObjectPath::try_from(SESSION_PATH).unwrap();
        let signal = signal.sender(STRANGER).build(&("c1", path)).unwrap();
        self.system.send(&signal).await.unwrap();
    }

    /// Makes Mutter report that an idle watch has fired.
    pub(crate) async fn watch_fired(&self, id: u32) {
        let (path, name) = (MUTTER_PATH, "org.gnome.Mutter.IdleMonitor");
        let signal = Message::signal(path, name, "WatchFired");
        let signal = signal.sender(":1.5").build(&(id,)).unwrap();
        self.signal_user(&signal).await;
    }

    async fn signal_user(&self, signal: &Message) {
        let users = self.user.lock().unwrap().clone();
        for user in users {
            // The connection on which the agent searched for Mutter is closed.
            let _ = user.send(signal).await;
        }
    }

    /// Signals that a name on the session bus has a new owner, or none.
    pub(crate) async fn user_name_is(&self, name: &str, owner: &str) {
        let path = "/org/freedesktop/DBus";
        let signal = Message::signal(path, "org.freedesktop.DBus", "NameOwnerChanged");
        let signal = signal.sender("org.freedesktop.DBus");
        let signal = signal.build(&(name, "", owner)).unwrap();
        self.signal_user(&signal).await;
    }

    /// Signals that Mutter has left the bus.
    pub(crate) async fn mutter_is_gone(&self) {
        self.user_name_is("org.gnome.Mutter.IdleMonitor", "").await;
    }

    /// Calls `Idle` of the agent as `sender`; returns the kind and the idle time, or the name of
    /// the error.
    pub(crate) async fn ask(
        &self,
        sender: &str,
        watch: Duration,
    ) -> Result<(String, Duration), String> {
        let watch = u64::try_from(watch.as_micros()).unwrap();
        let reply = self.call(sender, "Idle", &(watch,)).await?;
        let (kind, micros): (String, u64) = reply.body().deserialize().unwrap();
        Ok((kind, Duration::from_micros(micros)))
    }

    /// Calls the agent as `sender`; returns the reply, or the name of the error.
    pub(crate) async fn call<B>(
        &self,
        sender: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, String>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = Message::method_call("/org/sessiontimeout1/Agent", method)
            .sender(sender)
            .interface("org.sessiontimeout1.Agent");
        let call = call.build(body).unwrap();
        let serial = call.primary_header().serial_num();
        let mut messages = zbus::MessageStream::from(&self.system);
        self.system.send(&call).await.unwrap();
        let reply = soon(async {
            loop {
                let message = futures_util::StreamExt::next(&mut messages).await;
                let message = message.unwrap().unwrap();
                if message.header().reply_serial() == Some(serial) {
                    return message;
                }
            }
        });
        let reply = reply.await;
        if let Some(name) = reply.header().error_name() {
            return Err(name.to_string());
        }
        Ok(reply)
    }

    /// Waits until the agent exits; returns its status and its standard error.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = soon(self.agent.wait()).await.unwrap();
        let mut text = String::new();
        let mut stderr = self.agent.stderr.take().unwrap();
        soon(stderr.read_to_string(&mut text)).await.unwrap();
        (status, text)
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let elapsed = format!("not within {} s", TIMEOUT.as_secs());
    tokio::time::timeout(TIMEOUT, what).await.expect(&elapsed)
}

fn lock(peers: &Shared) -> MutexGuard<'_, Peers> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_tokio(listener: UnixListener) -> tokio::net::UnixListener {
    listener.set_nonblocking(true).unwrap();
    tokio::net::UnixListener::from_std(listener).unwrap()
}

/// Serves the session bus.
async fn serve(listener: tokio::net::UnixListener, server: Server, desktop: Desktop, users: Users) {
    loop {
        let user = connect(&listener, server.clone(), desktop).await;
        users.lock().unwrap().push(user);
    }
}

async fn connect(
    listener: &tokio::net::UnixListener,
    server: Server,
    desktop: Desktop,
) -> Connection {
    let (stream, _) = listener.accept().await.unwrap();
    let bus = Builder::unix_stream(stream.into_std().unwrap())
        .server(Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/DBus", Bus(server.clone()))
        .serve_at(LOGIND_PATH, Logind(server.clone()))
        .serve_at(SESSION_PATH, Session(server.clone()))
        .serve_at(USER_PATH, User)
        .serve_at("/org/sessiontimeout1", Manager(server.clone()))
        .serve_at(
            "/org/freedesktop/Notifications",
            server::NotificationServer::new(server.clone()),
        );
    let bus = match desktop {
        Desktop::Mutter => bus.serve_at(MUTTER_PATH, Mutter(server, 0)),
        Desktop::Screensaver => bus
            .serve_at(screensaver::MATE_PATH, screensaver::Mate(server.clone()))
            .serve_at(screensaver::XFCE_PATH, screensaver::Xfce(server.clone()))
            .serve_at(screensaver::XFCONF_PATH, screensaver::Xfconf(server)),
        Desktop::Notifications | Desktop::Nothing => bus,
    };
    bus.build().await.unwrap()
}

#[derive(Clone)]
struct Server {
    peers: Shared,
    calls: mpsc::UnboundedSender<Call>,
}

impl Server {
    fn note(&self, said: Call) {
        let _ = self.calls.send(said);
    }
}

struct Bus(Server);

#[zbus::interface(name = "org.freedesktop.DBus")]
impl Bus {
    fn hello(&self) -> &str {
        ":1.9"
    }

    fn add_match(&self, _rule: &str) {}

    fn remove_match(&self, _rule: &str) {}

    fn get_name_owner(&self, name: &str) -> fdo::Result<String> {
        let (daemon, notifications, screensaver) = {
            let peers = lock(&self.0.peers);
            (peers.daemon, peers.notifications, peers.screensaver.name)
        };
        let nobody = || Err(fdo::Error::NameHasNoOwner(name.to_owned()));
        match (name, daemon, notifications) {
            ("org.sessiontimeout1", Daemon::Absent, _) => {
                self.0.note(Call::FindDaemon);
                nobody()
            }
            (server::NAME, _, Notifications::Absent) => nobody(),
            (server::NAME, ..) => Ok(SERVER.to_owned()),
            (name, ..) if name == screensaver => Ok(SERVER.to_owned()),
            (name, ..) if name.ends_with(".ScreenSaver") => nobody(),
            _ => Ok(DAEMON.to_owned()),
        }
    }

    fn start_service_by_name(&self, name: &str, _flags: u32) -> fdo::Result<u32> {
        Err(fdo::Error::ServiceUnknown(name.to_owned()))
    }

    #[zbus(name = "GetConnectionUnixUser")]
    fn unix_user(&self, name: &str) -> u32 {
        if name == DAEMON { 0 } else { 1000 }
    }
}

struct Logind(Server);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn get_session(&self, id: &str) -> fdo::Result<OwnedObjectPath> {
        let unknown = || fdo::Error::UnknownObject(format!("no session {id}"));
        let there = id == "c1" && lock(&self.0.peers).session;
        let path = there.then(|| OwnedObjectPath::try_from(SESSION_PATH).unwrap());
        path.ok_or_else(unknown)
    }

    fn get_user(&self, _uid: u32) -> OwnedObjectPath {
        OwnedObjectPath::try_from(USER_PATH).unwrap()
    }

    fn terminate_session(&self, id: String) {
        self.0.note(Call::Terminate(id));
    }
}

struct User;

#[zbus::interface(name = "org.freedesktop.login1.User")]
impl User {
    #[zbus(property)]
    fn display(&self) -> (String, OwnedObjectPath) {
        let path = OwnedObjectPath::try_from(SESSION_PATH).unwrap();
        ("c1".to_owned(), path)
    }
}

struct Session(Server);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn id(&self) -> &str {
        "c1"
    }

    #[zbus(property)]
    fn class(&self) -> &str {
        "user"
    }

    #[zbus(property, name = "Type")]
    fn session_type(&self) -> String {
        lock(&self.0.peers).session_type.to_owned()
    }

    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        let path = OwnedObjectPath::try_from(USER_PATH).unwrap();
        (nix::unistd::getuid().as_raw(), path)
    }

    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        lock(&self.0.peers).hint != Hint::Unlocked
    }

    #[zbus(name = "SetLockedHint")]
    fn change_locked_hint(&self, locked: bool) -> fdo::Result<()> {
        self.0.set_locked_hint(locked)
    }
}

struct Manager(Server);

#[zbus::interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    fn attach_agent(&self, session: String, source: String) -> fdo::Result<bool> {
        self.0.note(Call::Attach(session, source));
        let mut peers = lock(&self.0.peers);
        match peers.daemon {
            Daemon::Unknowing(0) | Daemon::Taking => Ok(true),
            Daemon::Unknowing(times) => {
                peers.daemon = Daemon::Unknowing(times - 1);
                Err(fdo::Error::InvalidArgs("no such session".to_owned()))
            }
            Daemon::Taken => Ok(false),
            Daemon::Absent | Daemon::Refusing => {
                Err(fdo::Error::AccessDenied("by policy".to_owned()))
            }
        }
    }

    fn became_idle(&self, session: String) {
        self.0.note(Call::Idle(session));
    }

    fn became_active(&self, session: String) {
        self.0.note(Call::Active(session));
    }

    fn stay(&self, session: String) {
        self.0.note(Call::Stay(session));
    }

    fn last_ending(&self, _session: &str) -> HashMap<&'static str, Variant<'static>> {
        lock(&self.0.peers).last_ending.clone()
    }

    fn ending_told(&self, session: String) {
        self.0.note(Call::LastEndingShown(session));
    }

    #[expect(clippy::needless_pass_by_value, reason = "zbus passes it by value")]
    fn extend_session(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<(u64, u64, u32)> {
        let flags = header.primary().flags();
        let interaction = if flags.contains(Flags::ALLOW_INTERACTIVE_AUTH) {
            Interaction::Allowed
        } else {
            Interaction::Unwanted
        };
        self.0.note(Call::Extend(session, interaction));
        Err(fdo::Error::InvalidArgs(
            "all of them are \u{1b}used up".to_owned(),
        ))
    }
}

const MUTTER_PATH: &str = "/org/gnome/Mutter/IdleMonitor/Core";

/// Mutter's idle monitor, with the id of its last watch.
struct Mutter(Server, u32);

#[zbus::interface(name = "org.gnome.Mutter.IdleMonitor")]
impl Mutter {
    fn get_idletime(&self) -> u64 {
        let idle = lock(&self.0.peers).idle;
        u64::try_from(idle.as_millis()).unwrap()
    }

    fn add_idle_watch(&mut self, interval: u64) -> u32 {
        self.0.note(Call::IdleWatch(interval));
        self.1 += 1;
        self.1
    }

    fn add_user_active_watch(&mut self) -> u32 {
        self.0.note(Call::ActiveWatch);
        self.1 += 1;
        self.1
    }

    fn remove_watch(&self, _id: u32) {}
}

impl Peers {
    /// Peers with a session of this type and this daemon.
    pub(crate) fn with(session_type: &'static str, daemon: Daemon) -> Self {
        Self {
            daemon,
            session_type,
            session: true,
            idle: Duration::ZERO,
            notifications: Notifications::Absent,
            screensaver: Screensaver {
                name: "",
                cover: Cover::Open,
                locks: None,
            },
            hint: Hint::Unlocked,
            refused_hints: 0,
            last_ending: HashMap::new(),
        }
    }
}
