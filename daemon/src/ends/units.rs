//! Calls PID 1: stops units, signals their processes, and creates scopes of the daemon's own.

use std::time::Duration;

use nix::sys::signal::Signal;
use session_timeout_policy::{InvocationId, Pid, SessionKey, Uid};
use zbus::DBusError as _;
use zbus::wire::{OwnedObjectPath, Variant};

use crate::bus::Pid1;

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Tolerance in microseconds between logind's time stamp of a session and the start of its scope,
/// which follows it.
const START_TOLERANCE_MICROS: u64 = 10_000_000;

/// Properties of a transient unit, by their D-Bus names.
type UnitProperties<'a> = Vec<(&'a str, Variant<'a>)>;

/// PID 1's units. Clones share the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Units(Pid1);

/// Whether PID 1 has the unit loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitState {
    Loaded,
    NotLoaded,
}

impl Units {
    /// Stops the unit: SIGTERM to its processes, and SIGKILL after its `TimeoutStopSec=`.
    ///
    /// # Errors
    /// PID 1 refuses, or does not reply.
    pub(crate) async fn stop(&self, unit: InvocationId) -> zbus::Result<UnitState> {
        found(self.0.call(&path(unit), UNIT, "Stop", &"replace").await)
    }

    /// Sends a signal to all processes of the unit.
    ///
    /// # Errors
    /// PID 1 refuses, or does not reply.
    pub(crate) async fn kill(&self, unit: InvocationId, signal: Signal) -> zbus::Result<UnitState> {
        let body = ("all", signal as i32);
        found(self.0.call(&path(unit), UNIT, "Kill", &body).await)
    }

    /// The activation of this unit that began with the session. If logind reuses a session id, the
    /// scope with the same name began later and does not count.
    ///
    /// # Errors
    /// PID 1 does not reply.
    pub(crate) async fn invocation_of(
        &self,
        name: &str,
        session: &SessionKey,
    ) -> zbus::Result<Option<InvocationId>> {
        let Some(path) = self.unit(name).await? else {
            return Ok(None);
        };
        let began: u64 = self.get(&path, "InactiveExitTimestampMonotonic").await?;
        if began.abs_diff(session.stamp) > START_TOLERANCE_MICROS {
            return Ok(None);
        }
        self.invocation_at(&path).await
    }

    /// The current activation of the unit with this name.
    ///
    /// # Errors
    /// PID 1 does not reply.
    pub(crate) async fn invocation(&self, name: &str) -> zbus::Result<Option<InvocationId>> {
        match self.unit(name).await? {
            Some(path) => self.invocation_at(&path).await,
            None => Ok(None),
        }
    }

    /// Whether PID 1 has the unit with this name loaded.
    ///
    /// # Errors
    /// PID 1 does not reply.
    pub(crate) async fn is_loaded(&self, name: &str) -> zbus::Result<bool> {
        Ok(self.unit(name).await?.is_some())
    }

    /// Moves processes into a new scope in the slice of this user.
    ///
    /// # Errors
    /// PID 1 refuses, as when one of them has exited, or does not reply.
    pub(crate) async fn hold(&self, scope: &NewScope<'_>, processes: &[Pid]) -> zbus::Result<()> {
        let pids: Vec<u32> = processes.iter().map(|pid| pid.as_raw()).collect();
        let mut settings: UnitProperties<'_> = vec![
            ("Description", Variant::from(scope.description.to_owned())),
            ("Slice", Variant::from(format!("user-{}.slice", scope.user))),
            ("PIDs", Variant::from(pids)),
            ("CollectMode", Variant::from("inactive-or-failed")),
            // PID 1 adds processes only to delegated units; the control group still belongs to
            // root.
            ("Delegate", Variant::from(true)),
        ];
        settings.extend(scope.stop.settings());
        self.start(scope.name, settings).await
    }

    /// Moves more processes into a scope.
    ///
    /// # Errors
    /// PID 1 refuses, as when one of them has exited, or does not reply.
    pub(crate) async fn attach(&self, scope: &str, processes: &[Pid]) -> zbus::Result<()> {
        let pids: Vec<u32> = processes.iter().map(|pid| pid.as_raw()).collect();
        let body = (scope, "", pids);
        let asked = self
            .0
            .call(MANAGER_PATH, MANAGER, "AttachProcessesToUnit", &body);
        asked.await.map(drop)
    }

    /// Runs a program as a user in a transient service, with this timeout.
    ///
    /// # Errors
    /// PID 1 refuses, or does not reply.
    pub(crate) async fn run_as(&self, program: &AsUser<'_>) -> zbus::Result<()> {
        let argv: Vec<String> = program.argv.iter().map(|&one| one.to_owned()).collect();
        let path = argv.first().cloned().unwrap_or_default();
        let runtime = format!("XDG_RUNTIME_DIR=/run/user/{}", program.user);
        let bound = micros(program.bound);
        let mut settings: UnitProperties<'_> = vec![
            ("Description", Variant::from(program.description.to_owned())),
            ("Type", Variant::from("oneshot")),
            ("User", Variant::from(program.user.to_string())),
            ("Environment", Variant::from(vec![runtime])),
            ("ExecStart", Variant::from(vec![(path, argv, false)])),
            ("TimeoutStartUSec", Variant::from(bound)),
            ("TimeoutStopUSec", Variant::from(bound)),
            ("CollectMode", Variant::from("inactive-or-failed")),
        ];
        if let Some((path, most)) = program.output {
            settings.extend([
                (
                    "StandardOutputFileToTruncate",
                    Variant::from(path.to_owned()),
                ),
                ("UMask", Variant::from(0o077_u32)),
                ("LimitFSIZE", Variant::from(most)),
            ]);
        }
        self.start(program.name, settings).await
    }

    async fn start(&self, name: &str, settings: UnitProperties<'_>) -> zbus::Result<()> {
        let auxiliary: Vec<(String, UnitProperties<'_>)> = Vec::new();
        let body = (name, "fail", settings, auxiliary);
        let asked = self
            .0
            .call(MANAGER_PATH, MANAGER, "StartTransientUnit", &body);
        asked.await.map(drop)
    }

    async fn unit(&self, name: &str) -> zbus::Result<Option<OwnedObjectPath>> {
        match self.0.call(MANAGER_PATH, MANAGER, "GetUnit", &name).await {
            Ok(answer) => answer.body().deserialize().map(Some),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn invocation_at(&self, unit: &OwnedObjectPath) -> zbus::Result<Option<InvocationId>> {
        let bytes: Vec<u8> = self.get(unit, "InvocationID").await?;
        Ok(<[u8; 16]>::try_from(bytes).ok().map(InvocationId::new))
    }

    async fn get<T>(&self, unit: &OwnedObjectPath, property: &str) -> zbus::Result<T>
    where
        T: TryFrom<zbus::wire::OwnedVariant, Error = zbus::wire::Error>,
    {
        let body = (UNIT, property);
        let answer = self.0.call(unit.as_str(), PROPERTIES, "Get", &body).await?;
        let value: zbus::wire::OwnedVariant = answer.body().deserialize()?;
        T::try_from(value)
    }
}

/// A scope that the daemon creates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewScope<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) user: Uid,
    pub(crate) stop: StopMode,
}

/// How PID 1 stops the processes of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// SIGTERM, and no other signal.
    Ask,
    /// SIGTERM and SIGHUP, and SIGKILL after this time.
    Within(Duration),
    /// SIGTERM and SIGHUP, and SIGKILL after the manager's default stop timeout.
    DefaultTimeout,
}

