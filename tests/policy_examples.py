#!/usr/bin/env python3
"""The policies in examples/policies: each is linted, and decides about models that are made for it, signed for real.

usage: policy_examples.py MODELSEAL [-v]

Each example allows one model and denies others. Where it has fields that this version cannot decide ([undecided] in the file), it
is judged without them, and as it stands, where they deny with error.unsupported. Placeholders of keys and digests, and dates that
pass, are replaced. Needs openssl.

Where an example asks for identities, it is run twice: with a key in place of each identity and without what needs a trusted
time; and with the identities themselves, whose certificates, log entries and timestamps come from the programs
modelseal-sigstore-double (which plays Sigstore) and modelseal-sigstore-conformance (which signs any statement) beside
MODELSEAL. The second is skipped where they are not there."""

import hashlib
import json
import pathlib
import sys
import tempfile
import time

from policy_world import (
    DENY_FEED,
    DOUBLE,
    EXAMPLES,
    NOW,
    SIGN,
    Sigstore,
    World,
    counts,
    days,
    manifest,
    report,
    rfc3339,
    run,
)

# A dictionary.
PICKLE = b"\x80\x04}\x94."


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        lint()
        for example in (publisher_key, organisation, vendor, provenance, two_people, air_gapped):
            example(World(work / example.__name__))
        if not DOUBLE.exists() or not SIGN.exists():
            report(None, "the examples with identities: needs the keyless verifier, and the programs of its tests", "")
        else:
            with Sigstore(work / "sigstore") as sigstore:
                for example in (organisation, provenance, two_people):
                    example(World(work / f"{example.__name__}-keyless", sigstore))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(counts["failed"] > 0)


def lint():
    """As they stand, without the files that they name."""
    files = sorted(EXAMPLES.glob("*.toml"))
    done = run("policy", "lint", "--no-files", *files)
    report(len(files) == 6 and done.returncode == 0, f"lint: {done.stdout.strip().splitlines()[-1]}", done.stderr)
    done = run("policy", "fmt", "--check", *files)
    report(done.returncode == 0, "fmt: all are laid out as policy fmt does", done.stdout + done.stderr)


# The examples


def publisher_key(w):
    w.example("1-publisher-key")
    key = w.key("publisher")
    model = w.model("embedder")
    signature = w.sign(model, "publisher")
    w.replace["spki-sha256", 1] = key
    w.replace["manifest", 2] = manifest(model)
    ref = "hf://huggingface.co/example/embedder"
    w.case("the publisher's model", model, ref, [signature], "allow")
    twin = w.model("embedder-twin")
    (twin / "pytorch_model.bin").write_bytes(PICKLE)
    w.replace["manifest", 2] = manifest(twin)
    w.case("with a pickle", twin, ref, [w.sign(twin, "publisher")], "deny", "content.format-not-allowed")
    custom = w.model("embedder-custom")
    (custom / "config.json").write_text('{"auto_map": {"AutoModel": "modeling_toy.Toy"}}')
    w.replace["manifest", 2] = manifest(custom)
    w.case("with code", custom, ref, [w.sign(custom, "publisher")], "deny", "content.remote-code")
    w.replace["manifest", 2] = manifest(model)
    other = w.model("other", weights=b"other weights")
    w.case("another model of the publisher", other, ref, [w.sign(other, "publisher")], "deny", "bind.digest-not-listed")
    w.key("mallory")
    w.case("signed by somebody else", model, ref, [w.sign(model, "mallory")], "deny", "signature.no-trusted-signer")
    changed = w.model("embedder-changed", weights=b"other weights")
    w.case("changed after signing", changed, ref, [signature], "deny", "integrity.digest-mismatch")
    added = w.model("embedder-added")
    (added / "modeling.py").write_text("import os\n")
    w.case("with a file that nobody signed", added, ref, [signature], "deny", "integrity.file-unsigned")
    w.case("under another name", model, ref + "s", [signature], "deny", "policy.no-matching-rule")


