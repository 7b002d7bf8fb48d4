//! Generates users: their logins, input and habits.

use std::time::Duration;

use session_timeout_policy::{BootTime, SessionClass, SessionType, Uid};

use super::{DAY, FaultLevel, HOUR, MINUTE, Scenario};
use crate::plan::{
    Agent, End, Habits, Inhibitor, InputSource, Leftovers, LoginId, LogindSession, OpKind, Pam,
    Pattern, Person, Presence, PropertyChange, Screen, TerminalIndex,
};
use crate::random::Random;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn one(random: &mut Random, scenario: &mut Scenario, who: LoginId, level: FaultLevel) {
    let at = scenario.some_time(random);
    let person = person(random, who, level);
    let stays = random.span(MINUTE * 10, DAY * 3);
    let leaves = at.saturating_add(stays).min(scenario.until);
    if person.class == SessionClass::UserIncomplete {
        scenario.add(
            at.saturating_add(random.span(SECOND, HOUR)),
            OpKind::Ready(who),
        );
    }
    let busy = random.below(4);
    let terminals = match person.idle {
        InputSource::Terminals(count) => count,
        InputSource::Console => 1,
        InputSource::Agent(..) | InputSource::Hint(_) | InputSource::Nobody => {
            usize::from(person.screen != Screen::Missing)
        }
    };
    if terminals > 0 && busy > 0 {
        works(random, scenario, who, (at, leaves), terminals);
    }
    if random.percent(30) {
        prints(random, scenario, who, (at, leaves), terminals);
    }
    extras(random, scenario, &person, (at, leaves));
    scenario.add(at, OpKind::LogsIn(Box::new(person)));
    if random.percent(50) {
        let how = random.pick(Leftovers::Nothing, &[Leftovers::Nothing, Leftovers::Tmux]);
        scenario.add(leaves, OpKind::LogsOut(who, how));
    }
}

fn person(random: &mut Random, who: LoginId, level: FaultLevel) -> Person {
    let (user, uid, groups) = user(random);
    let mut person = Person {
        who,
        id: id(random, who, level),
        user: user.to_owned(),
        uid: Uid::new(uid),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        class: SessionClass::User,
        session_type: SessionType::Tty,
        service: Some("sshd".to_owned()),
        host: None,
        tty: None,
        seat: None,
        pam: pam(random),
        known: LogindSession::Always,
        idle: InputSource::Nobody,
        screen: Screen::Missing,
        end: end(random, level),
        habits: habits(random),
    };
    match random.below(21) {
        0..=5 => ssh(random, &mut person),
        6 | 7 => {
            ssh(random, &mut person);
            person.idle = InputSource::Nobody;
            person.tty = None;
        }
        8..=10 => {
            person.service = Some("login".to_owned());
            person.tty = Some("tty2".to_owned());
            person.seat = Some("seat0".to_owned());
            person.idle = InputSource::Console;
        }
        11..=17 => desktop(random, &mut person),
        18 => {
            ssh(random, &mut person);
            person.class = SessionClass::UserIncomplete;
        }
        19 => {
            let classes = ["manager", "background"];
            person.class = SessionClass::parse(random.pick("greeter", &classes));
        }
        _ => web_console(random, &mut person),
    }
    person
}

fn ssh(random: &mut Random, person: &mut Person) {
    if random.percent(8) {
        let after = random.span(SECOND, MINUTE * 2);
        person.known = random.pick(LogindSession::Never, &[LogindSession::Late(after)]);
    }
    let hosts = ["10.1.2.3", "192.0.2.7", "client.example.org"];
    person.host = Some(random.pick(hosts[0], &hosts[1..]).to_owned());
    person.tty = Some(random.pick("pts/1", &["pts/7"]).to_owned());
    person.idle = InputSource::Terminals(random.pick(1, &[1, 2, 3]));
}

/// A login whose terminals, if any are opened, receive a part of the input only.
fn web_console(random: &mut Random, person: &mut Person) {
    ssh(random, person);
    person.service = Some("cockpit".to_owned());
    person.session_type = SessionType::Web;
    person.tty = None;
    if random.percent(50) {
        person.idle = InputSource::Nobody;
    }
}

