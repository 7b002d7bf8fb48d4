//! Messages over a stream socket, each with or without a file descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use crate::{MAGIC, MAX_BODY_LEN};

const HEADER: usize = MAGIC.len() + size_of::<u32>();

/// Sends a message, with a file descriptor if there is one.
///
/// # Errors
/// `InvalidInput` if it is longer than [`MAX_BODY_LEN`]; otherwise the error of the system call.
pub async fn send(
    stream: &mut UnixStream,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let frame = encode(message)?;
    let mut sent = 0;
    if let Some(descriptor) = descriptor {
        let with = || send_with(stream, &frame, descriptor);
        sent = stream.async_io(Interest::WRITABLE, with).await?;
    }
    let rest = frame.get(sent..).unwrap_or_default();
    stream.write_all(rest).await
}

/// Waits for a message and its file descriptor, if there is one; `None` if the peer closed the
/// connection between messages.
///
/// # Errors
/// `InvalidData` if the message does not follow this protocol; otherwise the error of the system
/// call.
pub async fn receive<T: DeserializeOwned>(
    stream: &mut UnixStream,
) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let mut descriptor = None;
    let mut header = [0; HEADER];
    if fill(stream, &mut header, &mut descriptor).await? == Filled::Nothing {
        return Ok(None);
    }
    let mut body = vec![0; length(header)?];
    if fill(stream, &mut body, &mut descriptor).await? == Filled::Nothing {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((serde_json::from_slice(&body)?, descriptor)))
}

fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok();
    let length = length.filter(|_| body.len() <= MAX_BODY_LEN);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    Ok([&MAGIC[..], &length.to_le_bytes(), &body].concat())
}

fn length(header: [u8; HEADER]) -> io::Result<usize> {
    let [m0, m1, m2, m3, l0, l1, l2, l3] = header;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]));
    let length = length
        .ok()
        .filter(|length| (1..=MAX_BODY_LEN).contains(length));
    match length {
        Some(length) if [m0, m1, m2, m3] == MAGIC => Ok(length),
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    Whole,
    /// The peer closed the connection before the first byte.
    Nothing,
}

async fn fill(
    stream: &UnixStream,
    bytes: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> io::Result<Filled> {
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        let take = || receive_with(stream, room, descriptor);
        match stream.async_io(Interest::READABLE, take).await? {
            0 if filled == 0 => return Ok(Filled::Nothing),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(Filled::Whole)
}

fn send_with(stream: &UnixStream, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let bytes = [IoSlice::new(bytes)];
    Ok(sendmsg(stream, &bytes, &mut control, SendFlags::NOSIGNAL)?)
}

fn receive_with(
    stream: &UnixStream,
    bytes: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(bytes)];
    let received = recvmsg(stream, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            *descriptor = descriptors.last();
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::{Mesg, Operation, Request, Response, Terminal, Witness};

    fn request(text: &str) -> Request {
        let terminal = Terminal {
            path: "/dev/pts/3".into(),
            device: 34_819,
            owner: 1000,
            witness: Some(Witness {
                pid: 7,
                started: 42,
            }),
        };
        Request {
            user: 1001,
            terminals: vec![terminal],
            operation: Operation::Write {
                text: text.to_owned(),
                mesg: Mesg::Respected,
            },
        }
    }

    #[tokio::test]
    async fn requests_and_responses_arrive_as_they_were_sent_and_the_end_is_seen() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let long = request(&"\u{7}".repeat(8000));
        let sent = long.clone();
        let asking = tokio::spawn(async move {
            send(&mut one, &sent, None).await.unwrap();
            let (response, _) = receive::<Response>(&mut one).await.unwrap().unwrap();
            response
        });
        let (asked, descriptor) = receive::<Request>(&mut other).await.unwrap().unwrap();
        assert_eq!(asked, long);
        assert!(descriptor.is_none());
        let response = Response::Watched(vec![Some(1), None]);
        send(&mut other, &response, None).await.unwrap();
        assert_eq!(asking.await.unwrap(), response);
        assert!(receive::<Request>(&mut other).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_descriptor_comes_along_with_its_message() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        send(&mut one, &request("x"), Some(file.as_fd()))
            .await
            .unwrap();
        send(&mut one, &request("y"), None).await.unwrap();
        let (_, descriptor) = receive::<Request>(&mut other).await.unwrap().unwrap();
        let inode = |file: &dyn std::os::fd::AsFd| rustix::fs::fstat(file.as_fd()).unwrap().st_ino;
        assert_eq!(inode(&descriptor.unwrap()), inode(&file));
        let (asked, descriptor) = receive::<Request>(&mut other).await.unwrap().unwrap();
        assert_eq!(asked, request("y"));
        assert!(descriptor.is_none());
    }

    #[tokio::test]
    async fn an_unknown_message_is_an_error() {
        let header = |magic: &[u8], length: u32| [magic, &length.to_le_bytes()].concat();
        let too_long = u32::try_from(MAX_BODY_LEN + 1).unwrap();
        for bytes in [
            header(b"GET ", 1),
            header(b"STT\x02", 1),
            header(&MAGIC, 0),
            header(&MAGIC, too_long),
            [header(&MAGIC, 2), b"{}".to_vec()].concat(),
            header(&MAGIC, 2),
            b"STT".to_vec(),
        ] {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            one.write_all(&bytes).await.unwrap();
            drop(one);
            assert!(receive::<Request>(&mut other).await.is_err(), "{bytes:?}");
        }
        let (mut one, _other) = UnixStream::pair().unwrap();
        let error = send(&mut one, &request(&"x".repeat(MAX_BODY_LEN)), None).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
