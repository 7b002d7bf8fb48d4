//! Reads from login.defs(5) which accounts belong to people.

use std::fs;

use session_timeout_policy::Uid;

/// Where `UID_MIN` is (login.defs(5)).
const LOGIN_DEFS: &str = "/etc/login.defs";
/// Its value where that file has none: the default of shadow, and of Debian.
const UID_MIN: Uid = Uid::new(1000);

/// The lowest user id of people's accounts; accounts below it are system accounts.
#[must_use]
pub fn first_regular_uid() -> Uid {
    let defs = fs::read_to_string(LOGIN_DEFS).unwrap_or_default();
    uid_min(&defs).unwrap_or(UID_MIN)
}

fn uid_min(defs: &str) -> Option<Uid> {
    defs.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "UID_MIN").then(|| words.next()?.parse().ok().map(Uid::new))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_uid_of_people_is_read_from_login_defs() {
        assert_eq!(
            uid_min("# UID_MIN 5\nUID_MAX 60000\nUID_MIN\t\t 500\n"),
            Some(Uid::new(500))
        );
        assert_eq!(uid_min("UID_MIN many"), None);
        assert_eq!(uid_min(""), None);
    }
}
