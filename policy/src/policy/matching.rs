//! The conditions of a rule, and their evaluation for a session.
//!
//! Each key of a rule's `match` is one condition; a rule matches if all of its conditions hold. A
//! condition on a property that the session lacks (no seat, no remote host) does not hold.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{Groups, SessionClass, SessionType, Subject};

/// The conditions of one rule; `None` always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The user's name is one of these.
    pub user: Option<Vec<Pattern>>,
    /// The user is in one of these groups.
    pub group: Option<Vec<Pattern>>,
    /// The PAM service is one of these.
    pub service: Option<Vec<Pattern>>,
    /// logind's type of the session is one of these.
    pub session_type: Option<Vec<SessionType>>,
    /// logind's class of the session is one of these.
    pub class: Option<Vec<SessionClass>>,
    /// The session is local, or it is remote.
    pub reach: Option<Reach>,
    /// The remote host is one of these.
    pub from: Option<Vec<Host>>,
    /// The terminal or display, as logind or the PAM application names it, is one of these.
    pub tty: Option<Vec<Pattern>>,
    /// The seat is one of these.
    pub seat: Option<Vec<Pattern>>,
}

/// The result of matching a rule with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchResult {
    /// All conditions hold.
    Matches,
    /// A condition does not hold.
    Differs,
    /// The rule matches if the user is in one of its groups, and the groups are not resolved yet.
    DependsOnGroups,
}

impl Match {
    /// Whether the rule matches this subject.
    #[must_use]
    pub fn test(&self, subject: &Subject<'_>) -> MatchResult {
        if !self.holds_but_for_groups(subject) {
            return MatchResult::Differs;
        }
        match (&self.group, subject.groups) {
            (None, _) => MatchResult::Matches,
            (Some(wanted), Groups::Known(groups)) if in_one_of(wanted, groups) => {
                MatchResult::Matches
            }
            (Some(_), Groups::Known(_)) => MatchResult::Differs,
            (Some(_), Groups::Unknown | Groups::Unavailable) => MatchResult::DependsOnGroups,
        }
    }

    /// Whether the rule names this user, other than by a `*`: only such rules apply to root and
    /// system accounts.
    #[must_use]
    pub fn names(&self, user: &str) -> bool {
        let names = self.user.iter().flatten();
        names.into_iter().any(|name| name.as_str() == user)
    }

    /// Whether the rule has no condition, so that it matches every session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn holds_but_for_groups(&self, subject: &Subject<'_>) -> bool {
        let host = subject.remote_host;
        let reach = if is_remote(host) {
            Reach::Remote
        } else {
            Reach::Local
        };
        one_of(self.user.as_deref(), Some(subject.user))
            && one_of(self.service.as_deref(), subject.service)
            && contains(self.session_type.as_deref(), &subject.session_type)
            && contains(self.class.as_deref(), subject.class)
            && self.reach.is_none_or(|wanted| wanted == reach)
            && self.from.as_ref().is_none_or(|wanted| {
                host.is_some_and(|host| wanted.iter().any(|one| one.contains(host)))
            })
            && one_of(self.tty.as_deref(), subject.terminal)
            && one_of(self.seat.as_deref(), subject.seat)
    }
}

/// Whether the session was opened over a network or at the machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At the machine: a console, a desktop on a seat.
    Local,
    /// From another host.
    Remote,
}

/// A name in which `*` stands for any number of characters: `pts/*`, `web-*`, `*.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern with this text. Every text is valid.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern contains a `*`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.contains('*')
    }

    /// Whether the pattern matches this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The first occurrence of each part is the best one: it leaves the longest rest.
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A remote host, or a range of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A host name, case-insensitive; `*` stands for any characters.
    Name(Pattern),
    /// An address, or a range of them.
    Network(Network),
}

