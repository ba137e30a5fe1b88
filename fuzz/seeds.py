#!/usr/bin/env python3
"""Copies the test data into fuzz/corpus/<target>/ as seeds for the fuzzer. Writes nothing else; safe to run again."""

import base64
import hashlib
import json
import pathlib
import re

FUZZ = pathlib.Path(__file__).resolve().parent
TESTDATA = FUZZ.parent / "testdata"
MAX_SEED = 64 * 1024
BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]+)-----END")


def seeds():
    """Pairs of target and bytes."""
    for bundle in sorted(TESTDATA.glob("oms/*/bundle.sig")):
        text = bundle.read_bytes()
        yield "bundle", text
        yield "json", text
        try:
            document = json.loads(text)
            payload = base64.b64decode(document["dsseEnvelope"]["payload"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        yield "statement", payload
        yield "json", payload
        try:
            for resource in json.loads(payload)["predicate"]["resources"]:
                yield "path", resource["name"].encode("utf-8", "surrogatepass")
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        try:
            chain = document["verificationMaterial"]["x509CertificateChain"]["certificates"]
            yield "der", framed(base64.b64decode(c["rawBytes"]) for c in chain)
        except (ValueError, KeyError, TypeError):
            pass
    for pem in sorted(TESTDATA.glob("keys/**/*.pem")):
        text = pem.read_bytes()
        yield "pem", text
        ders = [base64.b64decode(block) for block in BLOCK.findall(text)]
        yield "der", framed(ders)
    for document in sorted(TESTDATA.glob("sigstore/*.json")):
        text = document.read_bytes()
        yield "json", text
        if document.name == "trusted_root.json":
            yield from (("trusted_root", root) for root in trusted_roots(text))
            continue
        yield "bundle", text
        yield "sigstore", text
        for changed in changed_bundles(text):
            yield "sigstore", changed
        material = json.loads(text)["verificationMaterial"]
        for entry in material["tlogEntries"]:
            for changed in changed_entries(entry):
                yield "log_entry", json.dumps(changed, ensure_ascii=False).encode()
        for stamp in material.get("timestampVerificationData", {}).get("rfc3161Timestamps", []):
            der = base64.b64decode(stamp["signedTimestamp"])
            yield "timestamp", der
            # Cut in the middle of something, at many places.
            for cut in range(7, len(der), len(der) // 8):
                yield "timestamp", der[:cut]
    # Manifests are made from random bytes; some of them, to have a start.
    for n in range(64):
        yield "manifest", b"".join(hashlib.sha256(bytes([n, i])).digest() for i in range(1 + n % 8))


def trusted_roots(text):
    """The root, and it without each of its entries."""
    yield text
    for kind in ("tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"):
        for at in range(len(json.loads(text)[kind])):
            root = json.loads(text)
            del root[kind][at]
            yield json.dumps(root).encode()
            root = json.loads(text)
            root[kind] = [root[kind][at]]
            yield json.dumps(root).encode()


def changed_entries(entry):
    """The entry, and it without each of its fields, and with a longer checkpoint."""
    yield entry
    for name in entry:
        yield {key: value for key, value in entry.items() if key != name}
    proof = entry["inclusionProof"]
    yield {**entry, "inclusionProof": {**proof, "hashes": proof["hashes"] * 2}}
    longer = proof["checkpoint"]["envelope"] * 2
    yield {**entry, "inclusionProof": {**proof, "checkpoint": {"envelope": longer}}}


def changed_bundles(text):
    """The bundle without its log entries or its timestamps, or with each twice."""
    for name in ("tlogEntries", "timestampVerificationData"):
        bundle = json.loads(text)
        bundle["verificationMaterial"].pop(name, None)
        yield json.dumps(bundle).encode()
    bundle = json.loads(text)
    bundle["verificationMaterial"]["tlogEntries"] *= 2
    yield json.dumps(bundle).encode()


def framed(ders):
    return b"".join(len(der).to_bytes(2, "big") + der for der in ders if len(der) < 1 << 16)


def main():
    count = {}
    for target, data in seeds():
        if len(data) > MAX_SEED:
            continue
        folder = FUZZ / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(data).hexdigest()[:16]
        (folder / name).write_bytes(data)
        count.setdefault(target, set()).add(name)
    print(", ".join(f"{target} {len(names)}" for target, names in sorted(count.items())))


if __name__ == "__main__":
    main()
