//! Reads an element of `from`: an address, a network or a host name.

use std::net::{IpAddr, Ipv4Addr};

use session_timeout_policy::{Host, Network, NetworkError, Pattern};

use crate::diagnostic::{Problem, shown};
use crate::keys::value::Entry;

/// The maximum length: longer than every host name (RFC 1035, 2.3.4) and every network.
const MAX_BYTES: usize = 256;

/// Reads an address, a network or a pattern of host names.
pub(crate) fn read(entry: Entry<'_>) -> Result<Host, Problem> {
    let text = entry.name(MAX_BYTES)?;
    let error = match text.parse::<Network>() {
        Ok(network) => return Ok(Host::Network(network)),
        Err(error) => error,
    };
    match error {
        NetworkError::Address if !is_meant_as_address(text) => name(entry, text),
        NetworkError::Address => {
            let problem = entry.error("is not an address");
            let problem = problem.label("expected such as \"192.0.2.7\" or \"10.0.0.0/8\"");
            Err(suggest(problem, network_meant(text)))
        }
        NetworkError::Prefix { .. } => {
            let problem = entry.error("has a bad prefix").label(error.to_string());
            Err(suggest(problem, netmask_meant(text)))
        }
        NetworkError::HostBits { network } => {
            let problem = entry.error("is not a network");
            let problem = problem.label("bits after the prefix are set");
            Err(suggest(problem, Some(network.to_string())))
        }
    }
}

fn suggest(problem: Problem, network: Option<String>) -> Problem {
    match network {
        Some(network) => problem.help(format!("did you mean \"{network}\"?")),
        None => problem,
    }
}

fn name(entry: Entry<'_>, text: &str) -> Result<Host, Problem> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
    match text.chars().find(|c| !is_allowed(*c)) {
        None => Ok(Host::Name(Pattern::new(text))),
        Some(other) => Err(entry
            .error("is neither an address nor the name of a host")
            .label(format!(
                "`{}` is in no name of a host",
                shown(&other.to_string())
            ))),
    }
}

/// Whether this cannot be a host name, whose last label is never a number (RFC 1123, 2.1). The
/// owner of an address chooses its name, so `10.*` must not be read as a pattern of names: it would
/// match `10.example.org`.
fn is_meant_as_address(text: &str) -> bool {
    let is_numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | '*');
    text.contains(['/', ':', '%'])
        || (text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(is_numeric))
}

/// The network that was meant by `10.*`, `192.168.`, or an address with a zone.
fn network_meant(text: &str) -> Option<String> {
    if let Some((address, _zone)) = text.split_once('%') {
        return address
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_string());
    }
    let mut octets = [0; 4];
    let mut known: u8 = 0;
    let mut parts = text.split('.');
    for (octet, part) in octets.iter_mut().zip(&mut parts) {
        if part.is_empty() || part == "*" {
            break;
        }
        *octet = part.parse().ok()?;
        known += 1;
    }
    let is_open = |part: &str| part.is_empty() || part == "*";
    let prefix = known
        .checked_mul(8)
        .filter(|prefix| (8..32).contains(prefix))?;
    parts
        .all(is_open)
        .then(|| format!("{}/{prefix}", Ipv4Addr::from(octets)))
}

/// The network that was meant by `10.0.0.0/255.0.0.0`.
fn netmask_meant(text: &str) -> Option<String> {
    let (address, mask) = text.split_once('/')?;
    let mask = mask.parse::<Ipv4Addr>().ok()?.to_bits();
    let is_netmask = mask.leading_ones() + mask.trailing_zeros() == 32;
    let address = address.parse::<Ipv4Addr>().ok()?.to_bits() & mask;
    is_netmask.then(|| format!("{}/{}", Ipv4Addr::from_bits(address), mask.leading_ones()))
}
