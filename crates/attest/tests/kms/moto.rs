//! AWS KMS as moto imitates it: written by other people from the same reference. It takes any credentials, and knows no
//! DIGEST mode: it hashes the digest again, which has to be noticed.

use crate::server::{SECRET, open};
use modelseal_attest::{
    private_key::KeyAlgorithm,
    remote::RemoteError,
    signer::{SignError, SigningKey},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

struct Moto {
    child: Child,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start() -> Option<Moto> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = Command::new("moto_server");
    command.args(["-H", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
    let moto = Moto { child: command.spawn().ok()?, address: format!("127.0.0.1:{port}") };
    let start = Instant::now();
    while TcpStream::connect(&moto.address).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "moto does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(moto)
}

impl Moto {
    fn create_key(&self, spec: &str) -> String {
        let body = format!(r#"{{"KeySpec":"{spec}","KeyUsage":"SIGN_VERIFY"}}"#);
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let authorization = "AWS4-HMAC-SHA256 Credential=AK/20260102/eu-west-1/kms/aws4_request, \
                             SignedHeaders=host, Signature=0";
        let head = format!(
            "POST / HTTP/1.0\r\nhost: {}\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: \
             TrentService.CreateKey\r\nauthorization: {authorization}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let json = answer.split_once("\r\n\r\n").unwrap().1;
        let answer: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer}"));
        answer["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
}

#[test]
fn motos_answers_are_understood_and_its_second_hash_is_noticed() {
    let Some(moto) = start() else {
        eprintln!("skipped: moto_server not installed");
        return;
    };
    let url = format!("http://{}", moto.address);
    let environment =
        [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let open = |id: &str| open(&format!("awskms:///{id}?region=eu-west-1"), &environment);
    for (spec, algorithm) in [("ECC_NIST_P256", KeyAlgorithm::P256), ("ECC_NIST_P384", KeyAlgorithm::P384)] {
        let key = open(&moto.create_key(spec)).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        match key.sign(b"message") {
            Ok(_) => eprintln!("moto knows DIGEST mode now"),
            Err(SignError::Remote(RemoteError::DoesNotVerify { .. })) => {}
            Err(e) => panic!("{e}"),
        }
    }
    let error = open(&moto.create_key("RSA_3072")).unwrap_err();
    assert!(error.to_string().contains("of the kind RSA_3072"), "{error}");
    let error = open("00000000-0000-0000-0000-000000000000").unwrap_err().to_string();
    assert!(error.contains("NotFoundException"), "{error}");
    let listening = open("alias/absent").unwrap_err().to_string();
    assert!(listening.contains("NotFoundException"), "{listening}");
}
