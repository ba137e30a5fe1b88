//! Signature files that are none, or say too much.

use crate::common::{VERIFY, World};
use serde_json::{Value, json};

fn edited(world: &World, edit: impl FnOnce(&mut Value)) {
    let mut bundle: Value = serde_json::from_str(&world.read("model.sig")).unwrap();
    edit(&mut bundle);
    world.file("model.sig", bundle.to_string());
}

fn refused_after(edit: impl FnOnce(&mut Value), code: &str, message: &str) {
    let world = World::signed();
    edited(&world, edit);
    let document = world.refused(&VERIFY, 1, code, message);
    assert_eq!(document.get("measured"), None, "nothing is hashed for a bad signature");
}

#[test]
fn a_signature_that_is_not_there() {
    let world = World::with_keys();
    let document = world.refused(&VERIFY, 1, "signature.missing", "there is no signature at 'model.sig'");
    assert_eq!(document["checks"][0]["fix"], "name the signature file with --signature");
}

#[test]
fn something_else_in_the_place_of_a_signature() {
    let world = World::with_keys();
    for text in ["", "\n", "text", "{}", "[]", "null", "{\"mediaType\":1}", "\u{feff}{}", "{} {}"] {
        world.file("model.sig", text);
        world.refused(&VERIFY, 1, "signature.malformed", "the signature 'model.sig' cannot be read: ");
    }
    world.file("model.sig", [0xff, 0xfe, 0x00]);
    world.refused(&VERIFY, 1, "signature.malformed", "the signature 'model.sig' cannot be read: ");
    let args = ["verify", "key", "model", "--public-key", "k.pub", "--signature", "model"];
    world.refused(&args, 1, "signature.malformed", "the signature 'model' is not a regular file");
    world.tool("mkfifo", &["fifo.sig"]);
    let args = ["verify", "key", "model", "--public-key", "k.pub", "--signature", "fifo.sig"];
    world.refused(&args, 1, "signature.malformed", "the signature 'fifo.sig' is not a regular file");
}

#[test]
fn a_bundle_of_two_gigabytes_is_not_read() {
    let world = World::with_keys();
    world.sparse("model.sig", 2 << 30);
    world.refused(&VERIFY, 1, "signature.malformed", "2147483648 bytes");
}

#[test]
fn nesting_ten_thousand_deep() {
    let world = World::with_keys();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        world.file("model.sig", text);
        world.refused(&VERIFY, 1, "signature.malformed", "deep");
    }
}

#[test]
fn duplicate_keys_at_every_level() {
    let world = World::signed();
    let bundle = world.read("model.sig");
    for key in [
        "mediaType",
        "verificationMaterial",
        "publicKey",
        "hint",
        "dsseEnvelope",
        "payload",
        "payloadType",
        "sig",
    ] {
        let name = format!("\"{key}\":");
        assert!(bundle.contains(&name), "{key}");
        world.file("model.sig", bundle.replacen(&name, &format!("{name}null,{name}"), 1));
        world.refused(&VERIFY, 1, "signature.malformed", "duplicate member");
    }
}

#[test]
fn no_signature_and_two_signatures() {
    refused_after(|b| b["dsseEnvelope"]["signatures"] = json!([]), "signature.malformed", "signature");
    let double = |b: &mut Value| {
        let signatures = b["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    };
    refused_after(double, "signature.malformed", "signature");
    refused_after(
        |b| b["dsseEnvelope"]["signatures"] = Value::Null,
        "signature.malformed",
        "expected a list",
    );
}

#[test]
fn no_two_or_other_verification_material() {
    refused_after(
        |b| b["verificationMaterial"] = json!({}),
        "signature.malformed",
        "holds neither publicKey",
    );
    refused_after(
        |b| drop(b.as_object_mut().unwrap().remove("verificationMaterial")),
        "signature.malformed",
        "verificationMaterial",
    );
    refused_after(
        |b| {
            b["verificationMaterial"]["x509CertificateChain"] =
                json!({ "certificates": [{ "rawBytes": "AA==" }] })
        },
        "signature.malformed",
        "",
    );
    refused_after(
        |b| {
            b["verificationMaterial"] =
                json!({ "x509CertificateChain": { "certificates": [{ "rawBytes": "AA==" }] } });
        },
        "signature.method-mismatch",
        "certificate",
    );
}

#[test]
fn signed_bytes_and_signature_that_do_not_belong_together() {
    refused_after(
        |b| b["dsseEnvelope"]["signatures"][0]["sig"] = json!("A".repeat(88)),
        "signature.crypto-invalid",
        "",
    );
    refused_after(
        |b| b["dsseEnvelope"]["signatures"][0]["sig"] = json!(format!("{}==", "A".repeat(86))),
        "signature.crypto-invalid",
        "",
    );
    refused_after(|b| b["dsseEnvelope"]["payload"] = json!("e30="), "signature.crypto-invalid", "");
    refused_after(|b| b["dsseEnvelope"]["payload"] = json!("not base64"), "signature.malformed", "base64");
    refused_after(
        |b| b["dsseEnvelope"]["payloadType"] = json!("text/plain"),
        "signature.payload-type",
        "text/plain",
    );
    refused_after(
        |b| b["verificationMaterial"]["publicKey"]["hint"] = json!("0".repeat(64)),
        "signature.no-trusted-signer",
        "",
    );
}

#[test]
fn other_media_types_are_refused_by_name() {
    for media in [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
    ] {
        refused_after(|b| b["mediaType"] = json!(media), "signature.malformed", media);
    }
}
