//! The instance: keys, knobs, counters, and which request goes where.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::fault::{Fault, Service};
use crate::fulcio::Fulcio;
use crate::http::{Answer, Request, Response, Server, parameter};
use crate::issuer::{self, Issuer, TokenSpec};
use crate::rekor::Rekor;
use crate::time;
use crate::trust::{self, RekorVersion};
use crate::tsa::Tsa;
use crate::tuf::Repository;

/// Where Google Cloud's metadata server gives identity tokens.
const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default/identity";

/// What an instance is like from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// SCTs carry an extension (a leaf index), as those of static CT logs do.
    pub sct_extensions: bool,
    /// Checkpoints of Rekor v2 carry a witness cosignature as well.
    pub witnesses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { sct_extensions: true, witnesses: true }
    }
}

/// A running instance. It stops when dropped.
pub struct Double {
    url: String,
    state: Arc<State>,
    _server: Server,
}

/// Everything the connections share.
struct State {
    url: String,
    options: Options,
    started: i64,
    issuer: Issuer,
    fulcio: Fulcio,
    rekor: Rekor,
    tsas: [Tsa; 2],
    tuf: Mutex<Repository>,
    knobs: Mutex<Knobs>,
}

/// What tests set and read.
#[derive(Default)]
struct Knobs {
    faults: BTreeMap<Service, (Fault, usize)>,
    shifts: BTreeMap<Service, i64>,
    requests: BTreeMap<Service, usize>,
    bodies: BTreeMap<Service, Vec<u8>>,
}

impl Double {
    /// Starts an instance with the default options on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts an instance on a free port.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start_with(options: Options) -> Self {
        let (listener, address) = Server::listen();
        let url = format!("http://{address}");
        let now = time::now();
        let (fulcio, rekor) = (Fulcio::new(now), Rekor::new());
        let tsas = [Tsa::new("tsa", now), Tsa::new("second tsa", now)];
        let root = trust::trusted_root(&url, &fulcio, &rekor, &tsas, now);
        let config = trust::signing_config(&url, &tsa_url(&url), RekorVersion::V2, now);
        let targets = [("trusted_root.json", root), ("signing_config.v0.2.json", config)];
        let targets = targets.map(|(name, value)| (name.to_owned(), value.to_string().into_bytes()));
        let state = Arc::new(State {
            issuer: Issuer::new(&url),
            url: url.clone(),
            options,
            started: now,
            fulcio,
            rekor,
            tsas,
            tuf: Mutex::new(Repository::new(targets.into(), now)),
            knobs: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let server = Server::serve(listener, Arc::new(move |request: &Request| shared.answer(request)));
        Self { url, state, _server: server }
    }

    /// Base URL of the issuer (which is its name too), of Fulcio and of both Rekors: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where timestamp queries are posted.
    #[must_use]
    pub fn tsa_url(&self) -> String {
        tsa_url(&self.url)
    }

    /// Where timestamp queries to the second authority are posted.
    #[must_use]
    pub fn tsa2_url(&self) -> String {
        format!("{}/tsa2/api/v1/timestamp", self.url)
    }

    /// Base URL of the TUF repository; targets are in `targets/` below it.
    #[must_use]
    pub fn tuf_url(&self) -> String {
        format!("{}/tuf", self.url)
    }

    /// Version 1 of the TUF root metadata, which a client is given out of band.
    #[must_use]
    pub fn tuf_root(&self) -> Vec<u8> {
        lock(&self.state.tuf).first_root()
    }

    /// Replaces a TUF target (`trusted_root.json`, `signing_config.v0.2.json`) and publishes new metadata.
    pub fn tuf_set_target(&self, name: &str, bytes: &[u8]) {
        lock(&self.state.tuf).set_target(name, bytes.to_vec(), self.state.now(Service::Tuf));
    }

    /// Publishes the next TUF root metadata, with new keys for every role.
    pub fn tuf_rotate(&self) {
        lock(&self.state.tuf).rotate(self.state.now(Service::Tuf));
    }

    /// Publishes TUF targets, snapshot and timestamp anew, with the dates of the repository's clock.
    pub fn tuf_publish(&self) {
        lock(&self.state.tuf).publish(self.state.now(Service::Tuf));
    }

    /// The TrustedRoot, as JSON.
    #[must_use]
    pub fn trusted_root(&self) -> Value {
        self.state.trusted_root()
    }

    /// The SigningConfig v0.2: one Rekor of this version, one TSA.
    #[must_use]
    pub fn signing_config(&self, rekor: RekorVersion) -> Value {
        trust::signing_config(&self.url, &self.tsa_url(), rekor, self.state.started)
    }

    /// The ClientTrustConfig: both of the above.
    #[must_use]
    pub fn trust_config(&self, rekor: RekorVersion) -> Value {
        trust::trust_config(&self.trusted_root(), &self.signing_config(rekor))
    }

    /// Writes `trusted_root.json`, `signing_config.json` and `trust_config.json` (Rekor v2), `signing_config_v1.json`
    /// and `trust_config_v1.json` (Rekor v1), `tuf_root.json`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_to(&self, directory: &Path) -> std::io::Result<()> {
        let write = |name: &str, value: &Value| std::fs::write(directory.join(name), format!("{value:#}\n"));
        write("trusted_root.json", &self.trusted_root())?;
        write("signing_config.json", &self.signing_config(RekorVersion::V2))?;
        write("trust_config.json", &self.trust_config(RekorVersion::V2))?;
        write("signing_config_v1.json", &self.signing_config(RekorVersion::V1))?;
        write("trust_config_v1.json", &self.trust_config(RekorVersion::V1))?;
        std::fs::write(directory.join("tuf_root.json"), self.tuf_root())
    }