def organisation(w):
    # Workflows' tokens cannot be had from the double's shell door: an e-mail address stands for the claims.
    w.example("2-organisation-keyless", {"release-workflow": "release@example.com"}, instead_of_claims=True)
    ref = "hf://huggingface.co/example/ranker"
    model = w.model("ranker")
    signature = w.sign(model, "release-workflow")
    purl = "pkg:huggingface/example/ranker@1.4.0"
    release = w.attest(model, "release-workflow", "https://in-toto.io/attestation/release/v0.2", {"purl": purl})
    old = w.model("old-ranker", weights=b"old weights")
    w.replace["manifest", 2] = manifest(old)
    later, past = NOW + days(10), NOW - days(1)
    w.case("released", model, ref, [signature, release], "allow", enforce_after=past)
    w.case(
        "not released, while it only warns",
        model,
        ref,
        [signature],
        "allow",
        "bind.name-not-attested",
        enforce_after=later,
    )
    w.case("not released, later", model, ref, [signature], "deny", "bind.name-not-attested", enforce_after=past)
    w.case(
        "the old one, excused",
        old,
        ref,
        [w.sign(old, "release-workflow")],
        "allow",
        "bind.name-not-attested",
        enforce_after=past,
    )
    w.case(
        "released under another name",
        model,
        ref + "-2",
        [signature, release],
        "deny",
        "bind.name-mismatch",
        enforce_after=past,
    )
    w.key("mallory")
    w.case(
        "signed by somebody else",
        model,
        ref,
        [w.sign(model, "mallory")],
        "deny",
        "signature.no-trusted-signer",
        enforce_after=past,
    )
    changed = w.model("ranker-changed", weights=b"other weights")
    w.case(
        "changed, though it only warns",
        changed,
        ref,
        [signature, release],
        "deny",
        "integrity.digest-mismatch",
        enforce_after=later,
    )
    twin = w.model("ranker-twin")
    (twin / "pytorch_model.bin").write_bytes(PICKLE)
    w.case(
        "with a pickle, though it only warns",
        twin,
        ref,
        [w.sign(twin, "release-workflow")],
        "deny",
        "content.format-denied",
        enforce_after=later,
    )
    if w.sigstore:
        w.instead_of_claims = False
        w.case(
            "somebody with an address, no workflow",
            model,
            ref,
            [signature, release],
            "deny",
            "identity.claim-missing",
            enforce_after=past,
        )


def vendor(w):
    w.example("3-vendor-certificate")
    root = w.authority("vendor-root")
    w.certificate("signing", "vendor-root", "/O=Vendor Inc/CN=Vendor GPU Model Signing")
    w.certificate("sales", "vendor-root", "/O=Vendor Inc/CN=Vendor Sales")
    w.certificate("tls", "vendor-root", "/O=Vendor Inc/CN=Vendor TLS Model Signing", usage="serverAuth")
    w.authority("other-root")
    w.certificate("forged", "other-root", "/O=Vendor Inc/CN=Vendor GPU Model Signing")
    w.revocation_list("vendor-root")
    w.replace["root", 1] = root
    ref = "ngc://nvcr.io/vendor/llm/chat"
    model = w.model("chat")
    signature = w.sign_with_certificate(model, "signing", "vendor-root")
    w.case("the vendor's model", model, ref, [signature], "allow")
    program = w.model("chat-program")
    (program / "run.sh").write_text("#!/bin/sh\nexit 0\n")
    with_program = w.sign_with_certificate(program, "signing", "vendor-root")
    w.case("with a script", program, ref, [with_program], "deny", "content.format-not-allowed")
    sales = w.sign_with_certificate(model, "sales", "vendor-root")
    w.case("another department's certificate", model, ref, [sales], "deny", "identity.subject-mismatch")
    forged = w.sign_with_certificate(model, "forged", "other-root")
    w.case("the right name, another root", model, ref, [forged], "deny", "identity.chain-untrusted")
    tls = w.sign_with_key_of_certificate(model, "tls")
    w.case("a certificate for servers", model, ref, [tls], "deny", "identity.eku")
    link = w.model("chat-changed", weights=b"other weights")
    w.case("changed after signing", link, ref, [signature], "deny", "integrity.digest-mismatch")
    w.revocation_list("vendor-root", revoked=["sales"])
    w.case("another certificate was revoked", model, ref, [signature], "allow")
    w.revocation_list("vendor-root", made=NOW - days(8))
    w.case("an old revocation list", model, ref, [signature], "deny", "revocation.status-stale")
    w.revocation_list("other-root", name="vendor-root")
    w.case("somebody else's revocation list", model, ref, [signature], "deny", "revocation.status-unavailable")
    (w.place / "crl" / "vendor-root.crl").unlink()
    w.case("no revocation list", model, ref, [signature], "deny", "revocation.status-unavailable")
    w.revocation_list("vendor-root", revoked=["signing"])
    w.case("the certificate was revoked", model, ref, [signature], "deny", "revocation.revoked")


