//! A system bus with logind and the daemon on it, and a bus of the user with Mutter or a
//! notification server on it: the agent is their only client, and what it is told is all that it can
//! tell them from real ones by.

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

/// The daemon's name on the bus, and that of somebody who is not root.
pub(crate) const DAEMON: &str = ":1.2";
pub(crate) const SOMEBODY: &str = ":1.3";
/// The notification server's name on the bus of the user.
pub(crate) const SERVER: &str = ":1.7";

const LOGIND_PATH: &str = "/org/freedesktop/login1";
const SESSION_PATH: &str = "/org/freedesktop/login1/session/c1";
const USER_PATH: &str = "/org/freedesktop/login1/user/_1";

/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(20);

/// What the others on the bus do.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) session_type: &'static str,
    /// Whether logind still has the session.
    pub(crate) session: bool,
    /// Mutter's idle time.
    pub(crate) idle: Duration,
    pub(crate) notifications: Notifications,
    /// What the daemon says became of the last session.
    pub(crate) last_ending: HashMap<&'static str, Variant<'static>>,
}

/// The notification server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notifications {
    Absent,
    Shown,
    /// The server does not answer.
    Hanging,
}

#[derive(Clone, Copy)]
pub(crate) enum Daemon {
    Absent,
    Taking,
    Taken,
    Refusing,
    /// Does not know the session yet, so often.
    Unknowing(u32),
}

/// What the agent says to them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// To the bus, which has to say that it is nowhere.
    WhereIsTheDaemon,
    Attach(String, String),
    Idle(String),
    Active(String),
    IdleWatch(u64),
    ActiveWatch,
    /// To the notification server, in whose place it shows what.
    Show(u32, String, String),
    Close(u32),
    Stay(String),
    /// That the user was told of the last session.
    Told(String),
    /// With or without leave to ask the user for a password.
    Extend(String, Interaction),
    /// To logind.
    Terminate(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Allowed,
    Unwanted,
}

type Shared = Arc<Mutex<World>>;

/// The agent's connections to the bus of the user.
type Users = Arc<Mutex<Vec<Connection>>>;

/// The agent and everybody it speaks with.
pub(crate) struct Stage {
    pub(crate) agent: Child,
    system: Connection,
    user: Users,
    world: Shared,
    said: mpsc::UnboundedReceiver<Said>,
    _dir: tempfile::TempDir,
}

/// Which desktop there is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Desktop {
    Mutter,
    /// With a notification server, or room for one.
    Notifications,
    Nothing,
}

