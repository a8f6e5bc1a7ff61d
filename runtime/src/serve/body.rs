//! Bodies that go out piece by piece, and say when they are gone.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use landfall_reference::script::Damage;
use landfall_reference::server::File;
use tokio::time::Instant;

use super::json;
use super::log::{Delivery, RequestId};
use super::state::{Route, Shared};
use super::tar::Archive;

/// The connection is handed so many bytes at a time, so that the log follows what is sent.
const SLICE: usize = 64 * 1024;

/// How long the connection gets to send what came before a cut. Without it the last bytes
/// would be thrown away with the connection, and every cut would look like a lost answer.
const FLUSH: Duration = Duration::from_millis(20);

/// What a body is made of.
pub(super) enum Piece {
    /// As it is.
    Bytes(Vec<u8>),
    /// A file, rendered when its turn comes.
    File {
        /// Its path.
        path: String,
        /// It.
        file: File,
        /// Written before it.
        lead: &'static str,
        /// In which shape.
        shape: Shape,
    },
    /// The end of the archive.
    TarEnd,
}

/// The shapes of a file.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Shape {
    /// The JSON of `fs/file` and `fs/export`.
    Full,
    /// The JSON of `fs/bulk-read`.
    Bulk,
    /// An entry of the archive.
    Tar,
}

/// A body on its way.
pub(super) struct Outgoing {
    shared: Arc<Shared>,
    request: RequestId,
    route: Route,
    pieces: VecDeque<Piece>,
    /// Waited before every file.
    per_file: Duration,
    /// Goes wrong in the piece with this number, after so many thousandths of it.
    damage: Option<(Damage, usize, u64)>,
    /// How many pieces were taken from the queue.
    taken: usize,
    /// What is left of the piece under way.
    rest: Bytes,
    /// The file under way. It is delivered when the connection asks for what comes next.
    file: Option<Delivery>,
    /// The archive under way.
    archive: Option<Archive>,
    state: State,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Going,
    /// What is left is sent, then the body ends this way.
    Last(Damage),
    Ended,
}

impl Outgoing {
    pub(super) fn new(
        shared: Arc<Shared>,
        request: RequestId,
        route: Route,
        pieces: VecDeque<Piece>,
    ) -> Self {
        Self {
            shared,
            request,
            route,
            pieces,
            per_file: Duration::ZERO,
            damage: None,
            taken: 0,
            rest: Bytes::new(),
            file: None,
            archive: None,
            state: State::Going,
        }
    }

    /// Waits before every file.
    pub(super) fn slowly(mut self, per_file: Duration) -> Self {
        self.per_file = per_file;
        self
    }

    /// Goes wrong after so many thousandths.
    pub(super) fn damaged(mut self, damage: Option<(Damage, u64)>) -> Self {
        self.damage = damage.map(|(damage, part)| {
            let at = self.pieces.len() * part as usize / 1000;
            (damage, at, part)
        });
        self
    }

    /// As an HTTP body. Its length is not told, so it is sent in chunks.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut body| async {
            let next = body.next().await?;
            Some((next, body))
        }))
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if !self.rest.is_empty() {
                return Some(Ok(self.slice()));
            }
            // The connection took all that it was given and asks for more.
            match self.state {
                State::Last(damage) => {
                    self.fail();
                    if damage == Damage::Malformed {
                        self.finish(true);
                        return None;
                    }
                    tokio::time::sleep(FLUSH).await;
                    self.finish(false);
                    return Some(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                State::Ended => return None,
                State::Going => {}
            }
            if let Some(file) = self.file.take() {
                self.shared.log.file(Delivery { delivered: true, ..file });
            }
            let Some(piece) = self.pieces.pop_front() else {
                self.finish(true);
                return None;
            };
            if !self.begin(piece).await {
                self.finish(false);
                return Some(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
    }

    /// Renders the next piece. `false` if the server is stopping.
    async fn begin(&mut self, piece: Piece) -> bool {
        let number = self.taken;
        self.taken += 1;
        let mut rest = match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::TarEnd => {
                let archive = self.archive.take().unwrap_or_else(Archive::new);
                archive.end().unwrap_or_default()
            }
            Piece::File { path, file, lead, shape } => {
                let slow = Instant::now() + self.per_file;
                if !self.shared.sleep_until(slow).await {
                    return false;
                }
                let body = match shape {
                    Shape::Full => json::file(&path, &file),
                    Shape::Bulk => json::bulk_file(&path, &file),
                    Shape::Tar => {
                        let archive = self.archive.get_or_insert_with(Archive::new);
                        // Written to memory, which does not fail.
                        archive.add(&path, &file).unwrap_or_default()
                    }
                };
                self.file = Some(Delivery {
                    request: self.request,
                    at_ms: 0,
                    route: self.route,
                    revision: file.revision(),
                    path,
                    delivered: false,
                });
                let turn = self.shared.slot(body.len());
                if !self.shared.sleep_until(turn).await {
                    return false;
                }
                match lead {
                    "" => body,
                    lead => [lead.as_bytes(), &body].concat(),
                }
            }
        };
        if let Some((damage, at, part)) = self.damage
            && at == number
        {
            rest.truncate(rest.len() * part as usize / 1000);
            if damage == Damage::Malformed {
                rest.extend_from_slice(b"\x01<html>gateway</html>");
            }
            self.state = State::Last(damage);
        }
        self.rest = rest.into();
        true
    }

    fn slice(&mut self) -> Bytes {
        let slice = self.rest.split_to(self.rest.len().min(SLICE));
        let bytes = slice.len() as u64;
        self.shared.log.amend(self.request, |record| record.bytes += bytes);
        slice
    }

    /// The file under way was not delivered.
    fn fail(&mut self) {
        if let Some(file) = self.file.take() {
            self.shared.log.file(file);
        }
    }

    fn finish(&mut self, complete: bool) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.fail();
            self.shared.log.end(self.request, complete);
        }
    }
}

impl Drop for Outgoing {
    /// The connection is gone: the client went away, or was killed.
    fn drop(&mut self) {
        self.finish(false);
    }
}