    /// A good identity token for this e-mail address.
    #[must_use]
    pub fn token(&self, email: &str) -> String {
        self.mint(&TokenSpec::email(email))
    }

    /// An identity token that says what the specification says, by the issuer's clock.
    #[must_use]
    pub fn mint(&self, spec: &TokenSpec) -> String {
        self.state.issuer.mint(spec, self.state.now(Service::Issuer))
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, as a job of GitHub Actions has them. The
    /// tokens are those of [`Double::set_browser_token`], for the audience that is asked for.
    #[must_use]
    pub fn actions_environment(&self) -> (String, String) {
        (format!("{}/actions/token?api-version=2.0", self.url), issuer::REQUEST_TOKEN.to_owned())
    }

    /// Who signs in at the browser, or out of band. The default is [`TokenSpec::default`].
    pub fn set_browser_token(&self, spec: TokenSpec) {
        *lock(&self.state.issuer.browser) = spec;
    }

    /// From now on the token endpoint insists on this client, and on its secret if there is one.
    pub fn require_client(&self, id: &str, secret: Option<&str>) {
        *lock(&self.state.issuer.client) = Some((id.to_owned(), secret.map(str::to_owned)));
    }

    /// Plays the browser: opens the authorization URL and follows its redirect to the client. The client's answer.
    ///
    /// # Panics
    /// If the issuer does not redirect, or nobody listens where it redirects to.
    #[must_use]
    pub fn browse(&self, authorization_url: &str) -> String {
        let answer = get(authorization_url);
        let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        get(location.unwrap_or_else(|| panic!("no redirect: {answer}")))
    }

    /// Plays the user of the out-of-band flow: opens the URL and reads the code from the page.
    ///
    /// # Panics
    /// If the page shows no code.
    #[must_use]
    pub fn code_for(&self, authorization_url: &str) -> String {
        let page = get(authorization_url);
        let code = page.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>"));
        code.unwrap_or_else(|| panic!("no code: {page}")).0.to_owned()
    }

    /// The service fails in this way until told otherwise.
    ///
    /// # Panics
    /// If it is not a fault of this service.
    pub fn fault(&self, service: Service, fault: Fault) {
        self.fault_times(service, fault, usize::MAX);
    }

    /// The service fails in this way for so many requests.
    ///
    /// # Panics
    /// If it is not a fault of this service.
    pub fn fault_times(&self, service: Service, fault: Fault, times: usize) {
        assert!(fault.fits(service), "{fault:?} is no fault of {service:?}");
        lock(&self.state.knobs).faults.insert(service, (fault, times));
    }

    /// Every service is well again.
    pub fn clear_faults(&self) {
        lock(&self.state.knobs).faults.clear();
    }

    /// Sets a service's clock so many seconds ahead of the machine's (behind, if negative).
    pub fn shift_clock(&self, service: Service, seconds: i64) {
        lock(&self.state.knobs).shifts.insert(service, seconds);
    }

    /// The same for all services.
    pub fn shift_clocks(&self, seconds: i64) {
        Service::ALL.iter().for_each(|service| self.shift_clock(*service, seconds));
    }

    /// How many requests the service has got, failed ones too.
    #[must_use]
    pub fn requests(&self, service: Service) -> usize {
        lock(&self.state.knobs).requests.get(&service).copied().unwrap_or_default()
    }

    /// How many requests all services have got.
    #[must_use]
    pub fn total_requests(&self) -> usize {
        lock(&self.state.knobs).requests.values().sum()
    }

    /// Counts from zero again.
    pub fn reset_requests(&self) {
        lock(&self.state.knobs).requests.clear();
    }

    /// The body of the last request to the service; empty if there was none.
    #[must_use]
    pub fn last_body(&self, service: Service) -> Vec<u8> {
        lock(&self.state.knobs).bodies.get(&service).cloned().unwrap_or_default()
    }
}

impl State {
    fn now(&self, service: Service) -> i64 {
        time::now() + lock(&self.knobs).shifts.get(&service).copied().unwrap_or_default()
    }