fn desktop(random: &mut Random, person: &mut Person) {
    person.service = Some("gdm-password".to_owned());
    person.seat = Some("seat0".to_owned());
    person.session_type = random.pick(SessionType::Wayland, &[SessionType::X11]);
    let delay = random.span(Duration::from_secs(30), MINUTE * 15);
    let how = random.pick(Agent::Asked, &[Agent::Called]);
    let agent = InputSource::Agent(how, random.percent(50).then_some(delay));
    person.idle = random.pick(
        InputSource::Hint(delay),
        &[agent, agent, InputSource::Nobody],
    );
    let takes = random.span(Duration::from_millis(10), SECOND * 2);
    person.screen = match random.below(8) {
        0 => Screen::Stubborn,
        1 => Screen::LocksMutely(takes),
        2 => Screen::Locks(random.span(SECOND, MINUTE)),
        _ => Screen::Locks(takes),
    };
}

/// The session id. Without faults every id is unique; otherwise logind may reuse one.
fn id(random: &mut Random, who: LoginId, level: FaultLevel) -> String {
    if level == FaultLevel::Severe && random.percent(40) {
        format!("c{}", random.below(3))
    } else {
        format!("{}", who.0 + 1)
    }
}

fn user(random: &mut Random) -> (&'static str, u32, &'static [&'static str]) {
    match random.below(12) {
        0..=3 => ("alice", 1000, &["staff", "alice"]),
        4..=6 => ("bob", 1001, &["pci", "bob"]),
        7..=9 => ("carol", 1002, &["staff", "wheel", "pci"]),
        10 => ("root", 0, &["root"]),
        _ => ("backup", 34, &["backup"]),
    }
}

fn pam(random: &mut Random) -> Pam {
    match random.below(4) {
        0 => Pam::Silent,
        1 => Pam::Second(random.span(Duration::from_micros(1), SECOND)),
        _ => Pam::First,
    }
}

fn end(random: &mut Random, level: FaultLevel) -> End {
    let short = |random: &mut Random| random.span(Duration::from_millis(1), SECOND * 8);
    let stubborn = random.percent(if level == FaultLevel::Calm { 15 } else { 30 });
    End {
        exits: (!stubborn).then(|| short(random)),
        dies: if level == FaultLevel::Severe && random.percent(10) {
            random.span(SECOND, MINUTE * 20)
        } else {
            short(random)
        },
        hangs_up: (!random.percent(25)).then(|| short(random)),
        leftovers: random.pick(Leftovers::Nothing, &[Leftovers::Nothing, Leftovers::Tmux]),
        survives: u32::try_from(random.below(4)).unwrap_or_default(),
    }
}

fn habits(random: &mut Random) -> Habits {
    let often = |random: &mut Random| {
        let times = u32::try_from(random.between(1, 5)).unwrap_or(1);
        (random.span(Duration::from_millis(50), MINUTE * 3), times)
    };
    Habits {
        responds: random.percent(40).then(|| often(random)),
        asks: random.percent(40).then(|| often(random)),
        unlocks: random
            .percent(70)
            .then(|| random.span(SECOND * 5, HOUR * 6)),
    }
}

/// Changes of the session's properties in logind, one or repeated.
fn changes(
    random: &mut Random,
    scenario: &mut Scenario,
    person: &Person,
    (from, to): (BootTime, BootTime),
) {
    let (who, mut at) = (
        person.who,
        from.saturating_add(random.span(SECOND, HOUR * 8)),
    );
    let every = random.span(SECOND, HOUR * 4);
    for _ in 0..random.between(1, 24) {
        if at >= to {
            return;
        }
        let kinds = [
            SessionType::Tty,
            SessionType::Wayland,
            SessionType::X11,
            SessionType::Web,
        ];
        let change = if random.percent(70) {
            PropertyChange::Type(random.pick(person.session_type, &kinds))
        } else {
            let terminals = ["pts/7", "tty2", "tty3"];
            PropertyChange::Terminal(random.pick("pts/1", &terminals).to_owned())
        };
        scenario.add(at, OpKind::Changes(who, change));
        at = at.saturating_add(random.span(SECOND, every));
    }
}

/// Periods of typing with pauses between them.
fn works(
    random: &mut Random,
    scenario: &mut Scenario,
    who: LoginId,
    (from, to): (BootTime, BootTime),
    terminals: usize,
) {
    let mut at = from.saturating_add(random.span(SECOND, HOUR));
    let longest = random.span(MINUTE * 10, HOUR * 10);
    for _ in 0..20 {
        if at >= to {
            return;
        }
        let lasts = random.span(SECOND, longest);
        let every = random.span(Duration::from_millis(200), MINUTE * 4);
        let nth =
            TerminalIndex(usize::try_from(random.below(terminals as u64)).unwrap_or_default());
        scenario.add(at, OpKind::Types(who, nth, Pattern { every, lasts }));
        at = at
            .saturating_add(lasts)
            .saturating_add(random.span(MINUTE, HOUR * 6));
    }
}

fn prints(
    random: &mut Random,
    scenario: &mut Scenario,
    who: LoginId,
    (from, to): (BootTime, BootTime),
    terminals: usize,
) {
    let mut at = from.saturating_add(random.span(SECOND, HOUR));
    for _ in 0..5 {
        if at >= to {
            return;
        }
        let lasts = random.span(SECOND, HOUR * 5);
        let every = random.span(SECOND, MINUTE * 10);
        let nth = TerminalIndex(
            usize::try_from(random.below(terminals.max(1) as u64)).unwrap_or_default(),
        );
        scenario.add(at, OpKind::Prints(who, nth, Pattern { every, lasts }));
        at = at
            .saturating_add(lasts)
            .saturating_add(random.span(MINUTE, HOUR * 6));
    }
}

/// Occasional events: terminals, inhibitors, locks, requests.
fn extras(
    random: &mut Random,
    scenario: &mut Scenario,
    person: &Person,
    (from, to): (BootTime, BootTime),
) {
    let who = person.who;
    let some_time = |random: &mut Random| {
        BootTime::from_micros(random.between(from.as_micros(), to.as_micros()))
    };
    if random.percent(20) && person.screen == Screen::Missing {
        scenario.add(some_time(random), OpKind::Opens(who));
    }
    if random.percent(15) {
        scenario.add(some_time(random), OpKind::Closes(who, TerminalIndex(0)));
    }
    if random.percent(20) {
        changes(random, scenario, person, (from, to));
    }
    if random.percent(10) {
        scenario.add(some_time(random), OpKind::Escapes(who));
    }
    if random.percent(5) {
        scenario.add(some_time(random), OpKind::Drops(who));
    }
    if random.percent(25) {
        let at = some_time(random);
        scenario.add(at, OpKind::Inhibits(who, Inhibitor::Taken));
        let after = at.saturating_add(random.span(SECOND, HOUR * 8));
        scenario.add(after, OpKind::Inhibits(who, Inhibitor::Released));
    }
    if person.screen != Screen::Missing {
        for _ in 0..random.below(3) {
            scenario.add(some_time(random), OpKind::Locks(who));
            scenario.add(some_time(random), OpKind::Unlocks(who));
        }
    }
    if person.seat.is_some() {
        for _ in 0..random.below(3) {
            scenario.add(some_time(random), OpKind::Returns(who));
        }
    }
    if matches!(person.idle, InputSource::Agent(..)) && random.percent(25) {
        let at = some_time(random);
        scenario.add(at, OpKind::Agent(who, Presence::Gone));
        let after = at.saturating_add(random.span(SECOND, HOUR * 2));
        scenario.add(after, OpKind::Agent(who, Presence::There));
    }
    if random.percent(15) {
        scenario.add(some_time(random), OpKind::RequestsExtension(who));
    }
    if random.percent(15) {
        scenario.add(some_time(random), OpKind::ExtraProbe(who));
    }
}