def provenance(w):
    w.example(
        "4-slsa-provenance",
        {"training-service": "provenance@train.example.com", "data-board": "data-board@example.com"},
    )
    ref = "mlflow://mlflow.example.com/prod-chat"
    model = w.model("chat")
    dataset = {"name": "dataset", "uri": "s3://example-datasets/approved/web-2026", "digest": {"sha256": "ab" * 32}}

    def built(
        by="training-service",
        subject=ref,
        datasets=(dataset,),
        builder="https://train.example.com/builders/gpu@v4",
        extra=(),
        **changes,
    ):
        parameters = {
            "source": "git+https://git.example.com/ml/train@refs/tags/v1.2.3",
            "recipe": "recipes/prod/chat.yaml",
            "epochs": 3,
            "debug": False,
            "seed": 17,
        }
        parameters.update(changes)
        predicate = {
            "buildDefinition": {
                "buildType": "https://train.example.com/buildtypes/finetune/v1",
                "externalParameters": parameters,
                "resolvedDependencies": [*datasets, *extra],
            },
            "runDetails": {"builder": {"id": builder}},
        }
        return w.attest(model, by, "https://slsa.dev/provenance/v1", predicate, name=subject)

    def board(decision="approved", pii="clean"):
        predicate = {"decision": decision, "pii": {"result": pii}}
        return w.attest(model, "data-board", "https://example.com/attestations/dataset-approval/v1", predicate)

    approved = board()
    w.case("built as wanted", model, ref, [built(), approved], "allow")
    w.case("as it stands", model, ref, [built(), approved], "deny", "error.unsupported", whole=True)
    w.case("too many epochs", model, ref, [built(epochs=9), approved], "deny", "slsa.parameter-mismatch")
    w.case(
        "a parameter that nobody thought of",
        model,
        ref,
        [built(postprocess="x.py"), approved],
        "deny",
        "slsa.parameter-unknown",
    )
    fork = "git+https://git.example.com/fork/train@refs/tags/v1.2.3"
    w.case("from a fork", model, ref, [built(source=fork), approved], "deny", "slsa.source-mismatch")
    branch = "git+https://git.example.com/ml/train@refs/heads/dev"
    w.case("from a branch", model, ref, [built(source=branch), approved], "deny", "slsa.ref-mismatch")
    w.case(
        "by another builder",
        model,
        ref,
        [built(builder="https://train.example.com/builders/laptop"), approved],
        "deny",
        "slsa.builder-untrusted",
    )
    w.case("provenance by somebody else", model, ref, [built(by="data-board"), approved], "deny", "slsa.missing")
    w.case("under another name", model, ref, [built(subject=ref + "-2"), approved], "deny", "bind.name-mismatch")
    w.case("on no data", model, ref, [built(datasets=()), approved], "deny", "dataset.none-declared")
    books = {**dataset, "uri": "s3://example-datasets/approved/books3/a"}
    w.case("on denied data", model, ref, [built(datasets=(books,)), approved], "deny", "dataset.denied")
    bare = {k: v for k, v in dataset.items() if k != "digest"}
    w.case(
        "on data without a digest", model, ref, [built(datasets=(bare,)), approved], "deny", "dataset.digest-missing"
    )
    base = {"name": "baseModel", "uri": "hf://huggingface.co/example/base", "digest": {"sha256": "cd" * 32}}
    w.case(
        "from a model that nobody verified",
        model,
        ref,
        [built(extra=(base,)), approved],
        "deny",
        "slsa.base-model-unverified",
    )
    w.case("data not approved", model, ref, [built(), board("rejected")], "deny", "attestation.field-mismatch")
    w.case("nobody asked the board", model, ref, [built()], "deny", "attestation.missing")
    changed = w.model("chat-changed", weights=b"other weights")
    w.case("other files", changed, ref, [built(), approved], "deny", "slsa.missing")


