//! What is let through of the bytes that come from the bus.
//!
//! A message may be 32 MiB long (`max_message_size` of the system bus), and is in memory before
//! it is parsed: no message that the daemon uses is nearly as long, so longer ones are dropped. And
//! every peer may send signals here, which the bus queues without limiting the sender: what they put
//! in front of an answer makes it late. So those of strangers are left out before anything is made
//! of them, which takes less time than the bus takes to pass one on.

use std::cmp;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// The part of a message that says how long it is (D-Bus specification, "Message Format").
const HEADER: usize = 16;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;
/// The field of a header that names the sender, which the bus fills in.
const SENDER: u8 = 7;

const BUS: &str = "org.freedesktop.DBus";

/// How long messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeLimits {
    /// Of those that were asked for.
    pub(super) reply: u64,
    /// Of calls and signals.
    pub(super) other: u64,
}

/// Whose signals are allowed: the bus's, and those of one other at most. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedSender(Arc<RwLock<Option<String>>>);

impl AllowedSender {
    /// Lets the signals of this connection through from now on, and of no other.
    pub(super) fn allow(&self, name: &str) {
        let mut other = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *other = Some(name.to_owned());
    }

    fn is_allowed(&self, sender: &[u8]) -> bool {
        let other = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sender == BUS.as_bytes() || other.as_ref().is_some_and(|name| sender == name.as_bytes())
    }
}

/// The peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Bus,
    /// PID 1 itself, on its private socket. It sets the sender of its messages to a well-known name
    /// (`sd_bus_set_sender()` in src/core/dbus.c), which no bus does and which is refused on all
    /// other connections.
    Pid1,
}

/// Follows the bytes of a connection.
#[derive(Debug)]
pub(super) struct MessageFilter {
    peer: Peer,
    limits: SizeLimits,
    allowed: AllowedSender,
    state: State,
    /// The beginning of a message that is not judged yet, or is given out.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The bus answers to the authentication, with one line as long as no descriptors are
    /// negotiated.
    Greeting,
    /// Of a message so much must be held before it is judged.
    Holding(usize),
    /// What is held is let through, and so much of it already was; the rest is so long.
    Giving(usize, u64),
    /// So much is yet to come of a message that is let through.
    Passing(u64),
    /// So much is yet to come of a message that is not.
    Skipping(u64),
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many bytes were taken.
    pub(super) taken: usize,
    /// How many bytes came out.
    pub(super) given: usize,
}

impl MessageFilter {
    pub(super) const fn new(peer: Peer, limits: SizeLimits, allowed: AllowedSender) -> Self {
        Self {
            peer,
            limits,
            allowed,
            state: State::Greeting,
            held: Vec::new(),
        }
    }

    /// Whether something comes out without anything that comes in.
    pub(super) const fn has_more(&self) -> bool {
        matches!(self.state, State::Giving(..))
    }

    /// Takes some of `from`, and gives what is let through.
    pub(super) fn step(&mut self, from: &[u8], to: &mut [u8]) -> Progress {
        match self.state {
            State::Greeting => {
                let end = from.iter().position(|byte| *byte == b'\n');
                let line = end.map_or(from.len(), |end| end + 1);
                let moved = copy(from, to, line);
                if end.is_some() && moved == line {
                    self.state = State::NEXT;
                }
                Progress::moved(moved)
            }
            State::Holding(wanted) => {
                let taken = from.len().min(wanted.saturating_sub(self.held.len()));
                self.held.extend(from.iter().take(taken));
                if self.held.len() >= wanted {
                    self.judge();
                }
                Progress { taken, given: 0 }
            }
            State::Giving(done, rest) => {
                let held = self.held.get(done..).unwrap_or_default();
                let given = copy(held, to, held.len());
                self.state = if given == held.len() {
                    self.held.clear();
                    State::Passing(rest).or_next()
                } else {
                    State::Giving(done + given, rest)
                };
                Progress { taken: 0, given }
            }
            State::Passing(rest) => {
                let moved = copy(from, to, at_most(rest));
                self.state = State::Passing(rest.saturating_sub(moved as u64)).or_next();
                Progress::moved(moved)
            }
            State::Skipping(rest) => {
                let taken = cmp::min(from.len(), at_most(rest));
                self.state = State::Skipping(rest.saturating_sub(taken as u64)).or_next();
                Progress { taken, given: 0 }
            }
        }
    }