    fn trusted_root(&self) -> Value {
        trust::trusted_root(&self.url, &self.fulcio, &self.rekor, &self.tsas, self.started)
    }

    /// Counts the request, and answers it or fails as told.
    fn answer(&self, request: &Request) -> Answer {
        let Some(service) = service(request) else {
            return Answer::Whole(self.aside(request));
        };
        let fault = self.record(service, request);
        let inner = fault.as_ref().filter(|fault| !fault.is_transport());
        let right = || self.handle(service, request, inner).unwrap_or_else(|error| error);
        let html = "<!doctype html><title>Sign in</title><p>Please accept the terms of this network.</p>";
        match &fault {
            Some(Fault::Hang) => Answer::Hang,
            Some(Fault::CloseAtOnce) => Answer::Close,
            Some(Fault::CloseEarly) => Answer::Cut(right()),
            Some(Fault::Endless) => Answer::Endless,
            Some(Fault::Drip) => Answer::Drip(right()),
            Some(Fault::Html) => Answer::Whole(Response::new(200, "text/html", html)),
            Some(Fault::Redirect(url)) => {
                Answer::Whole(Response::new(307, "text/plain", "").with("Location", url.clone()))
            }
            Some(Fault::Status { code, retry_after }) => {
                let response = Response::error(*code, "out of order");
                Answer::Whole(match retry_after {
                    Some(seconds) => response.with("Retry-After", seconds.to_string()),
                    None => response,
                })
            }
            Some(Fault::TruncatedBody) => {
                let mut response = right();
                response.body.truncate(response.body.len() / 2);
                Answer::Whole(response)
            }
            _ => Answer::Whole(right()),
        }
    }

    /// Counts, remembers the body, and takes one turn of the fault that is set.
    fn record(&self, service: Service, request: &Request) -> Option<Fault> {
        let mut knobs = lock(&self.knobs);
        *knobs.requests.entry(service).or_default() += 1;
        knobs.bodies.insert(service, request.body.clone());
        let (fault, times) = knobs.faults.get_mut(&service).filter(|(_, times)| *times > 0)?;
        *times = times.saturating_sub(usize::from(*times != usize::MAX));
        Some(fault.clone())
    }

