//! Renders the status for `status --json`. Scripts rely on its keys.
//!
//! Keys are only added, never changed. What is unknown is `null`, never left out; times are whole
//! seconds, rounded down.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::status::{Session, Status};

/// Writes one document and a newline.
pub(crate) fn write(status: &Status, out: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::from(status))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'a str,
    policy: PolicyObject<'a>,
    short_limits: bool,
    logind: &'a str,
    rejected_frames: u64,
    sessions: Vec<SessionObject<'a>>,
}

#[derive(Serialize)]
struct PolicyObject<'a> {
    path: &'a str,
    state: &'a str,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct SessionObject<'a> {
    id: &'a str,
    user: &'a str,
    uid: Option<u32>,
    #[serde(rename = "type")]
    session_type: &'a str,
    class: &'a str,
    service: Option<&'a str>,
    from: Option<&'a str>,
    terminal: Option<&'a str>,
    phase: &'a str,
    exemption: Option<&'a str>,
    idle_seconds: Option<u64>,
    idle_source: &'a str,
    ends_by: Option<&'a str>,
    left_seconds: Option<u64>,
    absolute_seconds: Option<u64>,
    inactivity_seconds: Option<u64>,
    end_action: Option<&'a str>,
    rule: Option<&'a str>,
    groups_state: Option<&'a str>,
    lock_after_seconds: Option<u64>,
    extensions_used: Option<u32>,
    extensions_allowed: Option<u32>,
    locked: Option<bool>,
    agent_source: Option<&'a str>,
    idle_fallbacks: Option<&'a [String]>,
    idle_age_seconds: Option<u64>,
    inhibited_by: Option<&'a str>,
    keeper: Option<&'a str>,
    no_session: Option<&'a str>,
    unwarned: Option<bool>,
    absolute_rule: Option<&'a str>,
}

impl<'a> From<&'a Status> for Document<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            version: &status.version,
            policy: PolicyObject {
                path: &status.policy.path,
                state: &status.policy.state,
                error: status.policy.error.as_deref(),
            },
            short_limits: status.short_limits,
            logind: &status.logind,
            rejected_frames: status.rejected_frames,
            sessions: status.sessions.iter().map(SessionObject::from).collect(),
        }
    }
}

impl<'a> From<&'a Session> for SessionObject<'a> {
    fn from(session: &'a Session) -> Self {
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        Self {
            id: &session.id,
            user: &session.user,
            uid: session.uid,
            session_type: &session.session_type,
            class: &session.class,
            service: session.service.as_deref(),
            from: session.from.as_deref(),
            terminal: session.terminal.as_deref(),
            phase: &session.phase,
            exemption: session.exemption.as_deref(),
            idle_seconds: seconds(session.idle),
            idle_source: &session.idle_source,
            ends_by: session.ends_by.as_deref(),
            left_seconds: seconds(session.left),
            absolute_seconds: seconds(session.absolute),
            inactivity_seconds: seconds(session.inactivity),
            end_action: session.end_action.as_deref(),
            rule: session.rule.as_deref(),
            groups_state: session.groups_state.as_deref(),
            lock_after_seconds: seconds(session.lock_after),
            extensions_used: session.extensions_used,
            extensions_allowed: session.extensions_allowed,
            locked: session.locked,
            agent_source: session.agent_source.as_deref(),
            idle_fallbacks: session.idle_fallbacks.as_deref(),
            idle_age_seconds: seconds(session.idle_age),
            inhibited_by: session.inhibited_by.as_deref(),
            keeper: session.keeper.as_deref(),
            no_session: session.no_session.as_deref(),
            unwarned: session.unwarned,
            absolute_rule: session.absolute_rule.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    fn json(status: &Status) -> String {
        let mut out = Vec::new();
        write(status, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_shape_stays_as_it_is() {
        let expected = concat!(
            r#"{"version":"0.1.0","#,
            r#""policy":{"path":"/etc/session-timeout/policy.toml","state":"in-force","error":null},"#,
            r#""short_limits":false,"logind":"connected","rejected_frames":0,"sessions":["#,
            r#"{"id":"c1","user":"alice","uid":1000,"type":"tty","class":"user","service":"sshd","#,
            r#""from":"192.0.2.7","terminal":"pts/0","phase":"running","exemption":null,"#,
            r#""idle_seconds":12,"idle_source":"terminals","ends_by":"absolute","#,
            r#""left_seconds":86340,"absolute_seconds":86400,"inactivity_seconds":null,"#,
            r#""end_action":"terminate","rule":null,"groups_state":null,"#,
            r#""lock_after_seconds":null,"extensions_used":1,"extensions_allowed":2,"#,
            r#""locked":false,"agent_source":null,"idle_fallbacks":["logind"],"#,
            r#""idle_age_seconds":4,"inhibited_by":null,"keeper":"logind","no_session":null,"#,
            r#""unwarned":false,"absolute_rule":null},"#,
            r#"{"id":"c2","user":"bob","uid":1001,"type":"wayland","class":"user","service":null,"#,
            r#""from":null,"terminal":null,"phase":"warned","exemption":null,"#,
            r#""idle_seconds":7,"idle_source":"agent","ends_by":"absolute","#,
            r#""left_seconds":250,"absolute_seconds":3600,"inactivity_seconds":900,"#,
            r#""end_action":"report","rule":null,"groups_state":null,"#,
            r#""lock_after_seconds":300,"extensions_used":null,"extensions_allowed":null,"#,
            r#""locked":null,"agent_source":"mutter","idle_fallbacks":[],"#,
            r#""idle_age_seconds":0,"inhibited_by":null,"keeper":null,"no_session":null,"#,
            r#""unwarned":null,"absolute_rule":null},"#,
            r#"{"id":"3","user":"root","uid":0,"type":"tty","class":"user","service":"login","#,
            r#""from":null,"terminal":"tty1","phase":"exempt","exemption":"root","#,
            r#""idle_seconds":7261,"idle_source":"logind","ends_by":null,"left_seconds":null,"#,
            r#""absolute_seconds":null,"inactivity_seconds":null,"end_action":null,"#,
            r#""rule":null,"groups_state":null,"lock_after_seconds":null,"extensions_used":null,"#,
            r#""extensions_allowed":null,"locked":null,"agent_source":null,"#,
            r#""idle_fallbacks":null,"idle_age_seconds":null,"inhibited_by":null,"#,
            r#""keeper":null,"no_session":null,"unwarned":null,"absolute_rule":null}]}"#,
            "\n",
        );
        assert_eq!(json(&sample()), expected);
    }

    #[test]
    fn who_inhibits_is_named() {
        let mut status = sample();
        status.sessions[1].inhibited_by = Some("totem".into());
        assert!(json(&status).contains(r#""inhibited_by":"totem""#));
    }

    #[test]
    fn a_login_that_the_daemon_keeps_has_the_reason() {
        let mut status = sample();
        status.sessions[0].keeper = Some("daemon".into());
        status.sessions[0].no_session = Some("logind-full".into());
        status.sessions[0].unwarned = Some(true);
        let expected = r#""keeper":"daemon","no_session":"logind-full","unwarned":true,"#;
        assert!(json(&status).contains(expected));
    }

    #[test]
    fn no_session_is_an_empty_list() {
        assert!(json(&Status::default()).ends_with("\"sessions\":[]}\n"));
    }

    #[test]
    fn an_error_over_several_lines_stays_one_line_of_json() {
        let mut status = sample();
        status.policy.error = Some("line 3\n  ^ here".into());
        assert_eq!(json(&status).matches('\n').count(), 1);
    }
}