    /// Decides about the message that the held bytes begin: a signal by its sender as well, which
    /// stands in its fields.
    fn judge(&mut self) {
        let fields = HEADER + number(&self.held, 12).next_multiple_of(8);
        let length = fields as u64 + number(&self.held, 4) as u64;
        let rest = length.saturating_sub(self.held.len() as u64);
        let kind = self.held.get(1).copied().unwrap_or_default();
        let longest = match kind {
            METHOD_RETURN | ERROR => self.limits.reply,
            _ => self.limits.other,
        };
        let is_wanted = match kind {
            _ if length > longest => false,
            SIGNAL if self.held.len() < fields => {
                self.state = State::Holding(fields);
                return;
            }
            SIGNAL => sender(&self.held).is_some_and(|sender| self.allowed.is_allowed(sender)),
            _ if self.peer == Peer::Pid1 && self.held.len() < fields => {
                self.state = State::Holding(fields);
                return;
            }
            _ => true,
        };
        if self.peer == Peer::Pid1 {
            self.make_sender_unique();
        }
        if is_wanted {
            self.state = State::Giving(0, rest);
        } else {
            self.held.clear();
            self.state = State::Skipping(rest).or_next();
        }
    }

    /// Writes a colon as the first byte, which makes the name a valid unique name.
    fn make_sender_unique(&mut self) {
        let first = sender_at(&self.held).and_then(|at| self.held.get_mut(at.start));
        if let Some(first) = first {
            *first = b':';
        }
    }
}

impl State {
    /// A message begins.
    const NEXT: Self = Self::Holding(HEADER);

    /// The next message begins where nothing is left of this one.
    const fn or_next(self) -> Self {
        match self {
            Self::Passing(0) | Self::Skipping(0) => Self::NEXT,
            other => other,
        }
    }
}

impl Progress {
    const fn moved(count: usize) -> Self {
        Self {
            taken: count,
            given: count,
        }
    }
}

/// Who sent the message that begins so. The bus takes out fields that are not of the specification,
/// and those are all of one of these types.
fn sender(message: &[u8]) -> Option<&[u8]> {
    message.get(sender_at(message)?)
}

/// The byte position of the sender.
fn sender_at(message: &[u8]) -> Option<Range<usize>> {
    let end = HEADER + number(message, 12);
    let mut at = HEADER;
    while at < end {
        let [code, 1, kind, 0] = *message.get(at..at + 4)? else {
            return None;
        };
        at += 4;
        match kind {
            b's' | b'o' => {
                let text = at + 4;
                let length = number(message, at);
                if code == SENDER {
                    return Some(text..text + length);
                }
                at = text + length + 1;
            }
            b'g' => at += usize::from(*message.get(at)?) + 2,
            b'u' => at += 4,
            _ => return None,
        }
        at = at.next_multiple_of(8);
    }
    None
}

/// The number at this place of a message; nothing where it ends before.
fn number(message: &[u8], at: usize) -> usize {
    let bytes = message
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok());
    let bytes = bytes.unwrap_or_default();
    let number = if message.first() == Some(&b'B') {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    };
    number as usize
}

