//! The content of a notification, for the capabilities of the server.

use session_timeout_texts::{Language, Sentence};

use super::model::{
    EndNotice, Extension, ExtensionOffer, LastEnding, Limit, SanitizedText, Urgency, Warning,
};
use super::remaining::Remaining;
use crate::clock::Now;

/// The capabilities of a server (`GetCapabilities` of the Desktop Notifications Specification 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) actions: Actions,
    pub(crate) body: Body,
}

/// Whether the server shows buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actions {
    Supported,
    Unsupported,
}

/// How the server shows the text below the heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// As plain text.
    Text,
    /// As markup.
    Markup,
    /// Not at all.
    Unsupported,
}

impl Capabilities {
    /// From the reply to `GetCapabilities`.
    pub(crate) fn from_names(names: &[String]) -> Self {
        let has = |name: &str| names.iter().any(|it| it == name);
        Self {
            actions: if has("actions") {
                Actions::Supported
            } else {
                Actions::Unsupported
            },
            body: match (has("body"), has("body-markup")) {
                (_, true) => Body::Markup,
                (true, false) => Body::Text,
                (false, false) => Body::Unsupported,
            },
        }
    }
}

/// A button of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Stay,
    Extend,
    SignOut,
}

impl Button {
    const ALL: [Self; 3] = [Self::Stay, Self::Extend, Self::SignOut];

    /// Its action key.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Extend => "extend",
            Self::SignOut => "sign-out",
        }
    }

    pub(crate) fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|button| button.key() == key)
    }
}

/// When the server removes the notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// When it is closed.
    Never,
    /// After the server's default timeout.
    ServerDefault,
}

/// The content of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) buttons: Vec<(Button, String)>,
    pub(crate) urgency: Urgency,
    pub(crate) expiry: Expiry,
}

impl Content {
    /// A warning. `note` is the result of the last button.
    pub(super) fn warning(
        language: Language,
        now: Now,
        warning: &Warning,
        note: Option<&str>,
        capabilities: Capabilities,
    ) -> Self {
        let heading = Sentence::WarningTitle {
            end: warning.end.into(),
            left: Remaining::until(now, warning.ends).span(),
        };
        let mut lines = vec![explanation(language, warning)];
        lines.extend(offer(warning).map(|ExtensionOffer { left: count, by }| {
            language.say(match capabilities.actions {
                Actions::Supported => Sentence::Offer { count, by },
                Actions::Unsupported => Sentence::OfferOfCommand { count, by },
            })
        }));
        lines.extend(note.map(str::to_owned));
        Self {
            buttons: match capabilities.actions {
                Actions::Supported => buttons(language, warning),
                Actions::Unsupported => Vec::new(),
            },
            urgency: warning.urgency,
            ..Self::of(language.say(heading), &lines, capabilities)
        }
    }

    /// A granted extension.
    pub(super) fn extended(
        language: Language,
        now: Now,
        extension: Extension,
        capabilities: Capabilities,
    ) -> Self {
        let left = Remaining::until(now, extension.ends).span();
        let mut lines = vec![language.say(Sentence::GrantedUntil { left })];
        let (count, by) = (extension.left, extension.by);
        lines.extend((count > 0).then(|| language.say(Sentence::Offer { count, by })));
        let summary = language.say(Sentence::Granted { by });
        Self {
            expiry: Expiry::ServerDefault,
            ..Self::of(summary, &lines, capabilities)
        }
    }

    /// How the user's last session ended.
    pub(super) fn last_ending(
        language: Language,
        ending: &LastEnding,
        capabilities: Capabilities,
    ) -> Self {
        let said = language.say(Sentence::LastEnding {
            place: ending.place.as_ref().map(SanitizedText::as_str),
            when: ending.ended,
            cause: ending.cause,
            length: ending.length,
        });
        Self::of(
            language.say(Sentence::LastEndingTitle),
            &[said],
            capabilities,
        )
    }

