//! Signing in, with the double as the provider and the test as the user.

use crate::{
    http::client,
    instance::now,
    server::{Server, respond},
};
use modelseal_attest::{
    http::{HttpError, Secret, ServiceUrl},
    sigstore::{
        IdentityToken, TokenError,
        oauth::{Flow, Interaction, OAuth, TokenSourceError, authenticate},
    },
};
use modelseal_testkit::{Double, Fault, Service, TokenSpec};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

/// Plays the user.
struct User<F: FnMut(&str) -> bool> {
    browse: F,
    double: Option<Arc<Double>>,
    pages: Vec<String>,
}

impl<F: FnMut(&str) -> bool> Interaction for User<F> {
    fn open_browser(&mut self, url: &str) -> bool {
        self.pages.push(url.to_owned());
        (self.browse)(url)
    }

    fn waiting(&mut self, _: &str) {}

    fn read_code(&mut self, url: &str) -> io::Result<Secret> {
        self.pages.push(url.to_owned());
        match &self.double {
            Some(double) => Ok(Secret::new(format!(" {}\n", double.code_for(url)))),
            None => Err(io::Error::other("nobody there")),
        }
    }
}

fn oauth(issuer: &str, flow: Flow) -> OAuth {
    OAuth {
        issuer: ServiceUrl::parse(issuer).unwrap(),
        client_id: "sigstore".to_owned(),
        client_secret: None,
        flow,
        timeout: Duration::from_secs(5),
    }
}

/// Signs in with a browser that does what it is told.
fn in_browser(double: &Arc<Double>, oauth: &OAuth) -> Result<IdentityToken, TokenSourceError> {
    let browser = double.clone();
    let browse = move |url: &str| {
        let (browser, url) = (browser.clone(), url.to_owned());
        std::thread::spawn(move || browser.browse(&url));
        true
    };
    authenticate(oauth, &mut User { browse, double: None, pages: vec![] }, &client(), &now)
}

#[test]
fn a_browser_signs_in() {
    let double = Arc::new(Double::start());
    let token = in_browser(&double, &oauth(double.url(), Flow::Browser)).unwrap();
    assert_eq!((token.issuer(), token.email()), (double.url(), Some("dev@example.com")));
    token.check("sigstore", now()).unwrap();
}

#[test]
fn without_a_browser_the_code_is_carried_over() {
    let double = Arc::new(Double::start());
    for flow in [Flow::OutOfBand, Flow::Browser] {
        let mut user = User { browse: |_: &str| false, double: Some(double.clone()), pages: vec![] };
        let token = authenticate(&oauth(double.url(), flow), &mut user, &client(), &now).unwrap();
        assert_eq!(token.email(), Some("dev@example.com"));
        let page = user.pages.last().unwrap();
        for part in
            ["code_challenge_method=S256", "&state=", "&nonce=", "response_type=code", "redirect_uri=urn%3A"]
        {
            assert!(page.contains(part), "{page}");
        }
    }
    let mut nobody = User { browse: |_: &str| false, double: None, pages: vec![] };
    let failed = authenticate(&oauth(double.url(), Flow::OutOfBand), &mut nobody, &client(), &now);
    assert!(matches!(failed, Err(TokenSourceError::Prompt(_))), "{failed:?}");
}

#[test]
fn a_client_of_ones_own_shows_its_secret_to_the_provider_only() {
    let double = Arc::new(Double::start());
    double.require_client("own", Some("s3cr&t =value"));
    double.set_browser_token(TokenSpec { aud: "own".to_owned(), ..TokenSpec::default() });
    let mut own = oauth(double.url(), Flow::Browser);
    own.client_id = "own".to_owned();
    own.client_secret = Some(Secret::new("s3cr&t =value".to_owned()));
    in_browser(&double, &own).unwrap();
    assert!(!format!("{own:?}").contains("s3cr"), "{own:?}");
    own.client_secret = Some(Secret::new("wrong-secret-value".to_owned()));
    let refused = in_browser(&double, &own).unwrap_err();
    assert!(matches!(refused, TokenSourceError::Http(HttpError::Status { .. })), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("wrong-secret"), "{refused}");
}

