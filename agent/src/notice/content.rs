//! A notification as it goes to the server, made of what is to be said and what the server can
//! show.

use session_timeout_texts::{Language, Sentence};

use super::remaining::Remaining;
use super::told::{Extensions, Granted, LastEnding, Limit, Parting, Plain, Urgency, Warning};
use crate::clock::Now;

/// What a server can show (`GetCapabilities` of the Desktop Notifications Specification 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) actions: Actions,
    pub(crate) body: Body,
}

/// Whether there are buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actions {
    Shown,
    Missing,
}

/// What becomes of the text below the heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// It is shown as it is.
    Text,
    /// It is read as markup.
    Markup,
    /// It is not shown.
    Missing,
}

impl Abilities {
    /// By the words of `GetCapabilities`.
    pub(crate) fn of(words: &[String]) -> Self {
        let has = |word: &str| words.iter().any(|it| it == word);
        Self {
            actions: if has("actions") {
                Actions::Shown
            } else {
                Actions::Missing
            },
            body: match (has("body"), has("body-markup")) {
                (_, true) => Body::Markup,
                (true, false) => Body::Text,
                (false, false) => Body::Missing,
            },
        }
    }
}

/// What the user can press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Stay,
    Extend,
    SignOut,
}

impl Button {
    const ALL: [Self; 3] = [Self::Stay, Self::Extend, Self::SignOut];

    /// The server's word for it.
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

/// How long it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// Until it is closed.
    Open,
    /// As long as the server shows what is merely news.
    Briefly,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) buttons: Vec<(Button, String)>,
    pub(crate) urgency: Urgency,
    pub(crate) stays: Stays,
}

impl Content {
    /// That the session is going to end; `note` is what came of the last button.
    pub(super) fn warning(
        language: Language,
        now: Now,
        warning: &Warning,
        note: Option<&str>,
        abilities: Abilities,
    ) -> Self {
        let threat = Sentence::Threat {
            end: warning.end.into(),
            left: Remaining::until(now, warning.ends).span(),
        };
        let mut lines = vec![advice(language, warning)];
        lines.extend(offer(warning).map(|Extensions { left: count, by }| {
            language.say(match abilities.actions {
                Actions::Shown => Sentence::Offer { count, by },
                Actions::Missing => Sentence::OfferOfCommand { count, by },
            })
        }));
        lines.extend(note.map(str::to_owned));
        Self {
            buttons: match abilities.actions {
                Actions::Shown => buttons(language, warning),
                Actions::Missing => Vec::new(),
            },
            urgency: warning.urgency,
            ..Self::of(language.say(threat), &lines, abilities)
        }
    }

    /// That there is more time.
    pub(super) fn granted(
        language: Language,
        now: Now,
        granted: Granted,
        abilities: Abilities,
    ) -> Self {
        let left = Remaining::until(now, granted.ends).span();
        let mut lines = vec![language.say(Sentence::GrantedUntil { left })];
        let (count, by) = (granted.left, granted.by);
        lines.extend((count > 0).then(|| language.say(Sentence::Offer { count, by })));
        let summary = language.say(Sentence::Granted { by });
        Self {
            stays: Stays::Briefly,
            ..Self::of(summary, &lines, abilities)
        }
    }

    /// What became of the last session.
    pub(super) fn last_ending(
        language: Language,
        ending: &LastEnding,
        abilities: Abilities,
    ) -> Self {
        let said = language.say(Sentence::LastEnding {
            place: ending.place.as_ref().map(Plain::as_str),
            ago: ending.ago,
            cause: ending.cause,
            length: ending.length,
        });
        Self::of(language.say(Sentence::LastEndingTitle), &[said], abilities)
    }

    /// That the session ends now.
    pub(super) fn parting(language: Language, parting: &Parting, abilities: Abilities) -> Self {
        let end = parting.end.into();
        let reason = Sentence::PartingReason {
            end,
            limit: parting.limit.into(),
            length: parting.length,
        };
        let (summary, lines) = (
            language.say(Sentence::Parting { end }),
            [language.say(reason)],
        );
        Self {
            urgency: Urgency::Critical,
            ..Self::of(summary, &lines, abilities)
        }
    }

    fn of(summary: String, lines: &[String], abilities: Abilities) -> Self {
        let (summary, body) = match abilities.body {
            Body::Text => (summary, lines.join("\n")),
            Body::Markup => (summary, escaped(&lines.join("\n"))),
            Body::Missing => (format!("{summary}. {}", lines.join(" ")), String::new()),
        };
        Self {
            summary,
            body,
            buttons: Vec::new(),
            urgency: Urgency::Normal,
            stays: Stays::Open,
        }
    }
}

