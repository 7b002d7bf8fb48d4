//! Texts for the reasons why logind has no session for a login.

use session_timeout_policy::NoSession;

/// The reason as part of a sentence, for the word that the daemon uses. A newer daemon may use
/// words that this version does not know.
pub(crate) fn reason(word: &str) -> String {
    let Some(known) = known(word) else {
        return format!("the reason is \"{word}\"");
    };
    let known = match known {
        NoSession::Dropped => "logind dropped it, and it lives on",
        NoSession::Full => "logind has as many sessions as SessionsMax= allows",
        NoSession::NameRefused => "systemd takes no user name of this form",
        NoSession::NotInStack => "pam_systemd.so is not in the stack of its PAM service",
        NoSession::Silent => "logind did not answer in time",
        NoSession::Unknown => {
            "the reason is unknown; a PAM control before pam_systemd.so may have skipped it"
        }
    };
    known.to_owned()
}

/// The reason, if this version knows the word.
pub(crate) fn known(word: &str) -> Option<NoSession> {
    let reason = NoSession::parse(word);
    (reason.as_str() == word).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words_and_one_of_the_future_is_shown_as_it_is() {
        for why in [
            NoSession::Dropped,
            NoSession::Full,
            NoSession::NameRefused,
            NoSession::NotInStack,
            NoSession::Silent,
            NoSession::Unknown,
        ] {
            assert_eq!(known(why.as_str()), Some(why));
        }
        assert!(reason("logind-full").contains("SessionsMax="));
        assert_eq!(reason("eclipse"), "the reason is \"eclipse\"");
        assert_eq!(known("eclipse"), None);
    }
}
