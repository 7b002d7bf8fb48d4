//! Checks that the desktops of TigerVNC come back after their end.

use zbus::OwnedObjectPath;

use crate::bus::Bus;
use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::unit::{self, MANAGER, SYSTEMD};
use crate::text::listed;

/// The units of desktops in Debian's tigervnc-standalone-server, one for each display.
const UNITS: &str = "tigervncserver@*.service";

/// An entry of `ListUnitsByPatterns`, org.freedesktop.systemd1(5).
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// The names of those that systemd does not start again; empty if it does not reply.
pub(crate) async fn gather(bus: &Bus) -> Vec<String> {
    let patterns = &(Vec::<&str>::new(), vec![UNITS]);
    let units = bus.with_timeout(async {
        let (name, path) = SYSTEMD;
        let (connection, manager) = (bus.connection(), Some(MANAGER));
        let call =
            connection.call_method(Some(name), path, manager, "ListUnitsByPatterns", patterns);
        call.await?.body().deserialize()
    });
    let units: Result<Vec<Listed>, _> = units.await;
    let mut names = Vec::new();
    for (name, .., path, _, _, _) in units.unwrap_or_default() {
        if unit::restart(bus, &path).await.as_deref() == Some("no") {
            names.push(name);
        }
    }
    names.sort();
    names
}

/// The finding, if there are any.
pub(crate) fn examine(units: &[String]) -> Option<Finding> {
    let names: Vec<&str> = units.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        let what = format!(
            "a desktop of {} that was ended stays away until an administrator starts it: the unit \
             has no Restart=",
            listed(&names, "and")
        );
        let fix = "run `systemctl edit tigervncserver@.service`, and enter the lines `[Service]` \
                   and `Restart=always`";
        Finding::warning(Check::SystemVnc, &what).do_this(fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Fix, Level};

    #[test]
    fn a_desktop_that_nobody_starts_again_is_named_with_the_fix() {
        assert_eq!(examine(&[]), None);
        let names = ["tigervncserver@:1.service", "tigervncserver@:2.service"];
        let found = examine(&names.map(str::to_owned)).unwrap();
        assert_eq!(
            (found.check, found.level),
            (Check::SystemVnc, Level::Warning)
        );
        let named = "a desktop of tigervncserver@:1.service and tigervncserver@:2.service that";
        assert!(found.what.starts_with(named), "{found:?}");
        let fix = found.fix.as_ref().map(Fix::text);
        assert!(
            fix.is_some_and(|fix| fix.contains("Restart=always")),
            "{fix:?}"
        );
    }
}
