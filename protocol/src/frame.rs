//! Frames: bytes to fields and back.

use std::fmt;

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 1;

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 12;

/// The longest frame, header included. Larger than any real login by far, and small enough that a
/// hundred of them at once do not matter.
pub const MAX_FRAME: usize = 4096;

/// The longest text in a field, in bytes. Linux bounds a user name to 256 (`LOGIN_NAME_MAX`) and
/// a host name to 255 (RFC 1035); session ids and terminals are shorter.
pub const MAX_FIELD: usize = 1024;

const MAGIC: [u8; 4] = *b"STMO";

/// Why a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// It does not begin as our frames do.
    NotOurs,
    /// It is of another version of the protocol.
    Version(u16),
    /// It is longer than [`MAX_FRAME`], or a field is longer than [`MAX_FIELD`].
    TooLong,
    /// It ends inside a header or a field.
    Truncated,
    /// Its kind is unknown, a text is not UTF-8, or a field that must be there is not.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("not a frame of session-timeout"),
            Self::Version(theirs) => {
                write!(f, "protocol version {theirs}, this side speaks {VERSION}")
            }
            Self::TooLong => f.write_str("the frame is too long"),
            Self::Truncated => f.write_str("the frame is cut short"),
            Self::Malformed => f.write_str("the frame is malformed"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The first [`HEADER_LEN`] bytes of a frame, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: u16,
    body_len: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`FrameError::NotOurs`], [`FrameError::Version`] and [`FrameError::TooLong`].
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, v0, v1, k0, k1, l0, l1, l2, l3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(FrameError::NotOurs);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let body_len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]))
            .map_err(|_| FrameError::TooLong)?;
        if body_len > MAX_FRAME - HEADER_LEN {
            return Err(FrameError::TooLong);
        }
        Ok(Self {
            kind: u16::from_le_bytes([k0, k1]),
            body_len,
        })
    }

    /// What sort of message follows.
    pub(crate) const fn kind(self) -> u16 {
        self.kind
    }

    /// How many bytes follow the header; never more than [`MAX_FRAME`] less [`HEADER_LEN`].
    #[must_use]
    pub const fn body_len(self) -> usize {
        self.body_len
    }
}

/// Builds one frame.
pub(crate) struct Encoder {
    kind: u16,
    body: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(kind: u16) -> Self {
        Self {
            kind,
            body: Vec::new(),
        }
    }

    /// Adds a field; `None` adds nothing.
    pub(crate) fn text(mut self, tag: u8, text: Option<&str>) -> Result<Self, FrameError> {
        let Some(text) = text else { return Ok(self) };
        let length = u16::try_from(text.len())
            .ok()
            .filter(|_| text.len() <= MAX_FIELD)
            .ok_or(FrameError::TooLong)?;
        self.body.push(tag);
        self.body.extend_from_slice(&length.to_le_bytes());
        self.body.extend_from_slice(text.as_bytes());
        Ok(self)
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, FrameError> {
        let body_len = u32::try_from(self.body.len()).map_err(|_| FrameError::TooLong)?;
        if self.body.len() > MAX_FRAME - HEADER_LEN {
            return Err(FrameError::TooLong);
        }
        let mut frame = Vec::with_capacity(HEADER_LEN + self.body.len());
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(&VERSION.to_le_bytes());
        frame.extend_from_slice(&self.kind.to_le_bytes());
        frame.extend_from_slice(&body_len.to_le_bytes());
        frame.extend_from_slice(&self.body);
        Ok(frame)
    }
}

/// The fields of a body, one after the other.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The next field, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u8, &'a str)>, FrameError> {
        let (tag, l0, l1, rest) = match *self.rest {
            [] => return Ok(None),
            [tag, l0, l1, ref rest @ ..] => (tag, l0, l1, rest),
            [_] | [_, _] => return Err(FrameError::Truncated),
        };
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        if length > MAX_FIELD {
            return Err(FrameError::TooLong);
        }
        let (text, rest) = rest.split_at_checked(length).ok_or(FrameError::Truncated)?;
        self.rest = rest;
        let text = std::str::from_utf8(text).map_err(|_| FrameError::Malformed)?;
        Ok(Some((tag, text)))
    }
}
