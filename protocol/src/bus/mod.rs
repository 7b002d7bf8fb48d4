//! The D-Bus interfaces of session-timeout: names of the bus, objects, members, dictionary keys
//! and errors.
//!
//! The daemon, the agents and the `session-timeout` command use these constants; no other Rust
//! code repeats the strings, except for the attributes of `zbus`, which take only literals.
//! Changing a string breaks programs of others: the interfaces are documented in
//! session-timeoutd(8).
//!
//! The types are those of the D-Bus Specification: `s` a string, `b` a boolean, `u` 32 bits and
//! `t` 64 bits without a sign, `as` an array of strings, `a{sv}` a dictionary. A key that ends in
//! `USec` holds microseconds. In every dictionary a value that is unknown or does not apply is
//! left out, and a reader skips keys that it does not know, so that programs of two versions
//! understand each other.

pub mod agent;
mod error;
pub mod last_ending;
pub mod manager;
pub mod polkit;
pub mod session;
pub mod warning;

pub use error::ExtendError;

/// The daemon's name on the system bus.
pub const NAME: &str = "org.sessiontimeout1";

#[cfg(test)]
mod tests {
    use super::{NAME, agent, manager, polkit};

    const BUS_POLICY: &str = include_str!("../../../packaging/dbus-1/org.sessiontimeout1.conf");
    const ACTIONS: &str =
        include_str!("../../../packaging/polkit-1/actions/org.sessiontimeout1.policy");

    #[test]
    fn the_policy_of_the_bus_allows_each_method_of_the_daemon_and_no_other() {
        let allowed = |attribute: &str| -> Vec<&str> {
            let start = format!("{attribute}=\"");
            let values = BUS_POLICY.split(start.as_str()).skip(1);
            values.filter_map(|rest| rest.split('"').next()).collect()
        };
        let mut members = allowed("send_member");
        members.retain(|member| !["Get", "GetAll", "Introspect"].contains(member));
        assert_eq!(members, manager::METHODS);
        assert_eq!(allowed("allow own"), [NAME]);
        assert_eq!(allowed("send_path"), [agent::PATH]);
        let interfaces = allowed("send_interface");
        assert!(interfaces.contains(&manager::INTERFACE) && interfaces.contains(&agent::INTERFACE));
    }

    #[test]
    fn polkit_knows_each_action() {
        for action in [polkit::EXTEND_OWN, polkit::EXTEND_ANY] {
            assert!(
                ACTIONS.contains(&format!("<action id=\"{action}\">")),
                "{action}"
            );
        }
    }
}
