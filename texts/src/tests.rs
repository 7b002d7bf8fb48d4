//! Tests that every catalogue is complete and that all text from outside is sanitized.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser::parse;
use proptest::prelude::*;

use crate::catalogue::source;
use session_timeout_protocol::bus::ExtendError;

use crate::{Cause, End, Language, Limit, LocalTime, Sentence, State, When, is_unprintable};

const SHORT: Duration = Duration::from_secs(900);
const LONG: Duration = Duration::from_secs(3 * 24 * 3600);

const MORNING: LocalTime = LocalTime {
    year: 2026,
    month: 11,
    day: 3,
    hour: 8,
    minute: 5,
};

const CAUSES: [Cause; 3] = [Cause::Login, Cause::Unlock, Cause::Input];
const ENDS: [End; 3] = [End::Ends, End::Locks, End::Passes];
const LIMITS: [Limit; 2] = [Limit::Absolute, Limit::Inactivity];
const STATES: [State; 5] = [
    State::Ending,
    State::Locked,
    State::Passed,
    State::Undecided,
    State::NoLimit,
];

/// Every sentence, with this text as each argument.
fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut all = vec![
        Sentence::LastEndingTitle,
        Sentence::Program,
        Sentence::ButtonStay,
        Sentence::ButtonSignOut,
        Sentence::ButtonExtend { by: SHORT },
        Sentence::Granted { by: SHORT },
        Sentence::GrantedUntil { left: SHORT },
        Sentence::NotExtended { why: text },
        Sentence::NotHeard { why: text },
        Sentence::NotSignedOut { why: text },
        Sentence::AskedOnTerminals { why: text },
        Sentence::NoTerminalAgent { why: text },
    ];
    for inactivity in [None, Some(SHORT)] {
        let absolute = LONG;
        all.push(Sentence::Limits {
            absolute,
            inactivity,
        });
    }
    for count in [0, 1, 2, 7] {
        let (by, left, session) = (SHORT, LONG, text);
        all.extend([
            Sentence::Offer { count, by },
            Sentence::OfferOfCommand { count, by },
            Sentence::ExtensionsLeft { count },
            Sentence::Extended {
                session,
                by,
                left,
                count,
            },
        ]);
    }
    all.extend(ExtendError::ALL.map(Sentence::Refused));
    for state in STATES {
        let session = text;
        all.extend([
            Sentence::State(state),
            Sentence::SessionState { session, state },
        ]);
    }
    for limit in LIMITS {
        let length = SHORT;
        all.extend(ENDS.map(|end| Sentence::EndNoticeReason { end, limit, length }));
        for length in [None, Some(SHORT)] {
            all.push(Sentence::ByLimit { limit, length });
        }
        for rule in [None, Some(text)] {
            all.extend(ENDS.map(|end| Sentence::WarningText {
                end,
                limit,
                length,
                rule,
            }));
        }
    }
    for end in ENDS {
        let (left, session) = (SHORT, text);
        let now = Duration::ZERO;
        all.extend([
            Sentence::EndNotice { end },
            Sentence::WarningTitle { end, left },
            Sentence::WarningTitle { end, left: now },
            Sentence::SessionLeft { session, end, left },
        ]);
        all.extend(CAUSES.map(|cause| Sentence::TerminalWarning {
            end,
            cause,
            length: LONG,
            left,
        }));
    }
    for cause in CAUSES {
        let length = SHORT;
        all.push(Sentence::Reason { cause, length });
        for some in [None, Some(text)] {
            all.push(Sentence::TerminalEnd {
                cause,
                length,
                rule: some,
            });
            for when in [
                When::Ago(Duration::ZERO),
                When::Ago(SHORT),
                When::Ago(LONG),
                When::Today(MORNING),
                When::Dated(MORNING),
            ] {
                all.push(Sentence::LastEnding {
                    place: some,
                    when,
                    cause,
                    length,
                });
            }
        }
    }
    all
}

/// The messages of a catalogue, each with its placeables and the messages that it includes.
fn messages(language: Language) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let resource = parse(source(language)).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
    let entries = resource.body.iter().filter_map(|entry| match entry {
        Entry::Message(message) => Some(message),
        Entry::Junk { content } => panic!("{content}"),
        _ => None,
    });
    entries
        .map(|message| {
            let mut found = (BTreeSet::new(), BTreeSet::new());
            in_pattern(message.value.as_ref().unwrap(), &mut found);
            (message.id.name.to_owned(), found)
        })
        .collect()
}

fn in_pattern(pattern: &Pattern<&str>, found: &mut (BTreeSet<String>, BTreeSet<String>)) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else {
            continue;
        };
        match expression {
            Expression::Inline(inline) => in_expression(inline, found),
            Expression::Select { selector, variants } => {
                in_expression(selector, found);
                for variant in variants {
                    in_pattern(&variant.value, found);
                }
            }
        }
    }
}

