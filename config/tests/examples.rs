//! The examples in `docs/examples/`: each is a complete policy, with the limits that it promises.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_config::{Minima, Settings, Style, parse};
use session_timeout_policy::{
    ActivityKind, EndAction, Groups, Leads, Limits, SessionClass, SessionType, Subject, Uid,
    UnknownIdle, Verdict,
};

const EXAMPLES: [&str; 5] = [
    "workstation-lab",
    "ssh-bastion",
    "card-data",
    "kiosk",
    "developers-with-tmux",
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples")
}

fn example(name: &str) -> Settings {
    let file = format!("{name}.toml");
    let text = fs::read_to_string(directory().join(&file)).unwrap();
    let found = parse(&file, &text, Minima::Enforced);
    let settings = found.unwrap_or_else(|errors| panic!("{errors:#?}"));
    let warnings = settings.warnings.iter();
    let warnings: Vec<String> = warnings.map(|one| one.render(Style::Plain)).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    settings
}

/// A login, with the properties that rules match.
struct Login<'a> {
    user: &'a str,
    groups: &'a [&'a str],
    service: &'a str,
    from: Option<&'a str>,
    session_type: SessionType,
    seat: Option<&'a str>,
}

const SSH: Login<'_> = Login {
    user: "alice",
    groups: &[],
    service: "sshd",
    from: Some("203.0.113.5"),
    session_type: SessionType::Tty,
    seat: None,
};
const DESKTOP: Login<'_> = Login {
    service: "gdm-password",
    from: None,
    session_type: SessionType::Wayland,
    seat: Some("seat0"),
    ..SSH
};

/// The rule that applies to this login, and its limits.
fn judged(settings: &Settings, login: &Login<'_>) -> (Option<String>, Limits) {
    let names = login.groups.iter().map(|name| (*name).to_owned());
    let groups = Groups::Known(names.collect::<BTreeSet<_>>());
    let policy = settings.policy(Uid::new(1000));
    let subject = Subject {
        user: login.user,
        uid: Uid::new(1000),
        groups: &groups,
        class: &SessionClass::User,
        session_type: login.session_type,
        service: Some(login.service),
        remote_host: login.from,
        terminal: None,
        seat: login.seat,
    };
    match policy.evaluate(&subject) {
        Verdict::Limited { limits, rule } => (rule.map(str::to_owned), limits.clone()),
        other => panic!("{other:?}"),
    }
}

/// The absolute and the inactivity limit in minutes, and the end action.
fn essence(limits: &Limits) -> (u64, Option<u64>, EndAction) {
    let minutes = |length: Duration| length.as_secs() / 60;
    let inactivity = limits.inactivity.as_ref();
    (
        minutes(limits.absolute.length),
        inactivity.map(|limit| minutes(limit.length)),
        limits.end_action,
    )
}

#[track_caller]
fn assert_holds(
    settings: &Settings,
    login: &Login<'_>,
    rule: Option<&str>,
    expected: (u64, Option<u64>, EndAction),
) -> Limits {
    let (found, limits) = judged(settings, login);
    assert_eq!(found.as_deref(), rule);
    assert_eq!(essence(&limits), expected);
    limits
}

#[test]
fn every_example_is_tried_here() {
    let names = fs::read_dir(directory()).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".toml").unwrap().to_owned()
    });
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names, EXAMPLES.map(str::to_owned).into());
    for name in EXAMPLES {
        assert!(!example(name).rules.is_empty(), "{name}");
    }
}

#[test]
fn in_the_lab_an_empty_seat_is_locked_and_then_free() {
    let lab = example("workstation-lab");
    let end = EndAction::Terminate;
    let student = assert_holds(&lab, &DESKTOP, None, (720, Some(45), end));
    assert_eq!(student.lock_after, Some(Duration::from_secs(600)));
    assert!(student.activity.contains(&ActivityKind::Inhibitor));

    let staff = Login {
        groups: &["lab-staff"],
        ..DESKTOP
    };
    let lock = EndAction::Lock;
    assert_holds(&lab, &staff, Some("staff"), (720, Some(120), lock));
    let console = Login {
        service: "login",
        session_type: SessionType::Tty,
        ..DESKTOP
    };
    assert_holds(&lab, &console, Some("console"), (720, Some(15), end));
    let hang_up = EndAction::HangUp;
    assert_holds(&lab, &SSH, Some("remote"), (720, Some(120), hang_up));
}

#[test]
fn on_the_bastion_there_is_one_more_hour() {
    let bastion = example("ssh-bastion");
    let hang_up = EndAction::HangUp;
    let ssh = assert_holds(&bastion, &SSH, Some("ssh"), (480, Some(15), hang_up));
    assert_eq!(ssh.extensions.times, 1);
    assert_eq!(ssh.extensions.by, Duration::from_secs(3600));
    let automation = Login {
        user: "ansible",
        from: Some("192.0.2.10"),
        ..SSH
    };
    let report = EndAction::Report;
    assert_holds(
        &bastion,
        &automation,
        Some("automation"),
        (120, None, report),
    );
    let elsewhere = Login {
        user: "ansible",
        ..SSH
    };
    assert_holds(&bastion, &elsewhere, Some("ssh"), (480, Some(15), hang_up));
    let end = EndAction::Terminate;
    assert_holds(&bastion, &DESKTOP, None, (480, Some(15), end));
}

#[test]
fn near_card_data_15_minutes_are_enough() {
    let card_data = example("card-data");
    let end = EndAction::Terminate;
    let pci = Login {
        groups: &["users", "pci"],
        ..SSH
    };
    let limits = assert_holds(&card_data, &pci, Some("card data"), (720, Some(15), end));
    assert_eq!(limits.unknown_idle, UnknownIdle::CountFromLogin);
    let vendor = Login {
        groups: &["pci", "pci-vendor"],
        from: Some("198.51.100.7"),
        ..SSH
    };
    assert_holds(&card_data, &vendor, Some("vendor"), (240, Some(15), end));
    assert_holds(&card_data, &SSH, None, (720, Some(15), end));
    let origin = card_data.rules[1].effective.origin("inactivity-timeout");
    let origin = origin.unwrap().to_string();
    assert!(
        origin.starts_with("preset \"pci-dss-4\" (PCI DSS v4, 8.2.8), "),
        "{origin}"
    );
}

#[test]
fn a_kiosk_is_reset_soon() {
    let kiosk = example("kiosk");
    let end = EndAction::Terminate;
    let visitor = Login {
        user: "kiosk",
        ..DESKTOP
    };
    let limits = assert_holds(&kiosk, &visitor, Some("kiosk"), (60, Some(5), end));
    assert_eq!(
        limits.inactivity.unwrap().leads,
        Leads::new([Duration::from_secs(30)])
    );
    assert_holds(&kiosk, &DESKTOP, None, (480, Some(30), end));
}

#[test]
fn developers_keep_their_tmux() {
    let machine = example("developers-with-tmux");
    let developer = Login {
        groups: &["developers"],
        ..SSH
    };
    let hang_up = EndAction::HangUp;
    let rule = Some("developers");
    let limits = assert_holds(&machine, &developer, rule, (960, Some(60), hang_up));
    let counted = [ActivityKind::Input];
    assert_eq!(limits.activity, counted.into());
    assert_eq!(limits.extensions.times, 2);
    let end = EndAction::Terminate;
    assert_holds(&machine, &SSH, None, (720, Some(30), end));
}
