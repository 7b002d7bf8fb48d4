//! The messages: a login or logout that the PAM module reports, and the daemon's reply.

use crate::frame::{Encoder, Fields, FrameError, Header};

/// A message from the PAM module to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A PAM session was opened.
    Opened(Opened),
    /// A PAM session was closed.
    Closed(Closed),
}

/// A PAM session was opened. The fields are items and variables of the PAM transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// `PAM_USER`.
    pub user: String,
    /// `PAM_SERVICE`: `sshd`, `login`, `gdm-password`.
    pub service: String,
    /// `PAM_TTY`, as the application set it; sshd sets `ssh`.
    pub tty: Option<String>,
    /// `PAM_RHOST`: the host of a remote user.
    pub remote_host: Option<String>,
    /// `XDG_SESSION_ID` from the PAM environment. Absent inside another session (`su`, `sudo -i`)
    /// and where `pam_systemd` did not run.
    pub session_id: Option<String>,
}

/// A PAM session was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// `PAM_USER`.
    pub user: String,
    /// `PAM_SERVICE`.
    pub service: String,
    /// `XDG_SESSION_ID` from the PAM environment, as at the opening.
    pub session_id: Option<String>,
}

/// The daemon's reply to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The daemon has recorded the request.
    Recorded {
        /// One line for the user. Absent if no limit applies, or if the login cannot show it.
        announcement: Option<String>,
    },
}

const OPENED: u16 = 1;
const CLOSED: u16 = 2;
const RECORDED: u16 = 0x8001;

mod tag {
    pub(super) const USER: u8 = 1;
    pub(super) const SERVICE: u8 = 2;
    pub(super) const TTY: u8 = 3;
    pub(super) const REMOTE_HOST: u8 = 4;
    pub(super) const SESSION_ID: u8 = 5;
    pub(super) const ANNOUNCEMENT: u8 = 6;
}

impl Request {
    /// Encodes the request as a frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if a text is longer than [`MAX_FIELD`](crate::MAX_FIELD), or the
    /// frame than [`MAX_FRAME`](crate::MAX_FRAME).
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Opened(opened) => Encoder::new(OPENED)
                .text(tag::USER, Some(&opened.user))?
                .text(tag::SERVICE, Some(&opened.service))?
                .text(tag::TTY, opened.tty.as_deref())?
                .text(tag::REMOTE_HOST, opened.remote_host.as_deref())?
                .text(tag::SESSION_ID, opened.session_id.as_deref())?
                .finish(),
            Self::Closed(closed) => Encoder::new(CLOSED)
                .text(tag::USER, Some(&closed.user))?
                .text(tag::SERVICE, Some(&closed.service))?
                .text(tag::SESSION_ID, closed.session_id.as_deref())?
                .finish(),
        }
    }

    /// Decodes the body that follows `header`.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], [`FrameError::Truncated`] and [`FrameError::TooLong`].
    pub fn decode(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        let fields = DecodedFields::read(header, body)?;
        match header.kind() {
            OPENED => Ok(Self::Opened(Opened {
                user: fields.user.ok_or(FrameError::Malformed)?,
                service: fields.service.ok_or(FrameError::Malformed)?,
                tty: fields.tty,
                remote_host: fields.remote_host,
                session_id: fields.session_id,
            })),
            CLOSED => Ok(Self::Closed(Closed {
                user: fields.user.ok_or(FrameError::Malformed)?,
                service: fields.service.ok_or(FrameError::Malformed)?,
                session_id: fields.session_id,
            })),
            _ => Err(FrameError::Malformed),
        }
    }
}

impl Reply {
    /// Encodes the reply as a frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if the announcement is longer than [`MAX_FIELD`](crate::MAX_FIELD).
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Recorded { announcement } => Encoder::new(RECORDED)
                .text(tag::ANNOUNCEMENT, announcement.as_deref())?
                .finish(),
        }
    }

    /// Decodes the body that follows `header`.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], [`FrameError::Truncated`] and [`FrameError::TooLong`].
    pub fn decode(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        let fields = DecodedFields::read(header, body)?;
        match header.kind() {
            RECORDED => Ok(Self::Recorded {
                announcement: fields.announcement,
            }),
            _ => Err(FrameError::Malformed),
        }
    }
}

/// The fields of all messages; of several fields with one tag the last is used.
#[derive(Default)]
struct DecodedFields {
    user: Option<String>,
    service: Option<String>,
    tty: Option<String>,
    remote_host: Option<String>,
    session_id: Option<String>,
    announcement: Option<String>,
}