    /// The end of the session.
    pub(super) fn end(language: Language, notice: &EndNotice, capabilities: Capabilities) -> Self {
        let end = notice.end.into();
        let reason = Sentence::EndNoticeReason {
            end,
            limit: notice.limit.into(),
            length: notice.length,
        };
        let (summary, lines) = (
            language.say(Sentence::EndNotice { end }),
            [language.say(reason)],
        );
        Self {
            urgency: Urgency::Critical,
            ..Self::of(summary, &lines, capabilities)
        }
    }

    fn of(summary: String, lines: &[String], capabilities: Capabilities) -> Self {
        let (summary, body) = match capabilities.body {
            Body::Text => (summary, lines.join("\n")),
            Body::Markup => (summary, escape(&lines.join("\n"))),
            Body::Unsupported => (format!("{summary}. {}", lines.join(" ")), String::new()),
        };
        Self {
            summary,
            body,
            buttons: Vec::new(),
            urgency: Urgency::Normal,
            expiry: Expiry::Never,
        }
    }
}

/// The extensions to offer: only the absolute limit can be extended.
fn offer(warning: &Warning) -> Option<ExtensionOffer> {
    let absolute = warning.limit == Limit::Absolute;
    warning.extensions.filter(|_| absolute)
}

/// The administrator's message, or what the user can do.
fn explanation(language: Language, warning: &Warning) -> String {
    if let Some(message) = &warning.message {
        return message.as_str().to_owned();
    }
    language.say(Sentence::WarningText {
        end: warning.end.into(),
        limit: warning.limit.into(),
        length: warning.length,
        rule: warning.rule.as_ref().map(SanitizedText::as_str),
    })
}

fn buttons(language: Language, warning: &Warning) -> Vec<(Button, String)> {
    let stay = match warning.limit {
        Limit::Absolute => offer(warning).map(|ExtensionOffer { by, .. }| {
            let label = Sentence::ButtonExtend { by };
            (Button::Extend, language.say(label))
        }),
        Limit::Inactivity => Some((Button::Stay, language.say(Sentence::ButtonStay))),
    };
    let sign_out = (Button::SignOut, language.say(Sentence::ButtonSignOut));
    stay.into_iter().chain([sign_out]).collect()
}

