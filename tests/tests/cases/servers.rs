//! Drives the notification servers of the desktops: starts them, lists their notifications, and
//! presses buttons.

use std::time::Duration;

use serde_json::Value;
use session_timeout_tests::{Context, Environment, Failure, Machine, Outcome, Screen, wait_until};

use super::secs;

/// Timeout for the start of a server.
const UP: Duration = secs(20);

/// The log of the messages to and from the server, as dbus-monitor prints them. It remains after
/// the session.
pub(super) const OVERHEARD: &str = "/tmp/notifications";

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: u32,
    pub(super) summary: String,
    pub(super) body: String,
    /// The labels of the buttons.
    pub(super) buttons: Vec<String>,
}

/// Starts the usual server of this desktop, and waits until it has its bus name. GNOME has its own.
pub(super) fn start(machine: &Machine, screen: &Screen<'_>, environment: Environment) -> Outcome {
    let program = match environment {
        Environment::Sway | Environment::Labwc => "mako",
        Environment::X11 => "/usr/lib/*/xfce4/notifyd/xfce4-notifyd",
        Environment::Gnome => "true",
    };
    overhear(machine, screen)?;
    screen.run(&format!("{program} >/dev/null 2>&1 &"))?;
    wait_until(UP, "a notification server", || {
        screen.run("busctl --user status org.freedesktop.Notifications")
    })
    .map(drop)
}

