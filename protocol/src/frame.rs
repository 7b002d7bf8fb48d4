//! Frames: encodes fields as bytes, and decodes them.

use std::fmt;

/// The version of the protocol in this build.
pub const VERSION: u16 = 1;

/// Length of a frame's header in bytes.
pub const HEADER_LEN: usize = 12;

/// Maximum length of a frame in bytes, including the header. Far more than a real login needs, and
/// little enough memory for a hundred connections at once.
pub const MAX_FRAME: usize = 4096;

/// Maximum length of the text in a field, in bytes. On Linux a user name has at most 256 bytes
/// (`LOGIN_NAME_MAX`), and a host name has at most 255 (RFC 1035); session ids and the names of
/// terminals are shorter.
pub const MAX_FIELD: usize = 1024;

const MAGIC: [u8; 4] = *b"STMO";

/// Why a frame was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// It does not begin with the magic number.
    BadMagic,
    /// It has another version of the protocol.
    Version(u16),
    /// It is longer than [`MAX_FRAME`], or a field is longer than [`MAX_FIELD`].
    TooLong,
    /// It ends inside a header or a field.
    Truncated,
    /// Its kind is unknown, a text is not UTF-8, or a required field is missing.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic => f.write_str("not a frame of session-timeout"),
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

/// The validated header of a frame: its first [`HEADER_LEN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: u16,
    body_len: usize,
}

impl Header {
    /// Decodes and validates a header.
    ///
    /// # Errors
    /// [`FrameError::BadMagic`], [`FrameError::Version`] and [`FrameError::TooLong`].
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, v0, v1, k0, k1, l0, l1, l2, l3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(FrameError::BadMagic);
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

    /// The kind of message that follows.
    pub(crate) const fn kind(self) -> u16 {
        self.kind
    }

    /// The number of bytes that follow the header: at most [`MAX_FRAME`] minus [`HEADER_LEN`].
    #[must_use]
    pub const fn body_len(self) -> usize {
        self.body_len
    }
}

/// Encodes one frame.
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

    /// Adds a field; does nothing for `None`.
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

/// Iterates over the fields of a body.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The tag and the text of the next field; `None` at the end.
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
