//! What is let through of the bytes that come from the bus: messages, but for those that are too
//! long.
//!
//! A message may be 32 MiB long (`max_message_size` of the system bus), and is in memory before
//! anybody has looked at it. None of ours is nearly as long, so whatever is, is left out.

use std::cmp;

/// The part of a message that says how long it is (D-Bus specification, "Message Format").
const HEADER: usize = 16;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// How long messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Longest {
    /// Of those that were asked for.
    pub(super) reply: u64,
    /// Of calls and signals.
    pub(super) other: u64,
}

/// Follows the bytes of a connection.
#[derive(Debug)]
pub(super) struct Screen {
    longest: Longest,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The bus answers to the authentication, with one line as long as no descriptors are
    /// negotiated.
    Greeting,
    /// So much of a header is there.
    Reading([u8; HEADER], usize),
    /// The header of a message that is let through, and so much of it already was; the rest is so
    /// long.
    Header([u8; HEADER], usize, u64),
    /// So much is yet to come of a message that is let through.
    Passing(u64),
    /// So much is yet to come of a message that is not.
    Skipping(u64),
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// So many were taken.
    pub(super) taken: usize,
    /// So many came out.
    pub(super) given: usize,
}

impl Screen {
    pub(super) const fn new(longest: Longest) -> Self {
        Self {
            longest,
            state: State::Greeting,
        }
    }

    /// Whether something comes out without anything that comes in.
    pub(super) const fn has_more(&self) -> bool {
        matches!(self.state, State::Header(..))
    }

    /// Takes some of `from`, and gives what is let through.
    pub(super) fn step(&mut self, from: &[u8], to: &mut [u8]) -> Step {
        match self.state {
            State::Greeting => {
                let end = from.iter().position(|byte| *byte == b'\n');
                let line = end.map_or(from.len(), |end| end + 1);
                let moved = copy(from, to, line);
                if end.is_some() && moved == line {
                    self.state = State::Reading([0; HEADER], 0);
                }
                Step::moved(moved)
            }
            State::Reading(mut header, have) => {
                let taken = copy(from, header.get_mut(have..).unwrap_or_default(), HEADER);
                self.state = match have + taken {
                    HEADER => self.judged(header),
                    more => State::Reading(header, more),
                };
                Step { taken, given: 0 }
            }
            State::Header(header, done, rest) => {
                let given = copy(header.get(done..).unwrap_or_default(), to, HEADER);
                self.state = match done + given {
                    HEADER => State::Passing(rest).or_next(),
                    more => State::Header(header, more, rest),
                };
                Step { taken: 0, given }
            }
            State::Passing(rest) => {
                let moved = copy(from, to, at_most(rest));
                self.state = State::Passing(rest.saturating_sub(moved as u64)).or_next();
                Step::moved(moved)
            }
            State::Skipping(rest) => {
                let taken = cmp::min(from.len(), at_most(rest));
                self.state = State::Skipping(rest.saturating_sub(taken as u64)).or_next();
                Step { taken, given: 0 }
            }
        }
    }

    /// What is to be done with a message of this header.
    fn judged(&self, header: [u8; HEADER]) -> State {
        let rest = length(header).saturating_sub(HEADER as u64);
        let longest = match header[1] {
            METHOD_RETURN | ERROR => self.longest.reply,
            _ => self.longest.other,
        };
        if rest + HEADER as u64 <= longest {
            State::Header(header, 0, rest)
        } else {
            State::Skipping(rest)
        }
    }
}

impl State {
    /// The next message begins where nothing is left of this one.
    const fn or_next(self) -> Self {
        match self {
            Self::Passing(0) | Self::Skipping(0) => Self::Reading([0; HEADER], 0),
            other => other,
        }
    }
}

impl Step {
    const fn moved(count: usize) -> Self {
        Self {
            taken: count,
            given: count,
        }
    }
}

/// The length of the message that begins so: header, fields up to a multiple of eight, and body.
fn length(header: [u8; HEADER]) -> u64 {
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[at..at + 4]);
        u64::from(if header[0] == b'B' {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let (body, fields) = (number(4), number(12));
    HEADER as u64 + fields.next_multiple_of(8) + body
}

/// Copies at most so much; how much it was.
fn copy(from: &[u8], to: &mut [u8], most: usize) -> usize {
    let count = from.len().min(to.len()).min(most);
    to.iter_mut()
        .zip(from)
        .take(count)
        .for_each(|(to, from)| *to = *from);
    count
}

fn at_most(rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Longest = Longest {
        reply: 1000,
        other: 100,
    };
    const GREETING: &[u8] = b"OK 0123456789abcdef\r\n";
    const SIGNAL: u8 = 4;

    /// A message of this type whose fields and body have these lengths.
    fn message(kind: u8, fields: u32, body: u32) -> Vec<u8> {
        let mut message = vec![b'l', kind, 0, 1];
        message.extend(body.to_le_bytes());
        message.extend(7_u32.to_le_bytes());
        message.extend(fields.to_le_bytes());
        let rest = fields.next_multiple_of(8) + body;
        message.extend((0..rest).map(|place| place as u8));
        message
    }

    /// What comes out of these bytes when they come, and are taken, in pieces of these sizes.
    fn screened(bytes: &[u8], come: usize, room: usize) -> Vec<u8> {
        let mut screen = Screen::new(LONGEST);
        let mut out = Vec::new();
        for mut piece in bytes.chunks(come) {
            while !piece.is_empty() || screen.has_more() {
                let mut to = vec![0; room];
                let step = screen.step(piece, &mut to);
                piece = &piece[step.taken..];
                out.extend(&to[..step.given]);
            }
        }
        out
    }

    #[test]
    fn what_is_too_long_is_left_out_and_what_stands_around_it_is_whole() {
        let whole = [
            message(SIGNAL, 13, 20),
            message(METHOD_RETURN, 40, 900),
            message(1, 0, 0),
            message(ERROR, 8, 3),
        ];
        let long = [
            message(SIGNAL, 8, 77),
            message(METHOD_RETURN, 900, 100),
            message(1, 100, 0),
        ];
        let mut sent = GREETING.to_vec();
        let mut expected = sent.clone();
        for (at, one) in whole.iter().enumerate() {
            sent.extend(one);
            expected.extend(one);
            sent.extend(long.get(at).into_iter().flatten());
        }
        for come in [1, 3, 16, 17, 64, sent.len()] {
            for room in [1, 7, 16, 4096] {
                assert_eq!(screened(&sent, come, room), expected, "{come} {room}");
            }
        }
    }

    #[test]
    fn a_length_is_read_in_either_order_of_bytes_and_cannot_overflow() {
        let mut header = [0; HEADER];
        header[0] = b'l';
        header[4..8].copy_from_slice(&5_u32.to_le_bytes());
        header[12..].copy_from_slice(&9_u32.to_le_bytes());
        assert_eq!(length(header), 16 + 16 + 5);
        header[0] = b'B';
        assert_eq!(length(header), 16 + (9 << 24) + (5 << 24));
        header[4..].fill(0xff);
        assert_eq!(length(header), 16 + (1 << 32) + u64::from(u32::MAX));
    }
}
