//! Renders an explanation for `explain --json`. Scripts rely on its keys.
//!
//! As in `status`: keys are only added, what is unknown or does not apply is `null`, and times are
//! whole seconds, rounded down.

use std::io;

use serde::Serialize;

use super::{About, Explanation, Holds, Login, PassedOver, ScheduledEvent, Setting};

/// Writes one document and a newline.
pub(crate) fn write(explanation: &Explanation, out: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::from(explanation))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    session: Option<&'a str>,
    login: Option<LoginObject<'a>>,
    user: &'a str,
    phase: Option<&'a str>,
    rule: Option<&'a str>,
    exemption: Option<&'a str>,
    groups: Option<&'a [String]>,
    groups_state: Option<&'a str>,
    passed_over: Option<Vec<PassedOverObject<'a>>>,
    end_action: Option<&'a str>,
    settings: Vec<SettingObject<'a>>,
    schedule: Vec<ScheduledEventObject<'a>>,
    no_session: Option<&'a str>,
    unwarned: Option<bool>,
    absolute_rule: Option<&'a str>,
}

#[derive(Serialize)]
struct LoginObject<'a> {
    uid: u32,
    #[serde(rename = "type")]
    session_type: &'a str,
    class: &'a str,
    service: &'a str,
    from: Option<&'a str>,
    tty: Option<&'a str>,
    seat: Option<&'a str>,
    files: &'a [String],
    longest_seconds: Option<u64>,
}

#[derive(Serialize)]
struct PassedOverObject<'a> {
    rule: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct SettingObject<'a> {
    key: &'a str,
    value: &'a str,
    origin: &'a str,
}

#[derive(Serialize)]
struct ScheduledEventObject<'a> {
    what: &'a str,
    limit: &'a str,
    after_seconds: u64,
    lead_seconds: Option<u64>,
}

impl<'a> From<&'a Explanation> for Document<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        let (session, phase, login) = match &explanation.about {
            About::Session { id, phase, .. } => (Some(id.as_str()), Some(phase.as_str()), None),
            About::Login(login) => (None, None, Some(login)),
        };
        let (no_session, unwarned, absolute_rule) = match &explanation.about {
            About::Session {
                no_session,
                unwarned,
                absolute_rule,
                ..
            } => (no_session.as_deref(), *unwarned, absolute_rule.as_deref()),
            About::Login(login) => (login.no_session, None, None),
        };
        let (rule, exemption) = match &explanation.holds {
            Holds::Rule(name) => (Some(name.as_str()), None),
            Holds::Nothing(why) => (None, Some(why.as_str())),
            Holds::Default | Holds::Undecided => (None, None),
        };
        let passed_over = login.map(|login| login.passed_over.iter());
        let schedule = &explanation.schedule;
        Self {
            session,
            login: login.map(LoginObject::from),
            user: &explanation.user,
            phase,
            rule,
            exemption,
            groups: explanation.groups.as_deref(),
            groups_state: explanation.groups_state.as_deref(),
            passed_over: passed_over.map(|rules| rules.map(PassedOverObject::from).collect()),
            end_action: explanation.end_action.as_deref(),
            settings: explanation.settings.iter().map(Into::into).collect(),
            schedule: schedule
                .iter()
                .map(|step| ScheduledEventObject::of(step, schedule))
                .collect(),
            no_session,
            unwarned,
            absolute_rule,
        }
    }
}

impl<'a> From<&'a Login> for LoginObject<'a> {
    fn from(login: &'a Login) -> Self {
        Self {
            uid: login.uid,
            session_type: login.session_type,
            class: &login.class,
            service: &login.service,
            from: login.from.as_deref(),
            tty: login.tty.as_deref(),
            seat: login.seat.as_deref(),
            files: &login.files,
            longest_seconds: login.longest.map(|longest| longest.as_secs()),
        }
    }
}

impl<'a> From<&'a PassedOver> for PassedOverObject<'a> {
    fn from(passed_over: &'a PassedOver) -> Self {
        Self {
            rule: &passed_over.rule,
            why: &passed_over.why,
        }
    }
}

impl<'a> From<&'a Setting> for SettingObject<'a> {
    fn from(setting: &'a Setting) -> Self {
        Self {
            key: &setting.key,
            value: &setting.value,
            origin: &setting.origin,
        }
    }
}

impl<'a> ScheduledEventObject<'a> {
    fn of(step: &'a ScheduledEvent, schedule: &[ScheduledEvent]) -> Self {
        Self {
            what: &step.what,
            limit: &step.limit,
            after_seconds: step.after.as_secs(),
            lead_seconds: step.lead(schedule).map(|lead| lead.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{exempt, login, session};
    use super::*;

    fn json(explanation: &Explanation) -> String {
        let mut out = Vec::new();
        write(explanation, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_shape_of_a_session_stays_as_it_is() {
        let expected = concat!(
            r#"{"session":"c1","login":null,"user":"alice","phase":"running","rule":"card data","#,
            r#""exemption":null,"groups":["alice","pci"],"groups_state":null,"#,
            r#""passed_over":null,"end_action":"terminate","settings":["#,
            r#"{"key":"session-timeout","value":"\"12h\"","#,
            r#""origin":"/etc/session-timeout/policy.toml:9"},"#,
            r#"{"key":"inactivity-timeout","value":"\"off\"","origin":"built-in"}],"schedule":["#,
            r#"{"what":"warning","limit":"absolute","after_seconds":42000,"lead_seconds":1200},"#,
            r#"{"what":"end","limit":"absolute","after_seconds":43200,"lead_seconds":null}],"#,
            r#""no_session":null,"unwarned":false,"absolute_rule":null}"#,
            "\n",
        );
        assert_eq!(json(&session()), expected);
    }

    #[test]
    fn the_shape_of_a_login_stays_as_it_is() {
        let expected = concat!(
            r#"{"session":null,"login":{"uid":1000,"type":"tty","class":"user","service":"sshd","#,
            r#""from":"192.0.2.7","tty":null,"seat":null,"#,
            r#""files":["/etc/session-timeout/policy.toml","#,
            r#""/etc/session-timeout/policy.d/50-cards.toml"],"longest_seconds":46800},"#,
            r#""user":"alice","phase":null,"rule":null,"exemption":null,"#,
            r#""groups":["alice","pci"],"groups_state":null,"#,
            r#""passed_over":[{"rule":"card data","why":"group is not pci"}],"#,
        );
        let json = json(&login());
        assert!(json.starts_with(expected), "{json}");
    }

    #[test]
    fn where_no_limit_holds_lists_are_empty_and_the_reason_is_given() {
        let json = json(&exempt());
        let expected = concat!(
            r#""rule":null,"exemption":"root","groups":null,"groups_state":null,"#,
            r#""passed_over":null,"end_action":null,"settings":[],"schedule":[],"#,
            r#""no_session":null,"unwarned":null,"absolute_rule":null}"#,
            "\n",
        );
        assert!(json.ends_with(expected), "{json}");
    }
}