impl Host {
    /// Whether this matches `host`, in the form that PAM reports. The zone of an address
    /// (`fe80::1%eth0`, RFC 4007) is ignored.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        match self {
            Self::Name(pattern) => {
                let pattern = Pattern::new(pattern.as_str().to_ascii_lowercase());
                pattern.matches(&host.to_ascii_lowercase())
            }
            Self::Network(network) => {
                let address = host.split('%').next().unwrap_or_default();
                address
                    .parse()
                    .is_ok_and(|address| network.contains(address))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(pattern) => pattern.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, RFC 4291, 2.5.5.2) is converted to the IPv4
/// address: sshd reports the mapped form if its socket accepts both protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The reason why a text is not a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// The text before the `/`, or all of it, is not an address.
    Address,
    /// The length of the prefix is not a number, or is greater than the number of bits of the
    /// address.
    Prefix {
        /// The number of bits of the address.
        bits: u8,
    },
    /// Bits after the prefix are set: `10.0.0.1/8`.
    HostBits {
        /// The network that contains this address.
        network: Network,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an address"),
            Self::Prefix { bits } => write!(f, "the prefix is not a number from 0 to {bits}"),
            Self::HostBits { network } => write!(f, "bits after the prefix are set: {network}?"),
        }
    }
}

impl std::error::Error for NetworkError {}