    fn handle(
        &self,
        service: Service,
        request: &Request,
        fault: Option<&Fault>,
    ) -> Result<Response, Response> {
        let now = self.now(service);
        let body = &request.body;
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => Ok(self.issuer.discovery()),
            ("GET", "/keys") => Ok(self.issuer.jwks()),
            ("GET", "/actions/token") => self.issuer.actions(request, now),
            ("GET", METADATA) => self.issuer.metadata(request, now),
            ("GET", "/auth") => self.issuer.authorize(request, fault),
            ("POST", "/token") => self.issuer.exchange(request, now, fault),
            ("GET", "/api/v2/trustBundle") => Ok(self.fulcio.trust_bundle()),
            ("POST", "/api/v2/signingCert") => {
                self.fulcio.signing_cert(request, &self.issuer, now, &self.options, fault)
            }
            ("POST", "/api/v1/log/entries") => self.rekor.add_v1(body, now, fault),
            ("POST", "/api/v2/log/entries") => self.rekor.add_v2(body, now, &self.options, fault),
            ("POST", "/api/v1/timestamp") => self.tsas[0].reply(body, now, 201, fault),
            ("POST", "/tsa2/api/v1/timestamp") => self.tsas[1].reply(body, now, 200, fault),
            ("GET", path) => match (path.strip_prefix("/api/v1/log/entries/"), path.strip_prefix("/tuf/")) {
                (Some(uuid), _) => self.rekor.get_v1(uuid),
                (_, Some(file)) => lock(&self.tuf).get(file, now, fault),
                _ => Err(Response::error(404, "no such path")),
            },
            _ => Err(Response::error(404, "no such path")),
        }
    }

    /// What is there for tests and shells only: not counted, never at fault.
    fn aside(&self, request: &Request) -> Response {
        let get = |name: &str| parameter(&request.query, name);
        let config = || trust::signing_config(&self.url, &tsa_url(&self.url), RekorVersion::V2, self.started);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/token") => {
                let mut spec = TokenSpec::default();
                match (get("email"), get("sub")) {
                    (Some(email), _) => spec = TokenSpec::email(email),
                    (None, Some(sub)) => spec = TokenSpec::subject(sub),
                    (None, None) => {}
                }
                spec.aud = get("aud").map_or(spec.aud, str::to_owned);
                spec.iss = get("iss").map(str::to_owned);
                spec.ttl = get("ttl").and_then(|ttl| ttl.parse().ok()).unwrap_or(spec.ttl);
                spec.email_verified = get("verified") != Some("0");
                Response::new(200, "text/plain", self.issuer.mint(&spec, self.now(Service::Issuer)))
            }
            ("GET", "/trusted_root.json") => Response::json(200, &self.trusted_root()),
            ("GET", "/signing_config.json") => Response::json(200, &config()),
            ("GET", "/trust_config.json") => {
                Response::json(200, &trust::trust_config(&self.trusted_root(), &config()))
            }
            _ => Response::error(404, "no such path"),
        }
    }
}

/// Which service a request is for.
fn service(request: &Request) -> Option<Service> {
    let path = request.path.as_str();
    let starts = |prefix: &str| path.starts_with(prefix);
    match path {
        "/.well-known/openid-configuration" | "/keys" | "/auth" => Some(Service::Issuer),
        "/actions/token" | METADATA => Some(Service::Issuer),
        "/token" => (request.method == "POST").then_some(Service::Issuer),
        "/api/v2/signingCert" | "/api/v2/trustBundle" => Some(Service::Fulcio),
        "/api/v1/timestamp" => Some(Service::Tsa),
        "/tsa2/api/v1/timestamp" => Some(Service::Tsa2),
        _ if starts("/api/v1/log/") => Some(Service::RekorV1),
        _ if starts("/api/v2/log/") => Some(Service::RekorV2),
        _ if starts("/tuf/") => Some(Service::Tuf),
        _ => None,
    }
}

fn tsa_url(url: &str) -> String {
    format!("{url}/api/v1/timestamp")
}

/// A lock whose holder may have panicked in some test.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Head and body of a loopback URL.
fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("not an http URL: {url}"));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).unwrap_or_else(|e| panic!("{host}: {e}"));
    // In one piece: a small client of a test may answer after the first.
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).replace("\r\n", "\n")
}
