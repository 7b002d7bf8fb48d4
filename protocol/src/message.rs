//! The messages: what a login or logout is, and what is answered.

use crate::frame::{Encoder, Fields, FrameError, Header};

/// What the module tells the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A PAM session was opened.
    Opened(Opened),
    /// A PAM session was closed.
    Closed(Closed),
}

/// A PAM session was opened, in the words of the PAM transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// `PAM_USER`.
    pub user: String,
    /// `PAM_SERVICE`: `sshd`, `login`, `gdm-password`.
    pub service: String,
    /// `PAM_TTY`, as the application set it; sshd's is the word `ssh`.
    pub tty: Option<String>,
    /// `PAM_RHOST`: where a remote user comes from.
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

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The message was taken.
    Recorded {
        /// One line for the user, where there is something to say and somewhere to show it.
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
    /// The frame of this request.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] where a text does not fit.
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

    /// Reads the body that follows `header`.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], [`FrameError::Truncated`] and [`FrameError::TooLong`].
    pub fn decode(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        let texts = Texts::read(header, body)?;
        match header.kind() {
            OPENED => Ok(Self::Opened(Opened {
                user: texts.user.ok_or(FrameError::Malformed)?,
                service: texts.service.ok_or(FrameError::Malformed)?,
                tty: texts.tty,
                remote_host: texts.remote_host,
                session_id: texts.session_id,
            })),
            CLOSED => Ok(Self::Closed(Closed {
                user: texts.user.ok_or(FrameError::Malformed)?,
                service: texts.service.ok_or(FrameError::Malformed)?,
                session_id: texts.session_id,
            })),
            _ => Err(FrameError::Malformed),
        }
    }
}

impl Reply {
    /// The frame of this reply.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] where the announcement does not fit.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Recorded { announcement } => Encoder::new(RECORDED)
                .text(tag::ANNOUNCEMENT, announcement.as_deref())?
                .finish(),
        }
    }

    /// Reads the body that follows `header`.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], [`FrameError::Truncated`] and [`FrameError::TooLong`].
    pub fn decode(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        let texts = Texts::read(header, body)?;
        match header.kind() {
            RECORDED => Ok(Self::Recorded {
                announcement: texts.announcement,
            }),
            _ => Err(FrameError::Malformed),
        }
    }
}

/// Every field that any message has; the last one of a tag counts.
#[derive(Default)]
struct Texts {
    user: Option<String>,
    service: Option<String>,
    tty: Option<String>,
    remote_host: Option<String>,
    session_id: Option<String>,
    announcement: Option<String>,
}

impl Texts {
    fn read(header: Header, body: &[u8]) -> Result<Self, FrameError> {
        if body.len() != header.body_len() {
            return Err(FrameError::Truncated);
        }
        let mut texts = Self::default();
        let mut fields = Fields::new(body);
        while let Some((tag, text)) = fields.next()? {
            let slot = match tag {
                tag::USER => &mut texts.user,
                tag::SERVICE => &mut texts.service,
                tag::TTY => &mut texts.tty,
                tag::REMOTE_HOST => &mut texts.remote_host,
                tag::SESSION_ID => &mut texts.session_id,
                tag::ANNOUNCEMENT => &mut texts.announcement,
                _ => continue,
            };
            *slot = Some(text.to_owned());
        }
        Ok(texts)
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
    fn absent_and_empty_texts_are_told_apart() {
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
        assert_eq!(decode(&other), Err(FrameError::NotOurs));
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