/// Copies at most so much; how much it was.
fn copy(from: &[u8], to: &mut [u8], most: usize) -> usize {
    let count = from.len().min(to.len()).min(most);
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

fn at_most(rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use zbus::Message;

    use super::*;

    const LONGEST: SizeLimits = SizeLimits {
        reply: 1000,
        other: 200,
    };
    const GREETING: &[u8] = b"OK 0123456789abcdef\r\n";
    const LOGIND: &str = ":1.7";

    fn allowed() -> AllowedSender {
        let allowed = AllowedSender::default();
        allowed.allow(LOGIND);
        allowed
    }

    fn signal(sender: &str, body: usize) -> Vec<u8> {
        let signal = Message::signal("/x", "x.y", "Z").sender(sender);
        signal.build(&"x".repeat(body)).unwrap().data().to_vec()
    }

    fn call(body: usize) -> Vec<u8> {
        let call = Message::method_call("/x", "Z").sender(":1.9");
        call.build(&"x".repeat(body)).unwrap().data().to_vec()
    }

    fn reply(body: usize) -> Vec<u8> {
        let call = Message::method_call("/x", "Z").build(&()).unwrap();
        let reply = Message::method_return(&call.header());
        reply.build(&"x".repeat(body)).unwrap().data().to_vec()
    }

    /// What comes out of these bytes when they come, and are taken, in pieces of these sizes.
    fn screened(bytes: &[u8], come: usize, room: usize) -> Vec<u8> {
        let mut filter = MessageFilter::new(Peer::Bus, LONGEST, allowed());
        let mut out = Vec::new();
        for mut piece in bytes.chunks(come) {
            while !piece.is_empty() || filter.has_more() {
                let mut to = vec![0; room];
                let step = filter.step(piece, &mut to);
                piece = &piece[step.taken..];
                out.extend(&to[..step.given]);
            }
        }
        out
    }

    #[test]
    fn what_is_too_long_or_a_strangers_is_left_out_and_what_stands_around_it_is_whole() {
        let wanted = [
            reply(900),
            signal(LOGIND, 20),
            call(0),
            signal(BUS, 1),
            reply(0),
        ];
        let unwanted = [
            reply(1000),
            signal(":1.77", 20),
            signal(LOGIND, 200),
            call(200),
            signal(":1.8", 0),
        ];
        let mut sent = GREETING.to_vec();
        let mut expected = sent.clone();
        for (wanted, unwanted) in wanted.iter().zip(&unwanted) {
            sent.extend(wanted.iter().chain(unwanted));
            expected.extend(wanted);
        }
        for come in [1, 3, 16, 17, 64, sent.len()] {
            for room in [1, 7, 16, 4096] {
                assert_eq!(screened(&sent, come, room), expected, "{come} {room}");
            }
        }
    }

    #[test]
    fn pid_1_answers_as_somebody_whom_a_bus_could_have_named() {
        let call = Message::method_call("/x", "Z").build(&()).unwrap();
        let reply = Message::method_return(&call.header()).sender(":rg.freedesktop.systemd1");
        let expected = reply.build(&"x".repeat(40)).unwrap().data().to_vec();
        let mut sent = expected.clone();
        let at = sender_at(&sent).unwrap().start;
        sent[at] = b'o';
        assert_eq!(sender(&sent), Some(&b"org.freedesktop.systemd1"[..]));
        let mut filter = MessageFilter::new(Peer::Pid1, LONGEST, AllowedSender::default());
        let (mut out, mut rest) = (Vec::<u8>::new(), [GREETING, &sent].concat());
        while !rest.is_empty() || filter.has_more() {
            let mut to = [0; 7];
            let step = filter.step(&rest, &mut to);
            rest.drain(..step.taken);
            out.extend(&to[..step.given]);
        }
        assert_eq!(out, [GREETING, &expected].concat());
    }

    #[test]
    fn who_is_logind_no_longer_is_not_heard() {
        let allowed = allowed();
        assert!(allowed.is_allowed(LOGIND.as_bytes()) && allowed.is_allowed(BUS.as_bytes()));
        allowed.allow(":1.70");
        assert!(!allowed.is_allowed(LOGIND.as_bytes()) && allowed.is_allowed(BUS.as_bytes()));
    }

    #[test]
    fn a_header_that_lies_names_nobody() {
        let whole = signal(LOGIND, 0);
        assert_eq!(sender(&whole), Some(LOGIND.as_bytes()));
        for at in HEADER..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = sender(&changed);
            let cut = &whole[..at];
            assert!(sender(cut).is_none_or(|sender| sender == LOGIND.as_bytes()));
        }
        let mut endless = whole.clone();
        endless[12..16].fill(0xff);
        let _ = sender(&endless);
    }

    #[test]
    fn a_length_is_read_in_either_order_of_bytes() {
        let mut header = [b'l', 1, 0, 1, 5, 0, 0, 0];
        assert_eq!(number(&header, 4), 5);
        header[0] = b'B';
        assert_eq!(number(&header, 4), 5 << 24);
        assert_eq!(number(&header, 5), 0);
    }
}
