//! Making keys, passwords, and files that are no such key.

use crate::common::{Ran, SIGN, VERIFY, World, with};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn every_kind_of_key_is_made_signs_and_is_read_by_openssl() {
    let world = World::new();
    for (algorithm, name) in
        [("ed25519", "Ed25519"), ("p256", "ECDSA P-256"), ("p384", "ECDSA P-384"), ("p521", "ECDSA P-521")]
    {
        let ran =
            world.run(&["key", "generate", "--no-password", "--algorithm", algorithm, "--output", algorithm]);
        let ran =
            ran.exits(0).says_nothing().prints(&format!("private key: {algorithm}.key (NOT encrypted)"));
        assert!(ran.stdout.contains(&format!("algorithm:   {name}")), "{}", ran.stdout);
        let (key, public) = (format!("{algorithm}.key"), format!("{algorithm}.pub"));
        assert_eq!(fs::metadata(world.join(&key)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(world.tool("openssl", &["pkey", "-in", &key, "-pubout"]), world.read(&public));
        world.run(&["sign", "key", "model", "--force", "--private-key", &key]).exits(0).prints(name);
        world.run(&["verify", "key", "model", "--public-key", &public]).exits(0).prints(name);
    }
}

#[test]
fn a_new_key_is_encrypted_unless_told_otherwise() {
    let world = World::new();
    let message = "or write the key unencrypted with --no-password";
    world.refused(&["key", "generate"], 2, "usage.password", message);
    assert!(world.list(".") == ["model"]);
    world.file("pw", "secret\n");
    world.run(&["key", "generate", "--password-file", "pw"]).exits(0).prints("modelseal.key (encrypted)");
    assert!(world.read("modelseal.key").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(fs::metadata(world.join("modelseal.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let public = world.tool("openssl", &["pkey", "-in", "modelseal.key", "-passin", "file:pw", "-pubout"]);
    assert_eq!(public, world.read("modelseal.pub"));
    let args = ["key", "generate", "--output", "l"];
    Ran::of(world.command(&args).env("MODELSEAL_PASSWORD", "p")).exits(0).prints("l.key (encrypted)");
    world.run(&["key", "generate", "--no-password", "--password-file", "pw"]).exits(2);
}

#[test]
fn keys_are_never_overwritten() {
    let world = World::new();
    for (present, absent) in [("k.key", "k.pub"), ("k.pub", "k.key")] {
        world.file(present, "mine");
        let args = ["key", "generate", "--no-password", "--output", "k"];
        let message = format!("'{present}' exists already and keys are never overwritten");
        world.refused(&args, 2, "usage.output", &message);
        assert_eq!(world.read(present), "mine");
        assert!(!world.join(absent).exists());
        fs::remove_file(world.join(present)).unwrap();
    }
    let args = ["key", "generate", "--no-password", "--output", "nowhere/k"];
    world.refused(&args, 3, "error.io", "cannot write 'nowhere/k.key'");
}

#[test]
fn a_directory_is_no_name_for_keys() {
    let world = World::new();
    for output in ["model/", "..", "/"] {
        let args = ["key", "generate", "--no-password", "--output", output];
        world.refused(&args, 2, "usage.output", "is a directory; name the key pair in it");
    }
    assert_eq!(world.list("model"), ["a.bin", "sub"]);
}

#[test]
fn a_private_key_inside_the_model_is_said() {
    let world = World::new();
    world.run(&["key", "generate", "--no-password", "--output", "model/k"]).exits(0);
    let args = ["sign", "key", "model", "--force", "--private-key", "model/k.key"];
    let message = "warning: the private key 'model/k.key' lies in the model";
    world.run(&args).exits(0).says(message);
    let json = world.run(&with(&args, &["--format", "json"])).exits(0).says_nothing().json();
    assert!(json["notes"][0].as_str().unwrap().contains("lies in the model"));
    world.run(&with(&args, &["--ignore-paths", "model/k.key"])).exits(0).says_nothing();
}

#[test]
fn an_encrypted_key_takes_its_password_from_a_file_or_the_environment() {
    let world = World::new();
    world.file("pw", "secret\r\n");
    world.file("wrong", "Secret");
    world.file("empty", "\n");
    world.run(&["key", "generate", "--output", "k", "--password-file", "pw"]).exits(0);
    world.run(&with(&SIGN, &["--password-file", "pw"])).exits(0);
    world.run(&VERIFY).exits(0);
    Ran::of(world.command(&SIGN).env("MODELSEAL_PASSWORD", "secret")).exits(0);
    let refused = |more: &[&str], message: &str| {
        let args = with(&["sign", "key", "model", "--private-key", "k.key", "--signature", "x.sig"], more);
        world.refused(&args, 2, "usage.password", message);
        assert!(!world.join("x.sig").exists());
    };
    refused(&["--password-file", "wrong"], "password");
    refused(&["--password-file", "empty"], "password");
    refused(&["--password-file", "nowhere"], "cannot read the password file 'nowhere'");
    refused(&[], "no password was given; give it with --password-file, in the environment variable");
    let typed =
        Ran::of(world.command(&with(&SIGN, &["--signature", "x.sig"])).env("MODELSEAL_PASSWORD", "wrong"));
    assert!(!typed.exits(2).stderr.contains("secret"));
    world.refused(&with(&SIGN, &["--password", "secret"]), 2, "usage.password", "can be seen by other users");
    world.run(&with(&SIGN, &["--dry-run"])).exits(0).says_nothing();
}

#[test]
fn what_is_no_private_key_is_refused_by_name() {
    let world = World::with_keys();
    let openssl = |args: &[&str]| world.tool("openssl", args);
    openssl(&["genrsa", "-out", "rsa.key", "2048"]);
    openssl(&["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", "k1.key"]);
    openssl(&["ecparam", "-name", "secp224r1", "-genkey", "-noout", "-out", "p224.key"]);
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "p256.key"]);
    openssl(&["pkey", "-in", "p256.key", "-outform", "DER", "-out", "der.key"]);
    openssl(&[
        "genpkey",
        "-genparam",
        "-algorithm",
        "DSA",
        "-pkeyopt",
        "dsa_paramgen_bits:2048",
        "-out",
        "dsa.par",
    ]);
    openssl(&["genpkey", "-paramfile", "dsa.par", "-out", "dsa.key"]);
    openssl(&["genpkey", "-algorithm", "X25519", "-out", "x25519.key"]);
    let pem = world.read("p256.key");
    world.file("truncated.key", &pem[..pem.len() / 2]);
    world.file("empty.key", "");
    world.file("text.key", "not a key\n");
    world.sparse("large.key", 3 << 20);
    for (key, message) in [
        ("k.pub", "a private key is expected"),
        ("rsa.key", "RSA"),
        ("k1.key", "secp256k1"),
        ("p224.key", "P-224"),
        ("dsa.key", "DSA"),
        ("x25519.key", "X25519"),
        ("der.key", "PEM"),
        ("truncated.key", "END"),
        ("empty.key", "empty"),
        ("text.key", "PEM"),
    ] {
        let args = ["sign", "key", "model", "--private-key", key];
        let document = world.refused(&args, 2, "usage.private-key", &format!("cannot use '{key}': "));
        let said = document["message"].as_str().unwrap();
        assert!(said.to_lowercase().contains(&message.to_lowercase()), "{key}: {said}");
    }
    for (key, message) in [
        ("large.key", "is larger than 1048576 bytes"),
        ("nowhere", "cannot read the private key 'nowhere': No such file"),
        ("model", "cannot read the private key 'model': is a directory"),
    ] {
        world.refused(&["sign", "key", "model", "--private-key", key], 2, "usage.file", message);
    }
    world.no_signature();
}

#[test]
fn what_is_no_public_key_is_refused_by_name() {
    let world = World::signed();
    let openssl = |args: &[&str]| world.tool("openssl", args);
    openssl(&["genrsa", "-out", "rsa.key", "2048"]);
    openssl(&["pkey", "-in", "rsa.key", "-pubout", "-out", "rsa.pub"]);
    openssl(&["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", "k1.key"]);
    openssl(&["pkey", "-in", "k1.key", "-pubout", "-out", "k1.pub"]);
    openssl(&["pkey", "-pubin", "-in", "k.pub", "-outform", "DER", "-out", "der.pub"]);
    let pem = world.read("k.pub");
    world.file("truncated.pub", &pem[..pem.len() / 2]);
    world.file("empty.pub", "");
    world.file("twice.pub", format!("{pem}{pem}"));
    for (key, message) in [
        ("k.key", "this is a private key"),
        ("rsa.pub", "RSA"),
        ("k1.pub", "secp256k1"),
        ("der.pub", "PEM"),
        ("truncated.pub", "END"),
        ("empty.pub", "empty"),
        ("twice.pub", ""),
    ] {
        let args = ["verify", "key", "model", "--public-key", key];
        let document = world.refused(&args, 2, "usage.public-key", &format!("cannot use '{key}': "));
        let said = document["message"].as_str().unwrap();
        assert!(said.to_lowercase().contains(&message.to_lowercase()), "{key}: {said}");
    }
}

#[test]
fn another_key_than_the_signers() {
    let world = World::signed();
    for algorithm in ["ed25519", "p256"] {
        world
            .run(&["key", "generate", "--no-password", "--algorithm", algorithm, "--output", algorithm])
            .exits(0);
        let public = format!("{algorithm}.pub");
        let args = ["verify", "key", "model", "--public-key", &public];
        world.refused(&args, 1, "signature.no-trusted-signer", "Verification failed with error: ");
    }
}