impl DecodedFields {
    fn read(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        if body.len() != header.body_len() {
            return Err(FrameError::Truncated);
        }
        let mut decoded = Self::default();
        let mut fields = Fields::new(body);
        while let Some((tag, text)) = fields.next()? {
            let slot = match tag {
                tag::USER => &mut decoded.user,
                tag::SERVICE => &mut decoded.service,
                tag::TTY => &mut decoded.tty,
                tag::REMOTE_HOST => &mut decoded.remote_host,
                tag::SESSION_ID => &mut decoded.session_id,
                tag::ANNOUNCEMENT => &mut decoded.announcement,
                _ => continue,
            };
            *slot = Some(text.to_owned());
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HEADER_LEN, MAX_FIELD};

    fn split(frame: &[u8]) -> ([u8; HEADER_LEN], &[u8]) {
        let (header, body) = frame.split_at(HEADER_LEN);
        (header.try_into().unwrap(), body)
    }

    fn decode(frame: &[u8]) -> Result<Request, FrameError> {
        let (header, body) = split(frame);
        Request::decode(Header::decode(&header)?, body)
    }

    fn login() -> Request {
        Request::Opened(Opened {
            user: "alice".into(),
            service: "sshd".into(),
            tty: Some("ssh".into()),
            remote_host: Some("192.0.2.7".into()),
            session_id: Some("c1".into()),
        })
    }

    #[test]
    fn bytes_of_a_login_stay_as_they_are() {
        let frame = login().encode().unwrap();
        let text = b"STMO\x01\0\x01\0\x2a\0\0\0\x01\x05\0alice\x02\x04\0sshd\x03\x03\0ssh\x04\x09\x00192.0.2.7\x05\x02\0c1";
        assert_eq!(frame[..8], text[..8]);
        assert_eq!(frame[12..], text[12..]);
        assert_eq!(usize::from(frame[8]), frame.len() - HEADER_LEN);
    }

    #[test]
    fn absent_and_empty_texts_are_distinguished() {
        let request = Request::Opened(Opened {
            user: "a".into(),
            service: String::new(),
            tty: Some(String::new()),
            ..Opened::default()
        });
        assert_eq!(decode(&request.encode().unwrap()), Ok(request));
    }

    #[test]
    fn a_reply_comes_back_as_it_was_sent() {
        for announcement in [None, Some("This session ends after 24 h.".to_owned())] {
            let reply = Reply::Recorded { announcement };
            let frame = reply.encode().unwrap();
            let (header, body) = split(&frame);
            assert_eq!(
                Reply::decode(Header::decode(&header).unwrap(), body),
                Ok(reply)
            );
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_skipped() {
        let mut frame = login().encode().unwrap();
        frame.extend_from_slice(b"\xee\x03\0new");
        frame[8] += 6;
        assert_eq!(decode(&frame), Ok(login()));
    }

    #[test]
    fn frames_that_are_not_ours_are_refused_by_their_header() {
        let good = login().encode().unwrap();
        let mut other = good.clone();
        other[0] = b'G';
        assert_eq!(decode(&other), Err(FrameError::BadMagic));
        let mut newer = good.clone();
        newer[4] = 9;
        assert_eq!(decode(&newer), Err(FrameError::Version(9)));
        let mut long = good;
        long[10] = 0xff;
        assert_eq!(decode(&long), Err(FrameError::TooLong));
    }

    #[test]
    fn every_cut_of_a_frame_is_an_error() {
        let frame = login().encode().unwrap();
        let (header, body) = split(&frame);
        let header = Header::decode(&header).unwrap();
        for cut in 0..body.len() {
            assert_eq!(
                Request::decode(header, &body[..cut]),
                Err(FrameError::Truncated)
            );
        }
    }

    #[test]
    fn texts_that_do_not_fit_are_refused_before_they_are_sent() {
        let long = "x".repeat(MAX_FIELD + 1);
        let request = Request::Closed(Closed {
            user: long,
            ..Closed::default()
        });
        assert_eq!(request.encode(), Err(FrameError::TooLong));
        let full = Some("x".repeat(MAX_FIELD));
        let request = Request::Opened(Opened {
            user: "u".repeat(MAX_FIELD),
            service: "s".repeat(MAX_FIELD),
            tty: full.clone(),
            remote_host: full.clone(),
            session_id: full,
        });
        assert_eq!(request.encode(), Err(FrameError::TooLong));
    }

    #[test]
    fn a_login_without_a_user_is_malformed() {
        let frame = Encoder::new(OPENED)
            .text(tag::SERVICE, Some("sshd"))
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(decode(&frame), Err(FrameError::Malformed));
        let frame = Encoder::new(77).finish().unwrap();
        assert_eq!(decode(&frame), Err(FrameError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_message_or_an_error(bytes in proptest::collection::vec(0u8.., 0..600)) {
            if let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>()
                && let Ok(header) = Header::decode(header)
            {
                let _ = Request::decode(header, body);
                let _ = Reply::decode(header, body);
            }
            let mut frame = b"STMO\x01\0\x01\0".to_vec();
            frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
            frame.extend_from_slice(&bytes);
            let _ = decode(&frame);
        }

        #[test]
        fn any_login_comes_back_as_it_was_sent(
            user in "\\PC{0,80}", service in ".{0,40}", tty in proptest::option::of(".{0,40}"),
            remote_host in proptest::option::of(".{0,80}"),
            session_id in proptest::option::of("[a-z0-9]{0,9}"),
        ) {
            let request = Request::Opened(Opened { user, service, tty, remote_host, session_id });
            proptest::prop_assert_eq!(decode(&request.encode().unwrap()), Ok(request));
        }
    }
}