/// Writes down what is on the bus of the user. That is not done in the session, whose end would come
/// before the last notification is written.
fn overhear(machine: &Machine, screen: &Screen<'_>) -> Outcome {
    let bus = screen.run(r#"echo "$(id -u) $DBUS_SESSION_BUS_ADDRESS""#)?;
    let (uid, address) = bus.trim().split_once(' ').context(bus.clone())?;
    machine.run(&format!(
        "systemd-run --quiet --collect --uid={uid} --setenv=DBUS_SESSION_BUS_ADDRESS={address} \
         --property=StandardOutput=truncate:{OVERHEARD} dbus-monitor --session \
         \"interface='org.freedesktop.Notifications'\""
    ))?;
    // The first that it hears is its own name.
    wait_until(UP, "the bus to be overheard", || {
        machine.run(&format!("test -s {OVERHEARD}"))
    })
    .map(drop)
}

/// Kills the server.
pub(super) fn kill(screen: &Screen<'_>) -> Outcome {
    let bus = "busctl --user call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus";
    let pid = format!("{bus} GetConnectionUnixProcessID s org.freedesktop.Notifications");
    screen
        .run(&format!("kill -KILL $({pid} | cut -d ' ' -f 2)"))
        .map(drop)
}

/// The agent's notifications that the server shows.
pub(super) fn shown(screen: &Screen<'_>, environment: Environment) -> Outcome<Vec<Shown>> {
    match environment {
        Environment::Sway | Environment::Labwc => shown_by_mako(screen),
        Environment::Gnome => shown_by_gnome(screen),
        Environment::X11 => shown_by_xfce(screen),
    }
}

/// Waits until the agent's only notification says this in its heading.
pub(super) fn wait_shown(
    screen: &Screen<'_>,
    environment: Environment,
    summary: &str,
    bound: Duration,
) -> Outcome<Shown> {
    let what = format!("a notification {summary:?}");
    wait_until(bound, &what, || {
        let all = shown(screen, environment)?;
        match all.as_slice() {
            [one] if one.summary.contains(summary) => Ok(one.clone()),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    })
}

/// Waits until no notification of the agent's is shown any more.
pub(super) fn wait_none(screen: &Screen<'_>, environment: Environment, bound: Duration) -> Outcome {
    wait_until(bound, "no notification", || {
        let all = shown(screen, environment)?;
        all.is_empty()
            .then_some(())
            .ok_or_else(|| Failure::new(format!("{all:?}")))
    })
}

/// Waits until a button can be clicked. GNOME shows one notification at a time, keeps it until the
/// user is active, and shows some of its own after the login.
pub(super) fn wait_button(
    screen: &mut Screen<'_>,
    environment: Environment,
    label: &str,
) -> Outcome {
    if environment == Environment::Gnome {
        // A picture is taken when the desktop is complete.
        screen.photograph("settled-gnome")?;
        screen.press_key()?;
        place_in_gnome(screen, label)?;
    }
    Ok(())
}

/// Presses a button, or makes the server report that it was pressed.
pub(super) fn press(
    screen: &Screen<'_>,
    environment: Environment,
    shown: &Shown,
    label: &str,
) -> Outcome {
    let key = match label {
        "Stay signed in" => "stay",
        "Sign out now" => "sign-out",
        _ => "extend",
    };
    let script = match environment {
        Environment::Sway | Environment::Labwc => format!("makoctl invoke -n {} {key}", shown.id),
        // Not a click, which would count as input and hide the effect of the button.
        Environment::Gnome if label == "Stay signed in" => {
            let script = format!(
                "{OURS}.flatMap(n => n.actions).find(a => a.label == '{label}').activate()"
            );
            return evaluate(screen, &script).map(drop);
        }
        Environment::Gnome => {
            let (x, y) = place_in_gnome(screen, label)?;
            format!("python3 /usr/local/lib/screen/pointer.py {x} {y}")
        }
        // The buttons are a row at the lower right edge, by the pictures. Moving the pointer counts
        // as input.
        Environment::X11 => {
            let place = shown.buttons.iter().rev().position(|it| it == label);
            let place = place.context(format!("no {label} in {shown:?}"))?;
            format!(
                r#"window=$(xdotool search --onlyvisible --class xfce4-notifyd | tail -n 1)
                eval "$(xdotool getwindowgeometry --shell "$window")"
                xdotool mousemove --sync $((X + WIDTH - 68 - 118 * {place})) \
                    $((Y + HEIGHT - 31)) click 1"#
            )
        }
    };
    screen.run(&script).map(drop)
}

/// The centre of a button, in whole pixels.
fn place_in_gnome(screen: &Screen<'_>, label: &str) -> Outcome<(u64, u64)> {
    let script = format!(
        "(() => {{ \
            Main.messageTray._updateState(); \
            const find = a => (a.label ?? a.text) === '{label}' && a.mapped ? a \
                : a.get_children().map(find).find(it => it); \
            const [[x, y], it] = (b => [b.get_transformed_position(), b])(find(global.stage)); \
            return [Math.round(x + it.width / 2), Math.round(y + it.height / 2)]; \
        }})()"
    );
    // A notification slides in, so the position must be the same twice. In GNOME 48 one may wait in
    // the queue after another has slid out, until the tray updates its state; the script makes it
    // do so.
    let mut before = None;
    wait_until(UP, "a button that stays in its place", || {
        let place = evaluate(screen, &script)?;
        let place = place[0].as_u64().zip(place[1].as_u64());
        let place = place.context(format!("no {label}"))?;
        match before.replace(place) {
            Some(before) if before == place => Ok(place),
            _ => Err(Failure::new(format!("{place:?}"))),
        }
    })
}

/// Cancels GNOME's password dialog.
pub(super) fn give_no_password(screen: &Screen<'_>) -> Outcome {
    place_in_gnome(screen, "Cancel")?;
    screen.photograph("password-gnome")?;
    let script = "(() => { \
        const find = a => a.label === 'Cancel' && a.mapped ? a \
            : a.get_children().map(find).find(it => it); \
        find(global.stage).emit('clicked', 1); \
    })()";
    evaluate(screen, script).map(drop)
}

/// Dismisses a notification.
pub(super) fn dismiss(screen: &Screen<'_>, shown: &Shown) -> Outcome {
    screen
        .run(&format!("makoctl dismiss -n {}", shown.id))
        .map(drop)
}

fn shown_by_mako(screen: &Screen<'_>) -> Outcome<Vec<Shown>> {
    let json = screen.run(
        "busctl --user --json=short call org.freedesktop.Notifications /fr/emersion/Mako \
         fr.emersion.Mako ListNotifications",
    )?;
    let reply: Value = serde_json::from_str(&json).context(format!("read {json}"))?;
    let all = reply["data"][0].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value["data"].as_str().unwrap_or_default().to_owned();
    let read = |one: &Value| {
        let actions = one["actions"]["data"].as_object();
        let id = one["id"]["data"].as_u64();
        Shown {
            id: id.and_then(|id| u32::try_from(id).ok()).unwrap_or_default(),
            summary: text(&one["summary"]),
            body: text(&one["body"]),
            buttons: actions
                .into_iter()
                .flat_map(serde_json::Map::values)
                .filter_map(|label| label.as_str().or_else(|| label["data"].as_str()))
                .map(str::to_owned)
                .collect(),
        }
    };
    Ok(all.iter().map(read).collect())
}

/// A script expression with the agent's notifications in GNOME's shell.
const OURS: &str = "Main.messageTray.getSources().flatMap(s => s.notifications).filter(n => n.title.startsWith('This'))";

fn shown_by_gnome(screen: &Screen<'_>) -> Outcome<Vec<Shown>> {
    let script = format!(
        "{OURS}.map(n => ({{title: n.title, body: n.body, buttons: n.actions.map(a => a.label)}}))"
    );
    let all = evaluate(screen, &script)?;
    let all = all.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |one: &Value| Shown {
        id: 0,
        summary: text(&one["title"]),
        body: text(&one["body"]),
        buttons: one["buttons"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
    };
    Ok(all.iter().map(read).collect())
}

/// The value of a script in GNOME's shell.
pub(super) fn evaluate(screen: &Screen<'_>, script: &str) -> Outcome<Value> {
    let script = script.replace('\\', r"\\").replace('"', "\\\"");
    let json = screen.run(&format!(
        "busctl --user --json=short call org.gnome.Shell /org/gnome/Shell org.gnome.Shell \
         Eval s \"{script}\""
    ))?;
    let reply: Value = serde_json::from_str(&json).context(format!("read {json}"))?;
    if reply["data"][0] != true {
        return Err(Failure::new(format!("{script}: {json}")));
    }
    let said = reply["data"][1].as_str().unwrap_or_default();
    Ok(serde_json::from_str(said).unwrap_or_default())
}

/// xfce4-notifyd has no list: a visible window means that the notification that was sent last is
/// shown.
fn shown_by_xfce(screen: &Screen<'_>) -> Outcome<Vec<Shown>> {
    let windows =
        screen.run("xdotool search --onlyvisible --class xfce4-notifyd 2>/dev/null; true")?;
    if windows.trim().is_empty() {
        return Ok(Vec::new());
    }
    let overheard = screen.run(&format!("cat {OVERHEARD}"))?;
    Ok(last_sent(&overheard).into_iter().collect())
}

/// The last notification that was sent, in the output of dbus-monitor.
pub(super) fn last_sent(overheard: &str) -> Option<Shown> {
    let start = overheard.rfind("member=Notify\n")?;
    let call = &overheard[start..];
    // dbus-monitor does not escape texts with several lines.
    let strings = call.split("string \"").skip(1);
    let strings: Vec<_> = strings
        .filter_map(|rest| rest.split_once("\"\n"))
        .map(|(text, _)| text.to_owned())
        .collect();
    let [_, _, summary, body, rest @ ..] = strings.as_slice() else {
        return None;
    };
    let actions = call.find("array [").zip(call.find("]\n"));
    let actions = actions.map_or(0, |(from, to)| call[from..to].matches("string").count());
    let labels = rest.iter().take(actions).skip(1).step_by(2);
    Some(Shown {
        id: 0,
        summary: summary.clone(),
        body: body.clone(),
        buttons: labels.cloned().collect(),
    })
}
