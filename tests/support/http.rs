//! Requests as bytes on a socket, so that a test sees what really came back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came over the wire.
pub struct Answer {
    pub status: u16,
    pub head: String,
    /// With the frames of its chunks removed.
    pub body: String,
    /// Whether the body ended the way HTTP says.
    pub whole: bool,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What every request has to bring.
pub const USUAL: &str = "X-Correlation-Id: c1\r\n";

/// Asks, for an answer that is text.
pub async fn ask(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Answer {
    try_ask(server, method, target, headers, body).await.expect("the server answers")
}

/// Asks a server that may be gone.
pub async fn try_ask(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Option<Answer> {
    let (head, bytes, whole) = ask_bytes(server, method, target, headers, body).await?;
    let body = String::from_utf8(bytes).unwrap();
    Some(Answer { status: head[9..12].parse().unwrap(), head, body, whole })
}

/// The head, the body with the frames of its chunks removed, and whether it was whole. `None`
/// without a whole head.
pub async fn ask_bytes(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Option<(String, Vec<u8>, bool)> {
    let mut socket = TcpStream::connect(server).await.ok()?;
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    // A cut body may end in a reset of the connection.
    let _ = socket.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at(end + 4);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let (body, whole) = unchunk(rest, &head);
    Some((head, body, whole))
}

fn unchunk(mut rest: &[u8], head: &str) -> (Vec<u8>, bool) {
    if !head.contains("transfer-encoding: chunked") {
        return (rest.to_vec(), true);
    }
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let chunk = &rest[line + 2..];
        body.extend_from_slice(&chunk[..size]);
        rest = &chunk[size + 2..];
    }
    (body, false)
}