def two_people(w):
    people = {who: f"{who.removesuffix('-oidc')}@example.com" for who in ("alice-oidc", "bob", "carol")}
    w.example("5-two-people", {**people, "evaluation": "evaluation@ci.example.com"})
    w.replace["spki-sha256", 2] = w.key("alice-token")
    ref = "oci://registry.example.com/medical/triage"
    model = w.model("triage")

    def released(by, version="2.5.0"):
        purl = f"pkg:oci/triage@sha256%3A{'ab' * 32}?repository_url=registry.example.com/medical/triage&tag={version}"
        return w.attest(model, by, "https://in-toto.io/attestation/release/v0.2", {"purl": purl})

    def evaluated(result="PASSED", suite="medical-safety-suite"):
        configuration = [
            {"name": "smoke", "uri": "https://ci.example.com/smoke"},
            {"name": suite, "uri": "https://ci.example.com/suite"},
        ]
        predicate = {"result": result, "configuration": configuration}
        return w.attest(model, "evaluation", "https://in-toto.io/attestation/test-result/v0.1", predicate)

    alice, token, bob, carol = (w.sign(model, who) for who in ("alice-oidc", "alice-token", "bob", "carol"))
    names = [released("alice-oidc"), released("bob")]
    good = evaluated()
    w.case("alice and bob", model, ref, [alice, bob, *names, good], "allow")
    hers = [token, carol, released("alice-token"), released("carol"), good]
    if w.sigstore:
        w.case("alice with her token, which no log has seen, and carol", model, ref, hers, "deny", "log.missing")
    else:
        w.case("alice with her token, and carol", model, ref, hers, "allow")
    w.case("as it stands", model, ref, [alice, bob, *names, good], "deny", "error.unsupported", whole=True)
    w.case(
        "alice twice: two keys, one person",
        model,
        ref,
        [alice, token, *names, good],
        "deny",
        "signature.threshold-not-met",
    )
    w.case(
        "bob twice: one key, two copies",
        model,
        ref,
        [bob, w.copy(bob), *names, good],
        "deny",
        "signature.threshold-not-met",
    )
    w.case("only one of them released it", model, ref, [alice, bob, names[0], good], "deny", "bind.name-not-attested")
    early = [released("alice-oidc", "2.3.9"), released("bob", "2.3.9")]
    w.case("an old version", model, ref, [alice, bob, *early, good], "deny", "bind.version-below-minimum")
    w.case(
        "the evaluation failed",
        model,
        ref,
        [alice, bob, *names, evaluated("FAILED")],
        "deny",
        "attestation.field-mismatch",
    )
    w.case(
        "another evaluation",
        model,
        ref,
        [alice, bob, *names, evaluated(suite="toy")],
        "deny",
        "attestation.field-mismatch",
    )
    w.case("no evaluation", model, ref, [alice, bob, *names], "deny", "attestation.missing")
    if w.sigstore:
        w.identities["mallory"] = "mallory@example.com"
        mallory = w.sign(model, "mallory")
        w.case("alice and a stranger", model, ref, [alice, mallory, *names, good], "deny", "identity.subject-mismatch")
        failed = evaluated("FAILED")
        time.sleep(1.1)
        again = evaluated()
        w.case("the latest evaluation passed", model, ref, [alice, bob, *names, failed, again], "allow")
        time.sleep(1.1)
        w.case(
            "the latest evaluation failed",
            model,
            ref,
            [alice, bob, *names, again, evaluated("FAILED")],
            "deny",
            "attestation.field-mismatch",
        )