impl StopMode {
    fn settings(self) -> UnitProperties<'static> {
        match self {
            Self::Ask => vec![("SendSIGKILL", Variant::from(false))],
            Self::Within(time) => vec![
                ("SendSIGHUP", Variant::from(true)),
                ("TimeoutStopUSec", Variant::from(micros(time))),
            ],
            Self::DefaultTimeout => vec![("SendSIGHUP", Variant::from(true))],
        }
    }
}

/// A program to run as a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsUser<'a> {
    /// The name of its service.
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) user: Uid,
    /// The first element is the absolute path of the program.
    pub(crate) argv: &'a [&'a str],
    pub(crate) bound: Duration,
    /// The file that receives its standard output, created by root, and its maximum size in bytes.
    pub(crate) output: Option<(&'a str, u64)>,
}

/// Whether PID 1 itself returned the error, and not the connection.
pub(crate) fn answered(error: &zbus::Error) -> bool {
    name_of(error).is_some()
}

/// PID 1 has no such unit, or another activation of it.
pub(crate) fn is_unknown(error: &zbus::Error) -> bool {
    name_of(error).is_some_and(|name| {
        [
            "org.freedesktop.systemd1.NoSuchUnit",
            "org.freedesktop.systemd1.NoUnitForInvocationID",
            "org.freedesktop.DBus.Error.UnknownObject",
        ]
        .contains(&name.as_str())
    })
}

/// The D-Bus name of the error.
fn name_of(error: &zbus::Error) -> Option<String> {
    match error {
        zbus::Error::MethodError(name, ..) => Some(name.to_string()),
        zbus::Error::FDO(error) => Some(error.name().to_string()),
        _ => None,
    }
}

fn found(asked: zbus::Result<zbus::Message>) -> zbus::Result<UnitState> {
    match asked {
        Ok(_) => Ok(UnitState::Loaded),
        Err(error) if is_unknown(&error) => Ok(UnitState::NotLoaded),
        Err(error) => Err(error),
    }
}

/// The object path of a unit's activation: PID 1 resolves an `InvocationID` in place of the name
/// (`manager_load_unit_from_dbus_path()`), so another activation is never affected. A leading digit
/// is written as `_` and its code (`bus_label_escape()`).
fn path(unit: InvocationId) -> String {
    let id = unit.to_string();
    let label = match id.strip_prefix(|first: char| first.is_ascii_digit()) {
        Some(rest) => format!("_3{}{rest}", &id[..1]),
        None => id,
    };
    format!("{MANAGER_PATH}/unit/{label}")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_named_by_its_activation() {
        let path = |digits: &str| path(InvocationId::parse(digits).unwrap());
        let unit = |label: &str| format!("{MANAGER_PATH}/unit/{label}");
        let digit = "7a0000000000000000000000000000ff";
        assert_eq!(path(digit), unit(&format!("_3{digit}")));
        let letter = "fa0000000000000000000000000000ff";
        assert_eq!(path(letter), unit(letter));
    }
}