impl Stage {
    /// Starts the agent.
    pub(crate) async fn set(desktop: Desktop, world: World, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = |name: &str| UnixListener::bind(dir.path().join(name)).unwrap();
        let at = |name: &str| format!("unix:path={}", dir.path().join(name).display());
        let system = listen("system");
        let user = (desktop != Desktop::Nothing).then(|| listen("user"));
        let agent = Command::new(env!("CARGO_BIN_EXE_session-timeout-agent"))
            .args(arguments)
            .env_clear()
            .env("DBUS_SYSTEM_BUS_ADDRESS", at("system"))
            .env("DBUS_SESSION_BUS_ADDRESS", at("user"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let world = Arc::new(Mutex::new(world));
        let (saying, said) = mpsc::unbounded_channel();
        let server = || Server {
            world: Arc::clone(&world),
            saying: saying.clone(),
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
            world,
            said,
            _dir: dir,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// What the agent says next.
    pub(crate) async fn said(&mut self) -> Said {
        soon(self.said.recv()).await.unwrap()
    }

    /// The daemon has a new name on the bus, or none any more.
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

    /// Somebody says that logind has removed the session.
    pub(crate) async fn session_removed(&self) {
        let interface = "org.freedesktop.login1.Manager";
        let signal = Message::signal(LOGIND_PATH, interface, "SessionRemoved");
        let path = OwnedObjectPath::try_from(SESSION_PATH).unwrap();
        let signal = signal.sender(SOMEBODY).build(&("c1", path)).unwrap();
        self.system.send(&signal).await.unwrap();
    }

    /// Mutter calls back.
    pub(crate) async fn watch_fired(&self, id: u32) {
        let (path, name) = (MUTTER_PATH, "org.gnome.Mutter.IdleMonitor");
        let signal = Message::signal(path, name, "WatchFired");
        let signal = signal.sender(":1.5").build(&(id,)).unwrap();
        self.tell_user(&signal).await;
    }

    async fn tell_user(&self, signal: &Message) {
        let users = self.user.lock().unwrap().clone();
        for user in users {
            // One that was only to look for Mutter is gone.
            let _ = user.send(signal).await;
        }
    }

    /// Somebody has a new name on the bus of the user, or none any more.
    pub(crate) async fn user_name_is(&self, name: &str, owner: &str) {
        let path = "/org/freedesktop/DBus";
        let signal = Message::signal(path, "org.freedesktop.DBus", "NameOwnerChanged");
        let signal = signal.sender("org.freedesktop.DBus");
        let signal = signal.build(&(name, "", owner)).unwrap();
        self.tell_user(&signal).await;
    }

    /// Mutter has left the bus.
    pub(crate) async fn mutter_is_gone(&self) {
        self.user_name_is("org.gnome.Mutter.IdleMonitor", "").await;
    }

    /// Asks the agent for the idle time, in somebody's name; kind and seconds, or the error's name.
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

    /// Calls the agent in somebody's name; the answer, or the error's name.
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

    /// Waits until the agent ends; how, and what it has written to its standard error.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = soon(self.agent.wait()).await.unwrap();
        let mut text = String::new();
        let mut stderr = self.agent.stderr.take().unwrap();
        soon(stderr.read_to_string(&mut text)).await.unwrap();
        (status, text)
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let elapsed = format!("not within {} s", BOUND.as_secs());
    tokio::time::timeout(BOUND, what).await.expect(&elapsed)
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_tokio(listener: UnixListener) -> tokio::net::UnixListener {
    listener.set_nonblocking(true).unwrap();
    tokio::net::UnixListener::from_std(listener).unwrap()
}

/// The bus of the user.
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
            server::Desk::new(server.clone()),
        );
    let bus = match desktop {
        Desktop::Mutter => bus.serve_at(MUTTER_PATH, Mutter(server, 0)),
        Desktop::Notifications | Desktop::Nothing => bus,
    };
    bus.build().await.unwrap()
}

#[derive(Clone)]
struct Server {
    world: Shared,
    saying: mpsc::UnboundedSender<Said>,
}

impl Server {
    fn note(&self, said: Said) {
        let _ = self.saying.send(said);
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
        let (daemon, notifications) = {
            let world = lock(&self.0.world);
            (world.daemon, world.notifications)
        };
        let nobody = || Err(fdo::Error::NameHasNoOwner(name.to_owned()));
        match (name, daemon, notifications) {
            ("org.sessiontimeout1", Daemon::Absent, _) => {
                self.0.note(Said::WhereIsTheDaemon);
                nobody()
            }
            (server::NAME, _, Notifications::Absent) => nobody(),
            (server::NAME, ..) => Ok(SERVER.to_owned()),
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
        let there = id == "c1" && lock(&self.0.world).session;
        let path = there.then(|| OwnedObjectPath::try_from(SESSION_PATH).unwrap());
        path.ok_or_else(unknown)
    }

    fn get_user(&self, _uid: u32) -> OwnedObjectPath {
        OwnedObjectPath::try_from(USER_PATH).unwrap()
    }

    fn terminate_session(&self, id: String) {
        self.0.note(Said::Terminate(id));
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
        lock(&self.0.world).session_type.to_owned()
    }

    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        let path = OwnedObjectPath::try_from(USER_PATH).unwrap();
        (nix::unistd::getuid().as_raw(), path)
    }
}

struct Manager(Server);

#[zbus::interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    fn attach_agent(&self, session: String, source: String) -> fdo::Result<bool> {
        self.0.note(Said::Attach(session, source));
        let mut world = lock(&self.0.world);
        match world.daemon {
            Daemon::Unknowing(0) | Daemon::Taking => Ok(true),
            Daemon::Unknowing(times) => {
                world.daemon = Daemon::Unknowing(times - 1);
                Err(fdo::Error::InvalidArgs("no such session".to_owned()))
            }
            Daemon::Taken => Ok(false),
            Daemon::Absent | Daemon::Refusing => {
                Err(fdo::Error::AccessDenied("by policy".to_owned()))
            }
        }
    }

    fn became_idle(&self, session: String) {
        self.0.note(Said::Idle(session));
    }

    fn became_active(&self, session: String) {
        self.0.note(Said::Active(session));
    }

    fn stay(&self, session: String) {
        self.0.note(Said::Stay(session));
    }

    fn last_ending(&self, _session: &str) -> HashMap<&'static str, Variant<'static>> {
        lock(&self.0.world).last_ending.clone()
    }

    fn ending_told(&self, session: String) {
        self.0.note(Said::Told(session));
    }

    #[expect(clippy::needless_pass_by_value, reason = "what zbus hands over")]
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
        self.0.note(Said::Extend(session, interaction));
        Err(fdo::Error::InvalidArgs(
            "all of them are \u{1b}used up".to_owned(),
        ))
    }
}

const MUTTER_PATH: &str = "/org/gnome/Mutter/IdleMonitor/Core";

/// With the number of the last watch.
struct Mutter(Server, u32);

#[zbus::interface(name = "org.gnome.Mutter.IdleMonitor")]
impl Mutter {
    fn get_idletime(&self) -> u64 {
        let idle = lock(&self.0.world).idle;
        u64::try_from(idle.as_millis()).unwrap()
    }

    fn add_idle_watch(&mut self, interval: u64) -> u32 {
        self.0.note(Said::IdleWatch(interval));
        self.1 += 1;
        self.1
    }

    fn add_user_active_watch(&mut self) -> u32 {
        self.0.note(Said::ActiveWatch);
        self.1 += 1;
        self.1
    }

    fn remove_watch(&self, _id: u32) {}
}

impl World {
    /// A session of this type, and this daemon.
    pub(crate) fn with(session_type: &'static str, daemon: Daemon) -> Self {
        Self {
            daemon,
            session_type,
            session: true,
            idle: Duration::ZERO,
            notifications: Notifications::Absent,
            last_ending: HashMap::new(),
        }
    }
}
