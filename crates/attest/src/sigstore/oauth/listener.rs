//! The listener on 127.0.0.1 to which the browser returns with the code.
//!
//! Browsers open connections that they do not use, and anything on the machine may connect: several connections are read side by
//! side, each to a bound, and none can hold up the others.

use super::TokenSourceError;
use crate::http::Secret;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Longest request that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// Connections that are read side by side; the oldest goes first.
const MAX_CONNECTIONS: usize = 16;

const PATH: &str = "/auth/callback";

pub(super) struct Listener {
    socket: TcpListener,
    port: u16,
}

impl Listener {
    pub(super) fn bind() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    /// `localhost` and not the address: this is the form that Sigstore's sign-in has registered.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}{PATH}", self.port)
    }

    /// Waits for the code that comes with `state`.
    pub(super) fn wait(&self, state: &Secret, timeout: Duration) -> Result<Secret, TokenSourceError> {
        let start = Instant::now();
        let mut open: Vec<(TcpStream, Zeroizing<Vec<u8>>)> = Vec::new();
        while start.elapsed() < timeout {
            match self.socket.accept() {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        if open.len() == MAX_CONNECTIONS {
                            open.remove(0);
                        }
                        open.push((stream, Zeroizing::new(Vec::new())));
                    }
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // One connection that broke before it was taken is no reason to give up.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => return Err(TokenSourceError::Listener(e)),
            }
            let mut still_open = Vec::new();
            for (mut stream, mut request) in std::mem::take(&mut open) {
                match read_some(&mut stream, &mut request) {
                    Progress::More => still_open.push((stream, request)),
                    Progress::Closed => {}
                    Progress::Whole => {
                        if let Some(outcome) = answer(&mut stream, &request, state) {
                            return outcome;
                        }
                    }
                }
            }
            open = still_open;
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(TokenSourceError::NoAnswer { seconds: timeout.as_secs() })
    }
}

enum Progress {
    More,
    Whole,
    Closed,
}

/// Reads what is there, up to the end of the headers.
fn read_some(stream: &mut TcpStream, request: &mut Zeroizing<Vec<u8>>) -> Progress {
    let mut chunk = Zeroizing::new([0; 2048]);
    loop {
        match stream.read(chunk.as_mut_slice()) {
            Ok(0) => return Progress::Closed,
            Ok(count) => request.extend(chunk.iter().take(count)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Progress::More,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Progress::Closed,
        }
        if request.windows(4).any(|end| end == b"\r\n\r\n") {
            return Progress::Whole;
        }
        if request.len() > MAX_REQUEST_BYTES {
            return Progress::Closed;
        }
    }
}

/// Answers one request. None if it is not the one that is waited for, such as that for an icon.
fn answer(
    stream: &mut TcpStream,
    request: &[u8],
    state: &Secret,
) -> Option<Result<Secret, TokenSourceError>> {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default();
    let mut words = line.split(' ');
    let target = match (words.next(), words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some(version), None) if version.starts_with("HTTP/1.") => target,
        _ => {
            respond(stream, "400 Bad Request", "This is not for a browser.");
            return None;
        }
    };
    let url = reqwest::Url::parse("http://localhost/").and_then(|base| base.join(target)).ok();
    let Some(url) = url.filter(|url| url.path() == PATH) else {
        respond(stream, "404 Not Found", "There is nothing here.");
        return None;
    };
    let (mut code, mut given_state, mut error, mut description) = (None, None, None, None);
    for (name, value) in url.query_pairs() {
        let place = match name.as_ref() {
            "code" => &mut code,
            "state" => &mut given_state,
            "error" => &mut error,
            "error_description" => &mut description,
            _ => continue,
        };
        *place = Some(Zeroizing::new(value.into_owned()));
    }
    let given_state = given_state.unwrap_or_default();
    let ours = state.reveal().as_bytes();
    if aws_lc_rs::constant_time::verify_slices_are_equal(ours, given_state.as_bytes()).is_err() {
        respond(stream, "400 Bad Request", "This does not belong to the sign-in that was started.");
        return Some(Err(TokenSourceError::State));
    }
    if let Some(error) = error {
        respond(stream, "200 OK", "The sign-in was refused. You can close this page.");
        let description = description.unwrap_or_default();
        let reason = [error.as_str(), description.as_str()].join(" ");
        let reason = reason.trim().chars().take(300).collect();
        return Some(Err(TokenSourceError::Denied { reason }));
    }
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        respond(stream, "400 Bad Request", "There is no code in this answer.");
        return Some(Err(TokenSourceError::NoCode));
    };
    respond(stream, "200 OK", "You are signed in. You can close this page.");
    Some(Ok(Secret::new(code)))
}

/// Writes one page of fixed text; whether it arrives does not matter.
fn respond(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><title>modelseal</title><p>{text}</p>\n");
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    let prepared = stream.set_nonblocking(false);
    let prepared = prepared.and_then(|()| stream.set_write_timeout(Some(Duration::from_secs(2))));
    if prepared.and_then(|()| stream.write_all(response.as_bytes())).is_ok() {
        drop(stream.shutdown(std::net::Shutdown::Write));
    }
}
