//! The HTTP client alone, against servers that misbehave.

use crate::server::{Server, respond};
use modelseal_attest::http::{Client, HttpError, Options, Request, Retry, Secret, ServiceUrl};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Short bounds, so that tests of hanging servers end soon.
pub(crate) fn quick() -> Options {
    Options {
        connect_timeout: Duration::from_secs(2),
        attempt_timeout: Duration::from_millis(700),
        total_timeout: Duration::from_secs(4),
        max_attempts: 2,
        ..Options::default()
    }
}

pub(crate) fn client() -> Client {
    Client::new(quick()).expect("a client")
}

fn get(server: &Server) -> Request {
    Request::get("Fulcio", ServiceUrl::parse(&format!("{}/path?secret-query=1", server.url)).unwrap())
}

#[test]
fn an_answer_arrives_whole() {
    let server = Server::saying(200, "application/json", "{}");
    let post = Request::post(
        "Rekor",
        ServiceUrl::parse(&server.url).unwrap().join("/api"),
        "application/json",
        b"body".to_vec(),
    )
    .header("X-A", "b");
    let answer = client().send(&post).unwrap();
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("application/json")));
    assert_eq!(answer.body.as_slice(), b"{}");
    let seen = server.seen();
    assert_eq!((seen[0].line.as_str(), seen[0].body.as_slice()), ("POST /api HTTP/1.1", &b"body"[..]));
    let headers = seen[0].headers.join("\n").to_ascii_lowercase();
    assert!(headers.contains("content-type: application/json") && headers.contains("x-a: b"), "{headers}");
    assert!(headers.contains("user-agent: modelseal/"), "{headers}");
    assert!(!headers.contains("accept-encoding"), "{headers}");
}

#[test]
fn it_works_inside_of_a_runtime_of_the_caller() {
    let server = Server::saying(200, "text/plain", "x");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(async { client().send(&get(&server)) });
    assert_eq!(answer.unwrap().body.as_slice(), b"x");
}

#[test]
fn a_server_that_hangs_drips_or_ends_early_is_left_in_time() {
    let start = Instant::now();
    let hang = Server::new(|_, _, _| std::thread::sleep(Duration::from_secs(60)));
    let error = client().send(&get(&hang)).unwrap_err();
    assert!(matches!(error, HttpError::Timeout { service: "Fulcio", .. }), "{error}");

    let drip = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..100 {
            let _ = stream.write_all(b"x");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let error = client().send(&get(&drip)).unwrap_err();
    assert!(matches!(error, HttpError::Timeout { .. }), "{error}");

    let early = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort");
    });
    let error = client().send(&get(&early)).unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    let nothing = Server::new(|_, _, _| {});
    let error = client().send(&get(&nothing)).unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    let noise = Server::new(|_, _, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n")));
    let error = client().send(&get(&noise)).unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn an_endless_answer_is_cut_off() {
    let endless = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let error = client().send(&get(&endless)).unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 1_048_576, .. }), "{error}");
    // One that is announced is not even begun.
    let announced = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
        std::thread::sleep(Duration::from_secs(3));
    });
    let error = client().send(&get(&announced)).unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { .. }), "{error}");
    // An error's text is bounded too, and is no reason to wait.
    let error_text = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 X\r\n\r\n");
        while stream.write_all(&[b'e'; 65536]).is_ok() {}
    });
    let error = client().send(&get(&error_text)).unwrap_err();
    assert!(matches!(&error, HttpError::Status { status: 400, text, .. } if text.len() == 300), "{error}");
    // The bound itself passes.
    let exact = Server::saying(200, "text/plain", vec![b'x'; 10]);
    assert!(client().send(&get(&exact).max_answer_bytes(10)).is_ok());
    assert!(client().send(&get(&exact).max_answer_bytes(9)).is_err());
}