/// Escapes text for the specification's markup, which is a subset of XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::tests::at;
    use crate::notice::model::End;
    use session_timeout_texts::is_unprintable;

    const FULL: Capabilities = Capabilities {
        actions: Actions::Supported,
        body: Body::Text,
    };

    fn warning(limit: Limit) -> Warning {
        Warning {
            limit,
            ends: at(1_000).after(Duration::from_secs(300)),
            length: Duration::from_secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: Some(SanitizedText::new("card data")),
            message: None,
            extensions: None,
        }
    }

    #[test]
    fn a_warning_has_the_end_its_time_its_reason_and_what_to_do() {
        let content = Content::warning(
            Language::English,
            at(1_000),
            &warning(Limit::Inactivity),
            None,
            FULL,
        );
        assert_eq!(content.summary, "This session ends within 5 min");
        assert_eq!(
            content.body,
            "Press a key or move the pointer to stay. \
             The inactivity limit is 15 min (rule \"card data\")."
        );
        let labels: Vec<_> = content.buttons.iter().map(|(_, it)| it.as_str()).collect();
        assert_eq!(labels, ["Stay signed in", "Sign out now"]);
    }

    #[test]
    fn extensions_are_offered_with_their_number_while_any_are_left() {
        let mut warning = warning(Limit::Absolute);
        let content = Content::warning(Language::English, at(1_000), &warning, None, FULL);
        let keys = |content: &Content| -> Vec<_> {
            content.buttons.iter().map(|(button, _)| *button).collect()
        };
        assert_eq!(keys(&content), [Button::SignOut]);
        let by = Duration::from_secs(1800);
        warning.extensions = Some(ExtensionOffer { left: 2, by });
        let content = Content::warning(Language::English, at(1_000), &warning, None, FULL);
        assert_eq!(keys(&content), [Button::Extend, Button::SignOut]);
        assert_eq!(content.buttons[0].1, "Extend by 30 min");
        let last = content.body.lines().last();
        assert_eq!(
            last,
            Some("You may extend it 2 more times, by 30 min each.")
        );
    }

    #[test]
    fn a_server_without_body_and_buttons_gets_everything_in_the_summary() {
        let mut warning = warning(Limit::Absolute);
        let by = Duration::from_secs(1800);
        warning.extensions = Some(ExtensionOffer { left: 1, by });
        let minimal = Capabilities::from_names(&[]);
        let content = Content::warning(
            Language::English,
            at(1_000),
            &warning,
            Some("Note."),
            minimal,
        );
        assert_eq!((content.body.as_str(), content.buttons.len()), ("", 0));
        assert_eq!(
            content.summary,
            "This session ends within 5 min. Save your work. \
             A session lasts for 15 min (rule \"card data\"). You may extend it once more, by 30 min. \
             The command is: session-timeout extend Note."
        );
    }

    #[test]
    fn the_administrators_message_replaces_the_reason() {
        let mut warning = warning(Limit::Absolute);
        warning.message = Some(SanitizedText::new("Closing time: <b>go</b> & come back"));
        let markup = Capabilities {
            body: Body::Markup,
            ..FULL
        };
        let content = Content::warning(Language::English, at(1_000), &warning, None, markup);
        assert_eq!(
            content.body,
            "Closing time: &lt;b&gt;go&lt;/b&gt; &amp; come back"
        );
    }

    #[test]
    fn each_button_is_read_by_its_key() {
        for button in Button::ALL {
            assert_eq!(Button::parse(button.key()), Some(button));
        }
        assert_eq!(Button::parse("default"), None);
    }

    /// Text with more control characters than random text has.
    fn text() -> impl Strategy<Value = String> {
        let hostile = prop::sample::select(vec![
            '\u{1b}', '\n', '\r', '\u{9b}', '\u{7}', '\u{202e}', '\u{2066}', '\u{feff}', '<', '>',
            '&', '"', '\'',
        ]);
        let any = prop_oneof![hostile, any::<char>()];
        prop::collection::vec(any, 0..60).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_from_outside_commands_what_shows_it(
            rule in text(), message in prop::option::of(text()), why in text(),
        ) {
            let warning = Warning {
                rule: Some(SanitizedText::new(&rule)),
                message: message.as_deref().map(SanitizedText::new),
                ..warning(Limit::Absolute)
            };
            for body in [Body::Text, Body::Markup, Body::Unsupported] {
                let notes = [
                    Sentence::NotExtended { why: &why },
                    Sentence::NotHeard { why: &why },
                    Sentence::NotSignedOut { why: &why },
                ];
                for note in notes.map(|note| Language::English.say(note)) {
                    let capabilities = Capabilities { body, ..FULL };
                    let content = Content::warning(Language::English, at(0), &warning, Some(&note), capabilities);
                    let not_line_break = |c: &char| *c != '\n';
                    let shown = content.summary.chars().chain(content.body.chars().filter(not_line_break));
                    for c in shown {
                        prop_assert!(!is_unprintable(c), "{:?}", content);
                    }
                    // The reason and the note are a line each.
                    prop_assert!(content.body.lines().count() <= 2);
                    if body == Body::Markup {
                        prop_assert!(!content.body.contains(['<', '>']));
                        for rest in content.body.split('&').skip(1) {
                            let entity = ["amp;", "lt;", "gt;"];
                            prop_assert!(entity.iter().any(|it| rest.starts_with(it)));
                        }
                    }
                }
            }
        }
    }
}
