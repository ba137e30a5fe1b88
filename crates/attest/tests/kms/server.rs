//! A small HTTP server for doubles, and the key that they hold.

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{self as aws, EcdsaKeyPair, KeyPair},
};
use modelseal_attest::{
    http::{Client, Options},
    kms::{Environment, KmsError, KmsKey, KmsUri},
    private_key::{KeyAlgorithm, PrivateKey},
    signer::SigningKey,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The credential of every double. It must never be seen again.
pub(crate) const SECRET: &str = "hunter2-hunter2-hunter2-hunter2";

pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) enum Reply {
    Json(u16, String),
    /// Bytes of an answer, status line and headers included.
    Raw(Vec<u8>),
    /// No answer while the test runs.
    Hang,
    /// A body without end.
    Endless,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with what `answer` says, on threads that end with the process.
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        seen.lock().unwrap().push(format!("{} {}", request.method, request.target));
                        reply(stream, answer(&request));
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// Method and target of each request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body })
}

fn reply(mut stream: TcpStream, reply: Reply) {
    match reply {
        Reply::Json(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Hang => std::thread::sleep(Duration::from_secs(60)),
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"");
            while stream.write_all(&[b'a'; 65536]).is_ok() {}
        }
    }
}

/// A key that signs digests, as services do.
pub(crate) struct Key {
    pub(crate) algorithm: KeyAlgorithm,
    pair: EcdsaKeyPair,
    /// DER signatures, or two numbers.
    der: bool,
}

impl Key {
    pub(crate) fn new(algorithm: KeyAlgorithm, der: bool) -> Self {
        let kind = match (algorithm, der) {
            (KeyAlgorithm::P256, true) => &aws::ECDSA_P256_SHA256_ASN1_SIGNING,
            (KeyAlgorithm::P384, true) => &aws::ECDSA_P384_SHA384_ASN1_SIGNING,
            (KeyAlgorithm::P521, true) => &aws::ECDSA_P521_SHA512_ASN1_SIGNING,
            (KeyAlgorithm::P256, false) => &aws::ECDSA_P256_SHA256_FIXED_SIGNING,
            (KeyAlgorithm::P384, false) => &aws::ECDSA_P384_SHA384_FIXED_SIGNING,
            (KeyAlgorithm::P521, false) => &aws::ECDSA_P521_SHA512_FIXED_SIGNING,
            (KeyAlgorithm::Ed25519, _) => panic!("no digests"),
        };
        Self { algorithm, pair: EcdsaKeyPair::generate(kind).unwrap(), der }
    }

    pub(crate) fn spki_der(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.pair.public_key()).unwrap().as_ref().to_vec()
    }

    pub(crate) fn pem(&self) -> String {
        modelseal_core::key::spki_pem(&self.spki_der())
    }

    /// x and y.
    pub(crate) fn coordinates(&self) -> (Vec<u8>, Vec<u8>) {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        (x.to_vec(), y.to_vec())
    }

    pub(crate) fn sign_digest(&self, bytes: &[u8]) -> Vec<u8> {
        let hash = match self.algorithm {
            KeyAlgorithm::P256 => &digest::SHA256,
            KeyAlgorithm::P384 => &digest::SHA384,
            _ => &digest::SHA512,
        };
        assert_eq!(bytes.len(), hash.output_len(), "a digest of {}", self.algorithm);
        let digest = digest::Digest::import_less_safe(bytes, hash).unwrap();
        let signature = self.pair.sign_digest(&digest).unwrap();
        assert!(!self.der || signature.as_ref()[0] == 0x30);
        signature.as_ref().to_vec()
    }

    /// Takes a digest for a message, as a service in the wrong mode does.
    pub(crate) fn sign_hashed_again(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec()
    }
}

pub(crate) const ECDSA: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521];

pub(crate) fn quick() -> Client {
    let options = Options {
        attempt_timeout: Duration::from_secs(1),
        total_timeout: Duration::from_secs(3),
        max_attempts: 2,
        ..Options::default()
    };
    Client::new(options).unwrap()
}

pub(crate) fn open(uri: &str, environment: &[(&str, &str)]) -> Result<KmsKey, KmsError> {
    let environment = Environment::from_pairs(environment.iter().copied());
    let result = KmsKey::open(&KmsUri::parse(uri).unwrap(), environment.clone(), quick());
    let shown = match &result {
        Ok(key) => format!("{key:?} {environment:?}"),
        Err(e) => format!("{e} {e:?} {environment:?}"),
    };
    assert!(!shown.contains("hunter2"), "{shown}");
    result
}

/// Signs, and has our own verification of the signature checked by another key's.
pub(crate) fn assert_signs(key: &KmsKey, expected_spki: &[u8], message: &[u8]) {
    let signature = key.sign(message).unwrap_or_else(|e| panic!("{e}"));
    let spki = SigningKey::public_key_spki_der(key);
    assert_eq!(spki, expected_spki);
    let curve: &dyn aws::VerificationAlgorithm = match key.algorithm() {
        KeyAlgorithm::P256 => &aws::ECDSA_P256_SHA256_ASN1,
        KeyAlgorithm::P384 => &aws::ECDSA_P384_SHA384_ASN1,
        KeyAlgorithm::P521 => &aws::ECDSA_P521_SHA512_ASN1,
        KeyAlgorithm::Ed25519 => &aws::ED25519,
    };
    aws::UnparsedPublicKey::new(curve, &spki).verify(message, &signature).unwrap();
}

/// An Ed25519 key, whose signatures are over the message.
pub(crate) fn ed25519() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap()
}