impl Network {
    /// Whether this address is in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v4(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v6(self.prefix) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether this range contains all of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    const fn bits(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let bits = Self::bits(address);
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or(NetworkError::Prefix { bits })?,
        };
        let base = match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix)).into(),
        };
        let network = Self::new(base, prefix);
        if base != address {
            return Err(NetworkError::HostBits { network });
        }
        // Only a single mapped address is converted: a prefix of the mapped range is an IPv6 range.
        Ok(match (address.to_canonical(), prefix) {
            (IpAddr::V4(v4), 128) => Self::new(v4.into(), 32),
            _ => network,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        if self.prefix < Self::bits(self.address) {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

/// A session from the machine's own host name counts as local, as in pam_systemd (`is_localhost()`
/// of systemd 252 to 257). One from 127.0.0.1 counts as remote, also as in pam_systemd.
fn is_remote(host: Option<&str>) -> bool {
    const LOCAL: [&str; 4] = [
        "localhost",
        "localhost.",
        "localhost.localdomain",
        "localhost.localdomain.",
    ];
    host.is_some_and(|host| {
        !host.is_empty() && !LOCAL.iter().any(|local| host.eq_ignore_ascii_case(local))
    })
}

fn in_one_of(wanted: &[Pattern], groups: &BTreeSet<String>) -> bool {
    let is_wanted = |group: &String| wanted.iter().any(|pattern| pattern.matches(group));
    groups.iter().any(is_wanted)
}

fn one_of(wanted: Option<&[Pattern]>, name: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        name.is_some_and(|name| wanted.iter().any(|pattern| pattern.matches(name)))
    })
}

fn contains<T: PartialEq>(wanted: Option<&[T]>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(value))
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix.min(128)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Uid;

    fn alice<'a>(groups: &'a Groups) -> Subject<'a> {
        Subject {
            user: "alice",
            uid: Uid::new(1000),
            groups,
            class: &SessionClass::User,
            session_type: SessionType::Tty,
            service: Some("sshd"),
            remote_host: Some("10.1.2.3"),
            terminal: None,
            seat: None,
        }
    }

    fn patterns(names: &[&str]) -> Option<Vec<Pattern>> {
        Some(names.iter().copied().map(Pattern::new).collect())
    }

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn every_key_that_is_asked_for_must_agree() {
        let groups = Groups::Known(BTreeSet::from(["pci".to_owned()]));
        let subject = alice(&groups);
        let all = Match {
            user: patterns(&["bob", "al*"]),
            group: patterns(&["pci"]),
            service: patterns(&["sshd"]),
            session_type: Some(vec![SessionType::Tty]),
            class: Some(vec![SessionClass::User]),
            reach: Some(Reach::Remote),
            from: Some(vec![Host::Network(network("10.0.0.0/8"))]),
            tty: None,
            seat: None,
        };
        assert_eq!(Match::default().test(&subject), MatchResult::Matches);
        assert_eq!(all.test(&subject), MatchResult::Matches);
        for other in [
            Match {
                user: patterns(&["bob"]),
                ..all.clone()
            },
            Match {
                group: patterns(&["staff"]),
                ..all.clone()
            },
            Match {
                service: patterns(&["login"]),
                ..all.clone()
            },
            Match {
                session_type: Some(vec![SessionType::X11, SessionType::Wayland]),
                ..all.clone()
            },
            Match {
                class: Some(vec![SessionClass::UserEarly]),
                ..all.clone()
            },
            Match {
                reach: Some(Reach::Local),
                ..all.clone()
            },
            Match {
                from: Some(vec![Host::Network(network("192.0.2.0/24"))]),
                ..all.clone()
            },
            Match {
                tty: patterns(&["*"]),
                ..all.clone()
            },
            Match {
                seat: patterns(&["seat0"]),
                ..all.clone()
            },
        ] {
            assert_eq!(other.test(&subject), MatchResult::Differs, "{other:?}");
        }
    }

    #[test]
    fn groups_are_only_wanted_where_the_rest_agrees() {
        let rule = Match {
            group: patterns(&["pci"]),
            service: patterns(&["sshd"]),
            ..Match::default()
        };
        for groups in [Groups::Unknown, Groups::Unavailable] {
            assert_eq!(rule.test(&alice(&groups)), MatchResult::DependsOnGroups);
            let console = Subject {
                service: Some("login"),
                ..alice(&groups)
            };
            assert_eq!(rule.test(&console), MatchResult::Differs);
        }
    }

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        for (pattern, name) in [
            ("alice", "alice"),
            ("*", ""),
            ("*", "anything"),
            ("pts/*", "pts/12"),
            ("*.example.org", "a.example.org"),
            ("a*b*c", "abbc"),
            ("a*b*c", "a-b-b-c"),
            ("a**c", "ac"),
        ] {
            assert!(Pattern::new(pattern).matches(name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("alice", "alice2"),
            ("alice", "malice"),
            ("", "a"),
            ("a*a", "a"),
            ("*.example.org", "example.org"),
            ("a*b*c", "acb"),
        ] {
            assert!(!Pattern::new(pattern).matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn only_a_name_without_a_star_names_somebody() {
        let rule = |name| Match {
            user: patterns(&[name]),
            ..Match::default()
        };
        assert!(rule("root").names("root"));
        assert!(!rule("*").names("root"));
        assert!(!Match::default().names("root"));
    }

    #[test]
    fn networks_are_read_and_said_as_written() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "192.0.2.7",
            "2001:db8::/32",
            "::1",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("::ffff:192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!("ten".parse::<Network>(), Err(NetworkError::Address));
        assert_eq!(
            "10.0.0.0/33".parse::<Network>(),
            Err(NetworkError::Prefix { bits: 32 })
        );
        assert_eq!(
            "10.0.0.1/8".parse::<Network>(),
            Err(NetworkError::HostBits {
                network: network("10.0.0.0/8")
            })
        );
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (range, host) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1"),
            ("0.0.0.0/0", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("fe80::/10", "fe80::1%eth0"),
            ("::/0", "::1"),
        ] {
            assert!(
                Host::Network(network(range)).contains(host),
                "{range} {host}"
            );
        }
        for (range, host) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "::1"),
            ("::/0", "192.0.2.7"),
            ("0.0.0.0/0", "client.example.org"),
        ] {
            assert!(
                !Host::Network(network(range)).contains(host),
                "{range} {host}"
            );
        }
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
        assert!(!network("0.0.0.0/0").covers(&network("::/0")));
    }

    #[test]
    fn host_names_know_no_case() {
        let host = Host::Name(Pattern::new("*.Example.org"));
        assert!(host.contains("Client.example.ORG"));
        assert!(!host.contains("example.org"));
    }

    #[test]
    fn the_machine_itself_by_name_is_no_remote_host() {
        for local in [None, Some(""), Some("localhost"), Some("LocalHost.")] {
            assert!(!is_remote(local), "{local:?}");
        }
        assert!(is_remote(Some("127.0.0.1")));
        assert!(is_remote(Some("localhost.example.org")));
    }
}
