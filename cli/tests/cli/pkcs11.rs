//! Keys on a PKCS #11 token: a real SoftHSM token, made with its own tools. Skipped where those are not installed.

use crate::common::{Ran, World, with};
use std::{path::Path, process::Command};

const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// A world with a token `release` (PIN 1234) that holds the P-256 key `signing`, and its public key `token.pub`.
struct Token {
    world: World,
    module: &'static str,
}

impl Token {
    fn new() -> Option<Self> {
        let module = MODULES.into_iter().find(|m| Path::new(m).exists());
        let tools =
            ["softhsm2-util", "pkcs11-tool"].iter().all(|t| Command::new(t).arg("--help").output().is_ok());
        let (Some(module), true) = (module, tools) else {
            println!("skipped: softhsm2 and opensc are not installed");
            return None;
        };
        let world = World::new();
        std::fs::create_dir(world.join("tokens")).unwrap();
        let tokens = world.join("tokens");
        world.file(
            "softhsm2.conf",
            format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()),
        );
        let token = Self { world, module };
        token.tool(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "release", "--pin", "1234", "--so-pin", "5678"],
        );
        let login = ["--module", module, "--token-label", "release", "--login", "--pin", "1234"];
        token.tool(
            "pkcs11-tool",
            &with(
                &login,
                &["--keypairgen", "--key-type", "EC:prime256v1", "--label", "signing", "--id", "01"],
            ),
        );
        token.tool(
            "pkcs11-tool",
            &with(&login, &["--read-object", "--type", "pubkey", "--label", "signing", "-o", "token.der"]),
        );
        token
            .world
            .tool("openssl", &["pkey", "-pubin", "-inform", "DER", "-in", "token.der", "-out", "token.pub"]);
        Some(token)
    }

    fn tool(&self, program: &str, args: &[&str]) {
        let ran = Ran::of(&mut self.command(Command::new(program), args));
        assert_eq!(ran.code, Some(0), "{program} {args:?}: {}", ran.stderr);
    }

    fn command(&self, command: Command, args: &[&str]) -> Command {
        let mut command = self.world.prepared(command, args);
        command.env("SOFTHSM2_CONF", self.world.join("softhsm2.conf"));
        command
    }

    fn uri(&self, query: &str) -> String {
        format!("pkcs11:token=release;object=signing?module-path={}{query}", self.module)
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(Command::new(env!("CARGO_BIN_EXE_modelseal")), args))
    }
}

#[test]
fn a_key_on_a_token_signs_and_its_public_half_verifies() {
    let Some(token) = Token::new() else { return };
    let uri = token.uri("&pin-value=1234");
    let sign = ["sign", "pkcs11-key", "model", "--pkcs11_uri", &uri];
    let ran = token.run(&sign).exits(0).prints("signer:    ECDSA P-256 key");
    assert!(!ran.stdout.contains("1234") && !ran.stderr.contains("1234"));
    let verify = ["verify", "key", "model", "--public-key", "token.pub"];
    token.run(&verify).exits(0).prints("Verification succeeded");
    token.world.file("model/a.bin", "changed\n");
    token.run(&verify).exits(1).says("integrity.digest-mismatch");
}

#[test]
fn the_pin_comes_from_a_file_or_the_environment_and_is_never_said() {
    let Some(token) = Token::new() else { return };
    let uri = token.uri("");
    let sign = ["sign", "pkcs11-key", "model", "--force", "--pkcs11-uri", &uri];
    token.run(&sign).exits(2).says("no PIN was given").says("--pin-file");
    token.world.file("pin", "1234\n");
    token.run(&with(&sign, &["--pin-file", "pin"])).exits(0);
    let mut command = token.command(Command::new(env!("CARGO_BIN_EXE_modelseal")), &sign);
    Ran::of(command.env("MODELSEAL_PIN", "1234")).exits(0);
    token.world.file("pin", "987654\n");
    let ran = token.run(&with(&sign, &["--pin-file", "pin"])).exits(2).says("the PIN is wrong");
    assert!(!ran.stderr.contains("987654"));
}

#[test]
fn a_certificate_signs_with_the_key_on_the_token() {
    let Some(token) = Token::new() else { return };
    let world = &token.world;
    // A root, and a certificate for the token's public key.
    world.tool(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "root.key",
            "-out",
            "root.pem",
            "-subj",
            "/CN=Root",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-days",
            "2",
        ],
    );
    world.file("leaf.ext", "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nbasicConstraints=critical,CA:FALSE\n");
    world.tool(
        "openssl",
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "other.key",
            "-out",
            "leaf.csr",
            "-subj",
            "/CN=Release",
        ],
    );
    world.tool(
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            "leaf.ext",
            "-force_pubkey",
            "token.pub",
            "-out",
            "leaf.pem",
        ],
    );
    let uri = token.uri("&pin-value=1234");
    let sign =
        ["sign", "pkcs11-certificate", "model", "--pkcs11-uri", &uri, "--signing-certificate", "leaf.pem"];
    token.run(&sign).exits(0).prints("signer:    CN=Release");
    token.run(&["verify", "certificate", "model", "--certificate-chain", "root.pem"]).exits(0);
    world.tool(
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-days",
            "1",
            "-extfile",
            "leaf.ext",
            "-out",
            "foreign.pem",
        ],
    );
    let sign = [
        "sign",
        "pkcs11-certificate",
        "model",
        "--force",
        "--pkcs11-uri",
        &uri,
        "--signing-certificate",
        "foreign.pem",
    ];
    token.run(&sign).exits(2).says("not that of the signing certificate");
}

#[test]
fn what_is_no_key_on_a_token_is_said_so() {
    let world = World::new();
    for (uri, message) in [
        ("pkcs12:token=x", "pkcs11:"),
        ("pkcs11:token=x;token=y", "token"),
        ("pkcs11:object=%zz", "%"),
        ("pkcs11:token=x?module-path=/nowhere/lib.so", "/nowhere/lib.so"),
    ] {
        world.refused(&["sign", "pkcs11-key", "model", "--pkcs11-uri", uri], 2, "usage.pkcs11", message);
    }
    for uri in ["awskms:", "kms://x", "gcpkms://nonsense", "hashivault://"] {
        world.refused(&["sign", "key", "model", "--kms", uri], 2, "usage.kms", "");
    }
    world.no_signature();
}
