//! Drops messages from the bus before zbus parses them: those over a size limit, and signals from
//! senders other than the bus and logind.
//!
//! A message may be 32 MiB long (`max_message_size` of the system bus), and is in memory before
//! it is parsed; no message that the daemon uses is nearly as long. Every peer may send signals
//! here, and the bus queues them without limiting the sender, so that replies behind them are late.
//! Dropping a signal takes less time than the bus takes to deliver one.

use std::cmp;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// Length in bytes of the start of a message, which has the lengths of the rest (D-Bus
/// specification, "Message Format").
const HEADER: usize = 16;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;
/// Code of the header field with the sender, which the bus sets.
const SENDER: u8 = 7;

const BUS: &str = "org.freedesktop.DBus";

/// Maximum lengths of messages in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeLimits {
    /// Of replies.
    pub(super) reply: u64,
    /// Of calls and signals.
    pub(super) other: u64,
}

/// The sender whose signals are accepted, beside the bus. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedSender(Arc<RwLock<Option<String>>>);

impl AllowedSender {
    /// Accepts signals of this connection from now on, instead of the one before.
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

/// Filters the bytes that are received on a connection.
#[derive(Debug)]
pub(super) struct MessageFilter {
    peer: Peer,
    limits: SizeLimits,
    allowed: AllowedSender,
    state: State,
    /// The start of a message that is not decided yet, or is being passed on.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The reply to the authentication: one line, if file descriptors are not negotiated.
    Greeting,
    /// A message is decided when this number of bytes is held.
    Holding(usize),
    /// The held bytes are passed on: the number that already was, and the length of the rest.
    Giving(usize, u64),
    /// The rest of a message, of this length, is passed on.
    Passing(u64),
    /// The rest of a message, of this length, is dropped.
    Skipping(u64),
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of bytes that were taken from the input.
    pub(super) taken: usize,
    /// The number of bytes that were written to the output.
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

    /// Whether the next step has output without input.
    pub(super) const fn has_more(&self) -> bool {
        matches!(self.state, State::Giving(..))
    }

    /// Takes some bytes of `from`, and writes those that are passed on to `to`.
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

    /// Decides about the message whose start is held. The sender of a signal is among its fields.
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
    /// The start of a message.
    const NEXT: Self = Self::Holding(HEADER);

    /// The start of the next message, if nothing is left of this one.
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

/// The sender of the message that starts with these bytes. The bus removes fields that are not in
/// the specification, and all others have one of these types.
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

/// The number at this position of a message; 0 if the message is shorter.
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

/// Copies at most this number of bytes; returns the number.
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

    /// The output for these bytes, with input and output in pieces of these sizes.
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