def air_gapped(w):
    w.example("6-air-gapped")
    for n, signer in enumerate(("import-gate", "security-1", "security-2"), 1):
        w.replace["spki-sha256", n] = w.key(signer)
    model, bad = w.model("chat"), w.model("backdoored", weights=b"a backdoor")
    w.replace["manifest", 4] = manifest(bad)
    w.replace["sha256:", 5] = hashlib.sha256(b"a denied file").hexdigest()
    w.replace["spki-sha256:", 6] = w.key("leaked")
    ref = "file:///srv/models/chat"

    def summary(
        of=model,
        by="import-gate",
        result="PASSED",
        uri=ref,
        levels=("SLSA_BUILD_LEVEL_3", "EXAMPLE_IMPORT_APPROVED"),
        verifier="https://import.example.com/verifier/v2",
        age=1,
    ):
        predicate = {
            "verifier": {"id": verifier},
            "timeVerified": rfc3339(NOW - days(age)),
            "resourceUri": uri,
            "policy": {"uri": "https://import.example.com/policy/models", "digest": {"sha256": "ab" * 32}},
            "verificationResult": result,
            "verifiedLevels": list(levels),
        }
        return w.attest(of, by, "https://slsa.dev/verification_summary/v1", predicate)

    def feed(version=4, age=1, signers=("security-1", "security-2"), entries=()):
        document = {
            "schema": "modelseal.deny-feed/v1",
            "id": "security.example.com/models",
            "version": version,
            "issued": rfc3339(NOW - days(age)),
            "entries": list(entries),
        }
        payload = json.dumps(document).encode()
        for stale in w.place.glob("deny.json*"):
            stale.unlink()
        (w.place / "deny.json").write_bytes(payload)
        for signer in signers:
            w.envelope(signer, DENY_FEED, payload, w.place / f"deny.json.{signer}.sig")

    feed()
    good = summary()
    w.case("imported", model, ref, [good], "allow")
    twin = w.model("twin")
    (twin / "model.pkl").write_bytes(PICKLE)
    w.case("with a pickle", twin, ref, [summary(of=twin)], "deny", "content.format-denied")
    w.case("a level is missing", model, ref, [summary(levels=["SLSA_BUILD_LEVEL_3"])], "deny", "vsa.level-missing")
    w.case("did not pass", model, ref, [summary(result="FAILED")], "deny", "vsa.not-passed")
    w.case(
        "the right key, the wrong verifier",
        model,
        ref,
        [summary(verifier="https://other.example.com")],
        "deny",
        "vsa.verifier-untrusted",
    )
    w.case("imported under another name", model, ref, [summary(uri=ref + "-2")], "deny", "vsa.resource-uri-mismatch")
    w.case("imported long ago", model, ref, [summary(age=200)], "deny", "vsa.stale")
    w.case("a summary by the leaked key", model, ref, [summary(by="leaked")], "deny", "vsa.missing")
    w.case("a backdoored model", bad, ref, [summary(of=bad)], "deny", "deny.digest")
    denied = w.model("denied-file", extra=b"a denied file")
    w.case("a denied file in it", denied, ref, [summary(of=denied)], "deny", "deny.file-digest")
    w.case("scratch", model, "file:///srv/models/scratch/chat", [good], "deny", "policy.rejected")
    changed = w.model("chat-changed", weights=b"other weights")
    w.case("changed since it was imported", changed, ref, [good], "deny", "vsa.missing")
    feed(version=5, age=15)
    w.case("the deny feed is stale", model, ref, [good], "deny", "deny.feed-stale")
    feed(version=6, signers=["security-1"])
    w.case("one person signed the deny feed", model, ref, [good], "deny", "deny.feed-invalid")
    feed(
        version=7,
        entries=[{"id": "D-9", "reason": "reported today", "digests": ["manifest-sha256:" + manifest(model)]}],
    )
    w.case("denied by the feed", model, ref, [good], "deny", "deny.digest")
    feed(version=4)
    w.case("an older feed than before", model, ref, [good], "deny", "deny.feed-rollback")


main()