/// Only the absolute limit can be put off.
fn offer(warning: &Warning) -> Option<Extensions> {
    let absolute = warning.limit == Limit::Absolute;
    warning.extensions.filter(|_| absolute)
}

/// What helps: the administrator's own words, or ours.
fn advice(language: Language, warning: &Warning) -> String {
    if let Some(message) = &warning.message {
        return message.as_str().to_owned();
    }
    language.say(Sentence::Advice {
        end: warning.end.into(),
        limit: warning.limit.into(),
        length: warning.length,
        rule: warning.rule.as_ref().map(Plain::as_str),
    })
}

fn buttons(language: Language, warning: &Warning) -> Vec<(Button, String)> {
    let stay = match warning.limit {
        Limit::Absolute => offer(warning).map(|Extensions { by, .. }| {
            let label = Sentence::ButtonExtend { by };
            (Button::Extend, language.say(label))
        }),
        Limit::Inactivity => Some((Button::Stay, language.say(Sentence::ButtonStay))),
    };
    let sign_out = (Button::SignOut, language.say(Sentence::ButtonSignOut));
    stay.into_iter().chain([sign_out]).collect()
}

/// As XML has it, which the specification's markup is a part of.
fn escaped(text: &str) -> String {
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
    use crate::notice::told::End;
    use session_timeout_texts::is_unprintable;

    const WHOLE: Abilities = Abilities {
        actions: Actions::Shown,
        body: Body::Text,
    };

    fn warning(limit: Limit) -> Warning {
        Warning {
            limit,
            ends: at(1_000).after(Duration::from_secs(300)),
            length: Duration::from_secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: Some(Plain::of("card data")),
            message: None,
            extensions: None,
        }
    }

    #[test]
    fn it_says_what_ends_when_why_and_what_helps() {
        let content = Content::warning(
            Language::English,
            at(1_000),
            &warning(Limit::Inactivity),
            None,
            WHOLE,
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
    fn more_time_is_offered_with_the_number_left_only_while_there_is_any() {
        let mut warning = warning(Limit::Absolute);
        let content = Content::warning(Language::English, at(1_000), &warning, None, WHOLE);
        let keys = |content: &Content| -> Vec<_> {
            content.buttons.iter().map(|(button, _)| *button).collect()
        };
        assert_eq!(keys(&content), [Button::SignOut]);
        let by = Duration::from_secs(1800);
        warning.extensions = Some(Extensions { left: 2, by });
        let content = Content::warning(Language::English, at(1_000), &warning, None, WHOLE);
        assert_eq!(keys(&content), [Button::Extend, Button::SignOut]);
        assert_eq!(content.buttons[0].1, "Extend by 30 min");
        let last = content.body.lines().last();
        assert_eq!(
            last,
            Some("You may extend it 2 more times, by 30 min each.")
        );
    }

    #[test]
    fn a_server_that_lacks_something_is_given_the_rest() {
        let mut warning = warning(Limit::Absolute);
        let by = Duration::from_secs(1800);
        warning.extensions = Some(Extensions { left: 1, by });
        let poor = Abilities::of(&[]);
        let content = Content::warning(Language::English, at(1_000), &warning, Some("Note."), poor);
        assert_eq!((content.body.as_str(), content.buttons.len()), ("", 0));
        assert_eq!(
            content.summary,
            "This session ends within 5 min. Save your work. \
             A session lasts for 15 min (rule \"card data\"). You may extend it once more, by 30 min. \
             The command is: session-timeout extend Note."
        );
    }

    #[test]
    fn the_administrators_own_text_stands_instead_of_the_reason() {
        let mut warning = warning(Limit::Absolute);
        warning.message = Some(Plain::of("Closing time: <b>go</b> & come back"));
        let markup = Abilities {
            body: Body::Markup,
            ..WHOLE
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

    /// Text that is more often hostile than any text is.
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
                rule: Some(Plain::of(&rule)),
                message: message.as_deref().map(Plain::of),
                ..warning(Limit::Absolute)
            };
            for body in [Body::Text, Body::Markup, Body::Missing] {
                let notes = [
                    Sentence::NotExtended { why: &why },
                    Sentence::NotHeard { why: &why },
                    Sentence::NotSignedOut { why: &why },
                ];
                for note in notes.map(|note| Language::English.say(note)) {
                    let abilities = Abilities { body, ..WHOLE };
                    let content = Content::warning(Language::English, at(0), &warning, Some(&note), abilities);
                    let ours = |c: &char| *c != '\n';
                    let shown = content.summary.chars().chain(content.body.chars().filter(ours));
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
