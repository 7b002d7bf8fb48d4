//! Each D-Bus name is written once, in `protocol/src/bus/`, except in attributes that need a
//! literal.

use std::collections::BTreeSet;

use session_timeout_protocol::bus::{agent, manager};

use super::{code, sources};

/// Names that logind has as well.
const SHARED: &[&str] = &["ListSessions"];

/// The attribute of `zbus` with the name of an interface, up to the literal.
const ATTRIBUTE: &str = "interface(name = \"";

#[test]
fn d_bus_names_are_written_once() {
    let names = names();
    assert!(names.len() > 50, "{names:?}");
    let mut wrong = Vec::new();
    for (path, text) in programs() {
        for line in code(&text).lines() {
            if line.contains(ATTRIBUTE) {
                continue;
            }
            let literals = line.split('"').skip(1).step_by(2);
            wrong.extend(
                literals
                    .filter(|literal| names.contains(*literal))
                    .map(|literal| format!("{path}: {literal}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_names_of_interfaces_are_those_of_the_protocol() {
    let ours = [manager::INTERFACE, agent::INTERFACE];
    let mut found = BTreeSet::new();
    for (_, text) in sources().filter(|(path, _)| !path.starts_with("tests/")) {
        for rest in text.split(ATTRIBUTE).skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            if name.starts_with("org.sessiontimeout1") {
                assert!(ours.contains(&name), "{name}");
                found.insert(name.to_owned());
            }
        }
    }
    assert_eq!(found.len(), ours.len(), "{found:?}");
}

/// Otherwise an attribute could give a member another name than that of its function.
#[test]
fn attributes_of_zbus_have_no_names_except_for_interfaces() {
    let interfaces = [manager::INTERFACE, agent::INTERFACE];
    let allowed = interfaces.map(|name| format!("{ATTRIBUTE}{name}\")"));
    let mut wrong = Vec::new();
    for (path, text) in programs() {
        for attribute in attributes(&code(&text)) {
            if !allowed.contains(&attribute) && has_name(&attribute) {
                wrong.push(format!("{path}: {attribute}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `zbus` derives the names of members from the names of functions.
#[test]
fn the_members_of_interfaces_are_those_of_the_protocol() {
    let daemon = Members::of("daemon/", manager::INTERFACE);
    assert_eq!(daemon.methods, sorted(&manager::METHODS));
    assert_eq!(daemon.signals, sorted(&manager::SIGNALS));
    assert_eq!(daemon.properties, sorted(&manager::PROPERTIES));
    let agent = Members::of("agent/", agent::INTERFACE);
    assert_eq!(agent.methods, sorted(&agent::METHODS));
    assert_eq!((agent.signals.len(), agent.properties.len()), (0, 0));
}

/// The names of the members that a crate implements, sorted.
#[derive(Default)]
struct Members {
    methods: BTreeSet<String>,
    signals: BTreeSet<String>,
    properties: BTreeSet<String>,
}

impl Members {
    fn of(directory: &str, interface: &str) -> Self {
        let start = format!("{ATTRIBUTE}{interface}\")]");
        let file =
            sources().find(|(path, text)| path.starts_with(directory) && text.contains(&start));
        let text = file.map(|(_, text)| text).unwrap_or_default();
        let block = text.split(&start).nth(1).unwrap_or_default();
        let block = block.split("\n}\n").next().unwrap_or_default();
        let mut found = Self::default();
        let mut attribute = "";
        for line in block.lines().filter_map(|line| line.strip_prefix("    ")) {
            if line.starts_with("#[zbus(") {
                attribute = line;
            }
            let function = line.strip_prefix("async ").unwrap_or(line);
            if let Some(rest) = function.strip_prefix("fn ") {
                let name = pascal(rest.split('(').next().unwrap_or_default());
                let members = if attribute.starts_with("#[zbus(signal") {
                    &mut found.signals
                } else if attribute.starts_with("#[zbus(property") {
                    &mut found.properties
                } else {
                    &mut found.methods
                };
                members.insert(name);
                attribute = "";
            }
        }
        found
    }
}

/// The source of the programs. The tests in `tests/` have literals on purpose: they notice a changed
/// name.
fn programs() -> impl Iterator<Item = (String, String)> {
    sources().filter(|(path, _)| {
        path.contains("/src/") && !path.starts_with("protocol/") && !path.starts_with("tests/")
    })
}

/// The attributes of `zbus`, without `#[` and `]`.
fn attributes(code: &str) -> Vec<String> {
    let attributes = code.split("#[").skip(1);
    let attributes = attributes.filter_map(|rest| rest.split(']').next());
    let attributes = attributes.map(|text| text.strip_prefix("zbus::").unwrap_or(text));
    let is_of_zbus = |text: &&str| {
        let starts = ["zbus(", "interface(", "proxy("];
        starts.iter().any(|start| text.starts_with(start))
    };
    attributes.filter(is_of_zbus).map(str::to_owned).collect()
}

/// Whether an attribute has a string literal other than the kind of a property's signal.
fn has_name(attribute: &str) -> bool {
    let mut before = attribute.split('"').step_by(2).collect::<Vec<_>>();
    before.pop();
    let is_kind = |text: &&str| text.ends_with("emits_changed_signal = ");
    !before.iter().all(is_kind)
}

/// The names in the protocol's constants, except for ordinary words.
fn names() -> BTreeSet<String> {
    let bus = sources().filter(|(path, _)| path.starts_with("protocol/src/bus/"));
    let mut names = BTreeSet::new();
    for (_, text) in bus {
        let constants = text.split(": &str = \"").skip(1);
        let errors = text.split(" => \"").skip(1);
        let literals = constants.chain(errors);
        names.extend(literals.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    }
    let is_special =
        |name: &str| name.contains('.') || name.contains('/') || has_inner_capital(name);
    names.retain(|name| is_special(name) && !SHARED.contains(&name.as_str()));
    names
}

fn has_inner_capital(name: &str) -> bool {
    name.chars().skip(1).any(char::is_uppercase)
}

/// The D-Bus name of a function: `ListSessions` for `list_sessions`.
fn pascal(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

fn sorted(names: &[&str]) -> BTreeSet<String> {
    names.iter().copied().map(str::to_owned).collect()
}
