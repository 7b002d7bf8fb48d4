//! Records the output of a terminal, with the time of each part.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::feed::{Feed, State};
use crate::wait::wait_until;

/// The output of a terminal so far. Clones share it.
#[derive(Clone, Debug)]
pub struct Transcript {
    chunks: Arc<Feed<Chunk>>,
}

#[derive(Debug)]
struct Chunk {
    at: Instant,
    text: String,
}

/// A text that was found in a [`Transcript`].
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When its last byte was received.
    pub at: Instant,
    /// The offset after the text.
    pub end: usize,
}

/// The behavior of the source while its other side is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The stream ends, as for a pipe.
    Pipe,
    /// Reads fail with `EIO` until it is opened again: the master of a pty between a hang-up and
    /// the next getty.
    PtyMaster,
}

impl Transcript {
    /// Reads `bytes` to the end, in a thread.
    pub(crate) fn of(mut bytes: impl Read + Send + 'static, source: Source) -> Self {
        let chunks = Arc::new(Feed::new());
        let feed = Arc::clone(&chunks);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Some(count) = read_some(&mut bytes, &mut buffer, source, &feed) {
                let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
                feed.push(Chunk {
                    at: Instant::now(),
                    text: text.into_owned(),
                });
            }
            feed.end();
        });
        Self { chunks }
    }

    /// Waits for `text`.
    ///
    /// # Errors
    /// It does not appear within `bound`, or the terminal is closed first.
    pub fn wait_for(&self, text: &str, bound: Duration) -> Outcome<Seen> {
        self.wait_after(0, text, bound)
    }

    /// Waits for `text` after the offset `start`, which is the `end` of an earlier text.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_after(&self, start: usize, text: &str, bound: Duration) -> Outcome<Seen> {
        let found = self.chunks.wait(bound, |state| find(state, start, text));
        found.ok_or_else(|| {
            let seconds = bound.as_secs_f32();
            let shown = self.text();
            Failure::new(format!(
                "waited {seconds} s for {text:?} on the terminal, which shows:\n{shown}"
            ))
        })
    }

    /// The number of occurrences of `text`.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }

    /// The whole output.
    #[must_use]
    pub fn text(&self) -> String {
        self.chunks.read(whole)
    }

    /// The pieces after the first `count` ones with their times, to show them as they arrive.
    #[must_use]
    pub fn pieces_after(&self, count: usize) -> Vec<(Instant, String)> {
        self.chunks.read(|state| {
            let new = state.items.iter().skip(count);
            new.map(|chunk| (chunk.at, chunk.text.clone())).collect()
        })
    }

    /// Waits until the terminal closes.
    ///
    /// # Errors
    /// It is open after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.chunks.wait(bound, |state| state.ended).ok_or_else(|| {
            let seconds = bound.as_secs_f32();
            let shown = self.text();
            Failure::new(format!(
                "waited {seconds} s for the terminal to close, which shows:\n{shown}"
            ))
        })
    }

    /// Whether the terminal is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.chunks.read(|state| state.ended.is_none())
    }
}

fn whole(state: &State<Chunk>) -> String {
    state
        .items
        .iter()
        .map(|chunk| chunk.text.as_str())
        .collect()
}

fn find(state: &State<Chunk>, start: usize, text: &str) -> Option<Seen> {
    let all = whole(state);
    let end = start + all.get(start..)?.find(text)? + text.len();
    let mut length = 0;
    let last = state.items.iter().find(|chunk| {
        length += chunk.text.len();
        length >= end
    })?;
    Some(Seen { at: last.at, end })
}

/// The number of bytes read; `None` at the end.
fn read_some(
    bytes: &mut impl Read,
    buffer: &mut [u8],
    source: Source,
    feed: &Arc<Feed<Chunk>>,
) -> Option<usize> {
    loop {
        match bytes.read(buffer) {
            Ok(0) => return None,
            Ok(count) => return Some(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if source == Source::PtyMaster && is_hung_up(&error) => {
                // Ends when the last clone of the transcript is dropped.
                let hung_up = Duration::from_secs(1);
                let _ = wait_until(hung_up, "the terminal to be opened", || Err::<(), _>(""));
                if Arc::strong_count(feed) == 1 {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}

fn is_hung_up(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn text_is_found_across_pieces_and_dated_by_the_last_of_them() {
        let (reader, mut writer) = pipe().unwrap();
        let transcript = Transcript::of(reader, Source::Pipe);
        writer.write_all(b"login: al").unwrap();
        transcript.wait_for("login", SOON).unwrap();
        let between = Instant::now();
        writer.write_all(b"ice\r\n").unwrap();
        let name = transcript.wait_for("alice", SOON).unwrap();
        assert!(name.at > between);
        drop(writer);
        transcript.wait_closed(SOON).unwrap();
        assert!(transcript.wait_after(name.end, "alice", SOON).is_err());
        assert_eq!(transcript.text(), "login: alice\r\n");
    }
}
