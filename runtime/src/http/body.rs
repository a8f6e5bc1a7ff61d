//! A body that arrives on the network and is read on a thread that may block.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Response;
use tokio::sync::mpsc::{Receiver, channel};

/// Chunks that wait for the parser. Behind them the socket is not read.
const CHUNKS: usize = 4;

/// At once.
const SOON: Duration = Duration::from_millis(5);

/// The blocking end of a body.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<Result<Vec<u8>, ()>>,
    rest: Vec<u8>,
    at: usize,
    /// Nothing comes behind the rest.
    is_whole: bool,
    left: u64,
    end: End,
}

/// Set when a reader came to the end of its body. Parsers wrap errors in their own, so this is
/// how the reason gets past them.
pub type End = Arc<OnceLock<BodyEnd>>;

/// Why a body could not be read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyEnd {
    /// Too early, whether the link broke or the server had no more to say.
    Cut,
    /// It is larger than what is read.
    TooLarge,
}

impl Body {
    /// Splits a response into a task that receives and a reader that blocks. At most `limit`
    /// bytes are read. A body of no more than `small` that is there at once is taken as a whole.
    pub async fn split(
        mut response: Response,
        limit: u64,
        small: u64,
    ) -> (impl Future<Output = ()> + Send, Self) {
        let (sender, chunks) = channel(CHUNKS);
        let (mut rest, mut is_whole) = (Vec::new(), false);
        if response.content_length().is_none_or(|length| length <= small) {
            let whole = async {
                while rest.len() as u64 <= small {
                    match response.chunk().await {
                        Ok(Some(chunk)) => rest.extend_from_slice(&chunk),
                        Ok(None) => {
                            is_whole = true;
                            return;
                        }
                        Err(_) => return,
                    }
                }
            };
            let _ = tokio::time::timeout(SOON, whole).await;
        }
        let receive = async move {
            loop {
                let chunk = match response.chunk().await {
                    Ok(Some(chunk)) => Ok(chunk.to_vec()),
                    Ok(None) => return,
                    Err(_) => Err(()),
                };
                let over = chunk.is_err();
                if sender.send(chunk).await.is_err() || over {
                    return;
                }
            }
        };
        (receive, Self { chunks, rest, at: 0, is_whole, left: limit, end: End::default() })
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.rest.len() {
            if self.is_whole {
                return Err(self.ended(BodyEnd::Cut));
            }
            match self.chunks.blocking_recv() {
                // A parser that asks for more than there is misses something.
                None | Some(Err(())) => return Err(self.ended(BodyEnd::Cut)),
                Some(Ok(chunk)) => (self.rest, self.at) = (chunk, 0),
            }
        }
        let n = buffer.len().min(self.rest.len() - self.at);
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(self.ended(BodyEnd::TooLarge)),
        }
        buffer[..n].copy_from_slice(&self.rest[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Body {
    /// All of it, if it is here, so that its reader never waits.
    pub fn whole(&self) -> Option<&[u8]> {
        self.is_whole.then_some(&self.rest[self.at..])
    }

    /// Tells, after the body was read, how it ended.
    pub fn end(&self) -> End {
        self.end.clone()
    }

    fn ended(&self, how: BodyEnd) -> io::Error {
        let how = *self.end.get_or_init(|| how);
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("{how:?}"))
    }
}
