//! A small HTTP/1.1 server on 127.0.0.1: a thread and an answer for every connection, and ways to misbehave.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a client may send at most.
const REQUEST_LIMIT: usize = 64 << 20;
/// Header bytes a client may send at most.
const HEAD_LIMIT: usize = 64 << 10;
/// How often a misbehaving answer looks whether it may end.
const TICK: Duration = Duration::from_millis(50);

/// A request, read to its end.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Decoded parameters of the URL.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Value of a parameter.
pub(crate) fn parameter<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", media_type.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    /// An error as the services write it.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({"code": status, "message": message}))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What happens to a request.
pub(crate) enum Answer {
    Whole(Response),
    /// Nothing, for ever.
    Hang,
    /// The connection closes.
    Close,
    /// The head, half of the body, and the connection closes.
    Cut(Response),
    /// 10 GB.
    Endless,
    /// A byte a second.
    Drip(Response),
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// The server; it stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes a free port, whose address is known before anything is answered.
    pub(crate) fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    pub(crate) fn serve(listener: TcpListener, handler: Arc<Handler>) -> Self {
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, stopped) = (Arc::clone(&handler), Arc::clone(&stopped));
                // A client that went away is no error of the server's.
                thread::spawn(move || drop(converse(stream, handler.as_ref(), &stopped)));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn converse(mut stream: TcpStream, handler: &Handler, stopped: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    let answer = match read_request(&mut stream) {
        Ok(Some(request)) => handler(&request),
        Ok(None) => return Ok(()),
        Err(error) => Answer::Whole(Response::error(400, &error.to_string())),
    };
    match answer {
        Answer::Whole(response) => {
            stream.write_all(&head(&response))?;
            stream.write_all(&response.body)?;
        }
        Answer::Close => {}
        Answer::Cut(response) => {
            stream.write_all(&head(&response))?;
            stream.write_all(&response.body[..response.body.len() / 2])?;
        }
        Answer::Hang => return until_gone(&mut stream, stopped),
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"filler\":\"")?;
            let block = [b'a'; 1 << 16];
            let mut left = 10_000_000_000_usize;
            while left > 0 && !stopped.load(Ordering::SeqCst) {
                stream.write_all(&block)?;
                left = left.saturating_sub(block.len());
            }
        }
        Answer::Drip(response) => {
            for byte in [head(&response), response.body].concat() {
                stream.write_all(&[byte])?;
                for _ in 0..20 {
                    if stopped.load(Ordering::SeqCst) {
                        return Ok(());
                    }
                    thread::sleep(TICK);
                }
            }
        }
    }
    stream.flush()?;
    stream.shutdown(Shutdown::Write)?;
    Ok(())
}

/// Waits until the client closes, or the server stops.
fn until_gone(stream: &mut TcpStream, stopped: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(TICK))?;
    let mut byte = [0];
    while !stopped.load(Ordering::SeqCst) {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn head(response: &Response) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        out += &format!("{name}: {value}\r\n");
    }
    out += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", response.body.len());
    out.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        _ => "Other",
    }
}

/// Reads a request; nothing if the client sent nothing.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > HEAD_LIMIT {
            return Err(malformed("the header is too long"));
        }
        if !more(stream, &mut bytes)? {
            return if bytes.is_empty() {
                Ok(None)
            } else {
                Err(malformed("the request ends in its header"))
            };
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        return Err(malformed("no request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: form(query),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    };
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        request.body = chunked(stream, body)?;
    } else {
        let length: usize = match request.header("content-length") {
            Some(value) => value.parse().map_err(|_| malformed("Content-Length is no number"))?,
            None => 0,
        };
        if length > REQUEST_LIMIT {
            return Err(malformed("the body is too long"));
        }
        while body.len() < length {
            if !more(stream, &mut body)? {
                return Err(malformed("the request ends in its body"));
            }
        }
        body.truncate(length);
        request.body = body;
    }
    Ok(Some(request))
}

/// Reads a body of chunks; `bytes` is what has arrived already.
fn chunked(stream: &mut TcpStream, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let at = loop {
            if let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            if bytes.len() > HEAD_LIMIT || !more(stream, &mut bytes)? {
                return Err(malformed("a chunk without a length"));
            }
        };
        let line = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .ok()
            .filter(|length| body.len() + length <= REQUEST_LIMIT)
            .ok_or_else(|| malformed("a chunk with a bad length"))?;
        while bytes.len() < at + 2 + length + 2 {
            if !more(stream, &mut bytes)? {
                return Err(malformed("the request ends in a chunk"));
            }
        }
        body.extend_from_slice(&bytes[at + 2..at + 2 + length]);
        bytes.drain(..at + 2 + length + 2);
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Reads once; whether anything came.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut block = [0; 1 << 14];
    let count = stream.read(&mut block)?;
    bytes.extend_from_slice(&block[..count]);
    Ok(count > 0)
}

fn malformed(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Parameters of a URL or of a form.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escaped =
            escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(escaped.unwrap_or(if bytes[at] == b'+' { b' ' } else { bytes[at] }));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes a parameter.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_survive_encoding() {
        let value = "a b&c=d%é+";
        assert_eq!(
            form(&format!("x={}&y", encode(value))),
            [("x".into(), value.into()), ("y".into(), String::new())]
        );
        assert_eq!(decode("%4"), "%4");
    }
}