#[test]
fn a_redirect_is_named_and_not_followed() {
    let elsewhere = Server::saying(200, "text/plain", "stolen");
    let target = format!("{}/take?token=abcdefghijkl", elsewhere.url);
    let place = target.clone();
    let server = Server::new(move |_, _, stream| respond(stream, 307, &[("Location", &place)], b""));
    let error = client().send(&get(&server)).unwrap_err();
    let shown = error.to_string();
    assert!(matches!(error, HttpError::Redirect { status: 307, .. }), "{shown}");
    assert!(shown.contains(&format!("{}/take", elsewhere.url)) && !shown.contains("abcdefghijkl"), "{shown}");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn statuses_are_sent_again_as_the_request_allows() {
    for (status, retry, requests) in [
        (500, Retry::Idempotent, 1),
        (400, Retry::Idempotent, 1),
        (429, Retry::Never, 1),
        (429, Retry::Unprocessed, 2),
        (503, Retry::Unprocessed, 2),
        (502, Retry::Unprocessed, 1),
        (502, Retry::Idempotent, 2),
        (504, Retry::Idempotent, 2),
    ] {
        let server = Server::saying(status, "application/json", r#"{"message": "no\u001b[2J"}"#);
        let error = client().send(&get(&server).retry(retry)).unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.seen().len(), requests, "{status} {retry:?}");
        let shown = error.to_string();
        assert!(shown.starts_with("Fulcio: http://127.0.0.1:"), "{shown}");
        assert!(shown.contains(&format!("HTTP {status}: {{\"message\"")), "{shown}");
        assert!(!shown.contains("secret-query"), "{shown}");
    }
    let late = Server::new(|number, _, stream| {
        let status = if number == 0 { 503 } else { 200 };
        respond(stream, status, &[("Retry-After", "1")], b"there");
    });
    let start = Instant::now();
    assert_eq!(client().send(&get(&late)).unwrap().body.as_slice(), b"there");
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After was not honoured");
    // A wait beyond the budget is not begun.
    let start = Instant::now();
    let never = Server::new(|_, _, stream| respond(stream, 429, &[("Retry-After", "3600")], b""));
    assert_eq!(client().send(&get(&never)).unwrap_err().status(), Some(429));
    assert!(start.elapsed() < Duration::from_secs(1));
    // No connection: nothing listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let request = Request::get("Rekor", ServiceUrl::parse(&format!("http://{gone}/")).unwrap());
    let error = client().send(&request).unwrap_err();
    assert!(matches!(error, HttpError::Connect { service: "Rekor", .. }), "{error}");
}

#[test]
fn what_an_error_says_is_printable_and_without_secrets() {
    let secret = Secret::new("Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJlc2ln".to_owned());
    let server = Server::new(|_, seen, stream| {
        let sent = seen.headers.iter().find(|line| line.to_ascii_lowercase().starts_with("authorization"));
        let sent = sent.expect("the header");
        let (cut, _) = sent.split_at(60);
        let text = format!("bad \u{1b}[31m credentials: {sent} or {cut}");
        respond(stream, 401, &[("Content-Type", "text/plain")], text.as_bytes());
    });
    let request = get(&server).secret_header("Authorization", &secret);
    let error = client().send(&request).unwrap_err();
    for shown in [error.to_string(), format!("{error:?}"), format!("{request:?}")] {
        assert!(!shown.contains("eyJ") && !shown.contains("c2lnbmF0"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    assert!(error.to_string().contains("bad \\u{1b}[31m credentials: "), "{error}");
    let html = Server::saying(403, "text/html", "<html><script>x</script>");
    let error = client().send(&get(&html)).unwrap_err().to_string();
    assert!(error.ends_with("an HTML page, not an answer of this kind of service"), "{error}");
    let binary = Server::saying(400, "application/octet-stream", vec![0, 159, 146, 150]);
    let error = client().send(&get(&binary)).unwrap_err().to_string();
    assert!(error.ends_with("HTTP 400"), "{error}");
}

#[test]
fn plain_http_leaves_this_machine_only_when_allowed() {
    for url in ["http://fulcio.example.com/", "http://192.0.2.1/", "http://localhost.example.com/"] {
        let request = Request::get("Fulcio", ServiceUrl::parse(url).unwrap());
        let error = client().send(&request).unwrap_err();
        assert!(matches!(error, HttpError::PlainHttp { .. }), "{url}: {error}");
    }
    let allowed = Client::new(Options {
        allow_plain_http: true,
        connect_timeout: Duration::from_millis(200),
        max_attempts: 1,
        use_proxies: false,
        ..quick()
    });
    // 192.0.2.0/24 belongs to nobody (RFC 5737).
    let request = Request::get("Fulcio", ServiceUrl::parse("http://192.0.2.1:9/").unwrap());
    let error = allowed.unwrap().send(&request).unwrap_err();
    assert!(!matches!(error, HttpError::PlainHttp { .. }), "{error}");
}

#[test]
fn extra_roots_must_be_certificates() {
    for bad in [&b""[..], b"not PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let options = Options { extra_roots_pem: Some(bad.to_vec()), ..quick() };
        let outcome = Client::new(options).and_then(|client| {
            client.send(&Request::get("X", ServiceUrl::parse("https://127.0.0.1:1/").unwrap()))
        });
        assert!(matches!(outcome, Err(HttpError::Setup { .. })), "{outcome:?}");
    }
}

/// `openssl s_server` with a certificate of its own for 127.0.0.1; stopped when dropped.
struct Tls {
    process: std::process::Child,
    url: ServiceUrl,
    certificate: Vec<u8>,
    _directory: tempfile::TempDir,
}

impl Tls {
    fn start(extra: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (key, certificate) = (directory.path().join("key.pem"), directory.path().join("cert.pem"));
        let openssl = || {
            let mut command = std::process::Command::new("openssl");
            command.stdin(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command
        };
        let made = openssl()
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
                    .split(' '),
            )
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .status();
        assert!(made.expect("these tests need the `openssl` program (version 3) on the PATH").success());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = openssl()
            .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(&certificate)
            .arg("-key")
            .arg(&key)
            .args(extra)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = ServiceUrl::parse(&format!("https://127.0.0.1:{port}/")).unwrap();
        Self { process, url, certificate: std::fs::read(certificate).unwrap(), _directory: directory }
    }

    fn get(&self, options: Options) -> Result<modelseal_attest::http::Answer, HttpError> {
        Client::new(options)?.send(&Request::get("Fulcio", self.url.clone()))
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn only_servers_with_a_trusted_certificate_are_spoken_to() {
    let server = Tls::start(&[]);
    let untrusted = server.get(quick()).unwrap_err();
    assert!(matches!(untrusted, HttpError::Connect { .. }), "{untrusted}");
    assert!(untrusted.to_string().contains("certificate"), "{untrusted}");
    let trusting = |pem: &[u8]| Options { extra_roots_pem: Some(pem.to_vec()), ..quick() };
    let answer = server.get(trusting(&server.certificate)).unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("TLSv1.3"));
    let other = Tls::start(&[]);
    let untrusted = server.get(trusting(&other.certificate)).unwrap_err();
    assert!(matches!(untrusted, HttpError::Connect { .. }), "{untrusted}");

    let old = Tls::start(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    let refused = old.get(trusting(&old.certificate)).unwrap_err();
    assert!(matches!(refused, HttpError::Connect { .. }), "{refused}");
}
