//! Sockets to the bus and to PID 1, with the message filter and without file descriptors.
//!
//! A peer may attach sixteen descriptors to each call, and the number of open descriptors is
//! limited. The bus passes none on to a peer that did not negotiate them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::{Address, Connection};

use super::message_filter::{AllowedSender, MessageFilter, Peer, SizeLimits};

/// Size of the read buffer: one read takes some hundred signals of a flood, which are dropped.
const BUFFER_BYTES: usize = 32 << 10;

/// Connects to the system bus.
pub(super) async fn connect(
    limits: SizeLimits,
    allowed: AllowedSender,
) -> zbus::Result<Connection> {
    let address = Address::system()?;
    let Transport::Unix(unix) = address.transport() else {
        return Err(unusable(&address));
    };
    let UnixSocket::File(path) = unix.path() else {
        return Err(unusable(&address));
    };
    let stream = UnixStream::connect(path).await?;
    let filter = MessageFilter::new(Peer::Bus, limits, allowed);
    let socket = Plain { stream, filter };
    Builder::socket(socket).build().await
}

/// A connection to PID 1's private socket, without a bus.
pub(super) async fn pid1(stream: UnixStream, limits: SizeLimits) -> zbus::Result<Connection> {
    let filter = MessageFilter::new(Peer::Pid1, limits, AllowedSender::default());
    let socket = Plain { stream, filter };
    Builder::socket(socket).p2p().build().await
}

fn unusable(address: &Address) -> zbus::Error {
    zbus::Error::Address(format!("not the path of a socket: {address}"))
}

struct Plain {
    stream: UnixStream,
    filter: MessageFilter,
}

impl Socket for Plain {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.stream.into_split();
        let reader = Reader {
            stream: BufReader::with_capacity(BUFFER_BYTES, read),
            filter: self.filter,
        };
        Split::new(reader, Writer(write))
    }
}

#[derive(Debug)]
struct Reader {
    stream: BufReader<OwnedReadHalf>,
    filter: MessageFilter,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            let from: &[u8] = if self.filter.has_more() {
                &[]
            } else {
                let from = self.stream.fill_buf().await?;
                if from.is_empty() {
                    return Ok((0, Vec::new()));
                }
                from
            };
            let step = self.filter.step(from, buffer);
            self.stream.consume(step.taken);
            if step.given > 0 {
                return Ok((step.given, Vec::new()));
            }
        }
    }
}

#[derive(Debug)]
struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