#[test]
fn answers_that_do_not_belong_to_the_sign_in_are_refused() {
    let double = Arc::new(Double::start());
    let oauth = oauth(double.url(), Flow::Browser);
    double.fault(Service::Issuer, Fault::WrongState);
    assert!(matches!(in_browser(&double, &oauth), Err(TokenSourceError::State)));
    double.fault(Service::Issuer, Fault::AccessDenied);
    let denied = in_browser(&double, &oauth).unwrap_err();
    assert!(
        matches!(&denied, TokenSourceError::Denied { reason } if reason.contains("access_denied")),
        "{denied}"
    );
    double.fault(Service::Issuer, Fault::TokenNonceWrong);
    assert!(matches!(in_browser(&double, &oauth), Err(TokenSourceError::Token(TokenError::Nonce))));
    double.clear_faults();
    double.set_browser_token(TokenSpec { aud: "other".to_owned(), ..TokenSpec::default() });
    let refused = in_browser(&double, &oauth);
    assert!(matches!(refused, Err(TokenSourceError::Token(TokenError::Audience { .. }))), "{refused:?}");
    double.set_browser_token(TokenSpec { iss: Some("https://other".to_owned()), ..TokenSpec::default() });
    let refused = in_browser(&double, &oauth);
    assert!(matches!(refused, Err(TokenSourceError::Token(TokenError::Issuer { .. }))), "{refused:?}");
    double.set_browser_token(TokenSpec { ttl: -5, ..TokenSpec::default() });
    let refused = in_browser(&double, &oauth);
    assert!(matches!(refused, Err(TokenSourceError::Token(TokenError::Expired { .. }))), "{refused:?}");
}

#[test]
fn nobody_can_hold_up_the_listener() {
    let double = Arc::new(Double::start());
    let browser = double.clone();
    let browse = move |url: &str| {
        let (browser, url) = (browser.clone(), url.to_owned());
        std::thread::spawn(move || {
            let redirect = url.split("redirect_uri=http%3A%2F%2Flocalhost%3A").nth(1).expect("a redirect");
            let port: u16 = redirect.split("%2F").next().and_then(|port| port.parse().ok()).expect("a port");
            // Open and silent, too long, no HTTP, another path.
            let open = || TcpStream::connect(("127.0.0.1", port)).expect("the listener");
            let mut held = vec![open(), open()];
            let mut long = open();
            let _ = long.write_all(&[b'a'; 40_000]);
            held.push(long);
            for request in
                ["\r\n\r\n", "GET /favicon.ico HTTP/1.1\r\n\r\n", "POST /auth/callback HTTP/1.1\r\n\r\n"]
            {
                let mut stream = open();
                stream.write_all(request.as_bytes()).expect("written");
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
            }
            let answer = browser.browse(&url);
            assert!(answer.contains("You are signed in"), "{answer}");
            drop(held);
        });
        true
    };
    let mut user = User { browse, double: None, pages: vec![] };
    let token = authenticate(&oauth(double.url(), Flow::Browser), &mut user, &client(), &now).unwrap();
    assert_eq!(token.email(), Some("dev@example.com"));

    let start = Instant::now();
    let mut user = User { browse: |_: &str| true, double: None, pages: vec![] };
    let mut impatient = oauth(double.url(), Flow::Browser);
    impatient.timeout = Duration::from_millis(300);
    let failed = authenticate(&impatient, &mut user, &client(), &now);
    assert!(matches!(failed, Err(TokenSourceError::NoAnswer { .. })), "{failed:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_provider_that_is_another_or_sends_elsewhere_is_refused() {
    fn discovered(document: &'static str) -> TokenSourceError {
        let server = Server::new(move |_, _, stream| {
            respond(stream, 200, &[("Content-Type", "application/json")], document.as_bytes());
        });
        let document = document.replace("SELF", &server.url);
        let server = Server::new(move |_, seen, stream| {
            let host = seen
                .headers
                .iter()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
            let document = document.replace("HOST", &host.unwrap_or_default());
            respond(stream, 200, &[("Content-Type", "application/json")], document.as_bytes());
        });
        let mut user = User { browse: |_: &str| panic!("no browser is opened"), double: None, pages: vec![] };
        authenticate(&oauth(&server.url, Flow::Browser), &mut user, &client(), &now).unwrap_err()
    }
    let other = discovered(
        r#"{"issuer":"https://accounts.example","authorization_endpoint":"https://x/a","token_endpoint":"https://x/t"}"#,
    );
    assert!(
        matches!(&other, TokenSourceError::AnotherIssuer { found, .. } if found == "https://accounts.example"),
        "{other}"
    );
    for plain in [
        r#"{"issuer":"http://HOST","authorization_endpoint":"http://x.example/a","token_endpoint":"https://x/t"}"#,
        r#"{"issuer":"http://HOST","authorization_endpoint":"https://x/a","token_endpoint":"http://x.example/t"}"#,
    ] {
        let refused = discovered(plain);
        assert!(matches!(refused, TokenSourceError::Http(HttpError::PlainHttp { .. })), "{refused}");
    }
    let script = discovered(
        r#"{"issuer":"http://HOST","authorization_endpoint":"javascript:x","token_endpoint":"https://x/t"}"#,
    );
    assert!(matches!(script, TokenSourceError::Http(HttpError::Url { .. })), "{script}");
    for json in ["<html>", "[]", "{}", r#"{"issuer":1}"#] {
        assert!(matches!(discovered(json), TokenSourceError::Answer(_)), "{json}");
    }
}
