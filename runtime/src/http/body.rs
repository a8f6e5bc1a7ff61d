//! A body that arrives on the network and is read on a thread that may block.

use std::io::{self, Read};

use reqwest::Response;
use tokio::sync::mpsc::{Receiver, channel};

/// Chunks that wait for the parser. Behind them the socket is not read.
const CHUNKS: usize = 4;

/// The blocking end of a body.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<Result<Vec<u8>, ()>>,
    rest: Vec<u8>,
    at: usize,
    left: u64,
}

/// Why a body could not be read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyEnd {
    /// The link broke.
    Cut,
    /// It is larger than what is read.
    TooLarge,
}

impl Body {
    /// Splits a response into a task that receives and a reader that blocks. At most `limit`
    /// bytes are read.
    pub fn split(mut response: Response, limit: u64) -> (impl Future<Output = ()> + Send, Self) {
        let (sender, chunks) = channel(CHUNKS);
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
        (receive, Self { chunks, rest: Vec::new(), at: 0, left: limit })
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.rest.len() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => (self.rest, self.at) = (chunk, 0),
                Some(Err(())) => return Err(end(BodyEnd::Cut)),
            }
        }
        let n = buffer.len().min(self.rest.len() - self.at);
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| end(BodyEnd::TooLarge))?;
        buffer[..n].copy_from_slice(&self.rest[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn end(why: BodyEnd) -> io::Error {
    io::Error::other(why)
}

impl std::fmt::Display for BodyEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BodyEnd::Cut => "the body was cut off",
            BodyEnd::TooLarge => "the body is too large",
        })
    }
}

impl std::error::Error for BodyEnd {}