fn in_expression(
    expression: &InlineExpression<&str>,
    found: &mut (BTreeSet<String>, BTreeSet<String>),
) {
    match expression {
        InlineExpression::VariableReference { id } => {
            found.0.insert(id.name.to_owned());
        }
        InlineExpression::MessageReference { id, .. } => {
            found.1.insert(id.name.to_owned());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_catalogue_has_every_message_with_the_same_places() {
    let english = messages(Language::English);
    assert!(english.len() > 50, "{}", english.len());
    for language in Language::ALL {
        assert_eq!(messages(language), english, "{language:?}");
    }
}

#[test]
fn every_message_is_said_by_some_sentence() {
    let mut unsaid: BTreeSet<String> = messages(Language::English).into_keys().collect();
    for sentence in sentences("text") {
        for id in sentence.messages() {
            unsaid.remove(id);
        }
    }
    for (_, (_, taken_in)) in messages(Language::English) {
        for id in taken_in {
            unsaid.remove(&id);
        }
    }
    assert_eq!(unsaid, BTreeSet::new());
}

#[test]
fn every_sentence_is_said_whole_in_every_language() {
    let ids: Vec<String> = messages(Language::English).into_keys().collect();
    for language in Language::ALL {
        for sentence in sentences("text") {
            let said = language.say(sentence);
            assert!(!said.is_empty() && !said.contains(['{', '}']), "{said:?}");
            assert!(!ids.contains(&said), "{said:?}");
            assert!(!said.contains("  "), "{said:?}");
        }
    }
}

#[test]
fn no_language_says_what_another_says() {
    for sentence in sentences("text") {
        let [english, german] = Language::ALL.map(|language| language.say(sentence));
        assert_ne!(english, german);
    }
}

#[test]
fn it_reads_as_people_speak() {
    let both = |sentence: Sentence<'_>| Language::ALL.map(|language| language.say(sentence));
    assert_eq!(
        both(Sentence::Limits {
            absolute: Duration::from_secs(86_400),
            inactivity: Some(SHORT)
        }),
        [
            "This session ends after 24 h, or after 15 min without input.",
            "Diese Sitzung endet nach 24 h oder nach 15 min ohne Eingabe.",
        ]
    );
    let warning = |end, cause| Sentence::TerminalWarning {
        end,
        cause,
        length: Duration::from_secs(86_400),
        left: Duration::from_secs(60),
    };
    assert_eq!(
        both(warning(End::Locks, Cause::Login)),
        [
            "Session timeout: this session is locked in 1 min, 24 h after the login.",
            "Sitzungszeitlimit: Diese Sitzung wird in 1 min gesperrt, 24 h nach der Anmeldung.",
        ]
    );
    assert_eq!(
        both(warning(End::Ends, Cause::Input)),
        [
            "Session timeout: this session ends in 1 min, for lack of input. \
             Press a key to stay.",
            "Sitzungszeitlimit: Diese Sitzung endet in 1 min, weil keine Eingabe erfolgt. \
             Drücken Sie eine Taste, um weiterzuarbeiten.",
        ]
    );
    assert_eq!(
        both(Sentence::TerminalEnd {
            cause: Cause::Input,
            length: SHORT,
            rule: Some("card data")
        }),
        [
            "Session timeout: this session has ended, after 15 min without input \
             (rule \"card data\").",
            "Sitzungszeitlimit: Diese Sitzung wurde beendet, nach 15 min ohne Eingabe \
             (Regel „card data“).",
        ]
    );
    assert_eq!(
        both(Sentence::LastEnding {
            place: Some("pts/3"),
            when: When::Ago(Duration::from_secs(2 * 3600 + 500)),
            cause: Cause::Input,
            length: SHORT
        }),
        [
            "Your last session on pts/3 was ended 2 h ago, after 15 min without input.",
            "Ihre letzte Sitzung auf pts/3 wurde vor 2 h beendet, nach 15 min ohne Eingabe.",
        ]
    );
}

#[test]
fn a_time_of_day_is_written_as_in_each_language() {
    let both = |when| {
        let sentence = Sentence::LastEnding {
            place: Some("seat0"),
            when,
            cause: Cause::Login,
            length: SHORT,
        };
        Language::ALL.map(|language| language.say(sentence))
    };
    assert_eq!(
        both(When::Today(MORNING)),
        [
            "Your last session on seat0 was ended at 08:05, 15 min after the login.",
            "Ihre letzte Sitzung auf seat0 wurde um 08:05 Uhr beendet, 15 min nach der Anmeldung.",
        ]
    );
    assert_eq!(
        both(When::Dated(MORNING)),
        [
            "Your last session on seat0 was ended on 2026-11-03 at 08:05, 15 min after the login.",
            "Ihre letzte Sitzung auf seat0 wurde am 03.11.2026 um 08:05 Uhr beendet, \
             15 min nach der Anmeldung.",
        ]
    );
}

#[test]
fn plurals_follow_each_language() {
    let offers =
        |language: Language| [1, 2].map(|count| language.say(Sentence::Offer { count, by: SHORT }));
    assert_eq!(
        offers(Language::English),
        [
            "You may extend it once more, by 15 min.",
            "You may extend it 2 more times, by 15 min each.",
        ]
    );
    assert_eq!(
        offers(Language::German),
        [
            "Sie können die Sitzung noch einmal um 15 min verlängern.",
            "Sie können die Sitzung noch 2-mal um je 15 min verlängern.",
        ]
    );
    let ago = |days: u64| {
        Language::English.say(Sentence::LastEnding {
            place: None,
            when: When::Ago(Duration::from_secs(days * 86_400)),
            cause: Cause::Login,
            length: SHORT,
        })
    };
    assert!(ago(1).contains("1 day ago"), "{}", ago(1));
    assert!(ago(9).contains("9 days ago"), "{}", ago(9));
}

proptest! {
    /// Names of users, hosts, sessions and rules come from outside; so do the texts of other
    /// programs.
    #[test]
    fn nothing_from_outside_commands_a_terminal_or_turns_a_line(
        text in prop_oneof![any::<String>(), "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}-\u{202e}{}$]{0,20}"],
    ) {
        for language in Language::ALL {
            for sentence in sentences(&text) {
                let said = language.say(sentence);
                prop_assert!(!said.chars().any(is_unprintable), "{said:?}");
            }
        }
    }
}
