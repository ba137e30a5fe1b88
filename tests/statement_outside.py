#!/usr/bin/env python3
"""`modelseal statement check` beside in-toto-attestation, in-toto's own package: what we write it accepts, and what it refuses
of a few thousand changed statements we refuse as well, but for what is listed here with a reason. We may refuse more.

usage: statement_outside.py MODELSEAL [-v]

With MODELSEAL_SAMPLES, statements from outside are changed, too. -v prints every difference."""

import collections
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.scai.v0 import scai, scai_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

MODELSEAL = pathlib.Path(sys.argv[1]).resolve()
VERBOSE = "-v" in sys.argv
SHA = "ab" * 32

PROVENANCE = "https://slsa.dev/provenance/v1"
VSA = "https://slsa.dev/verification_summary/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SCAI = "https://in-toto.io/attestation/scai/v0.3"
MESSAGES = {
    PROVENANCE: provenance_pb2.Provenance,
    VSA: vsa_pb2.VerificationSummary,
    TEST_RESULT: test_result_pb2.TestResult,
    SCAI: scai_pb2.AttributeReport,
}

# Each value of a good statement is replaced by each of these in turn, or taken out.
OTHERS = (None, True, 7, 1.5, "", "x", "x:y", "2026-03-01T00:00:00+02:00", SHA.upper(), [], [None], {}, {"x": None})


def outside(text):
    """Why the package refuses, or None."""
    try:
        document = json.loads(text)
        statement = Statement.copy_from_pb(ParseDict(document, statement_pb2.Statement(), ignore_unknown_fields=True))
        statement.validate()
        message = MESSAGES.get(document["predicateType"])
        if message:
            predicate = document["predicate"]
            if document["predicateType"] == VSA and isinstance(predicate, dict):
                # One string in the package, an array of them in the specification.
                predicate = {name: value for name, value in predicate.items() if name != "verifiedLevels"}
            read = ParseDict(predicate, message(), ignore_unknown_fields=True)
            if message is scai_pb2.AttributeReport:
                # The package's own AttributeReport.copy_from_pb always raises.
                assert read.attributes, "no attributes"
                for attribute in read.attributes:
                    scai.AttributeAssertion.copy_from_pb(attribute).validate()
                if read.HasField("producer"):
                    ResourceDescriptor.copy_from_pb(read.producer).validate()
    except Exception as error:  # whatever it raises, it does not accept
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def ours(work, texts):
    """For each text, our code and pointer, or None."""
    answers = []
    for start in range(0, len(texts), 400):
        names = []
        for number, text in enumerate(texts[start : start + 400]):
            name = f"{start + number}.json"
            (work / name).write_text(text)
            names.append(name)
        done = run(work, "statement", "check", "--format", "json", *names)
        for statement in json.loads(done.stdout)["statements"]:
            refused = statement["verdict"] != "accepted"
            assert statement["verdict"] != "error", statement
            answers.append((statement["code"], statement["pointer"], statement["message"]) if refused else None)
    return answers


def excused(path, value, document, reason):
    """Why we accept what the package refuses."""
    if document["_type"] == "https://in-toto.io/Statement/v0.1":
        return "Statement v0.1 comes with SLSA v0.2, which the package does not know"
    if "invocationId" in reason:
        return "GitLab's documentation writes a number for invocationId"
    if "Failed to parse timestamp" in reason and value == "":
        return "unset, null and empty mean the same (in-toto parsing rules)"
    if "Predicate object required" in reason and document["predicateType"] not in MESSAGES:
        return "a predicate is optional (in-toto Statement v1)"
    return None


def run(work, *args):
    env = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run([MODELSEAL, *args], cwd=work, capture_output=True, text=True, env=env)


def must(work, *args):
    done = run(work, *args)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


def written(work):
    """Pairs of a name and a statement that modelseal writes."""
    (work / "model").mkdir()
    (work / "model" / "weights.bin").write_bytes(bytes(range(256)))
    (work / "model" / "model").write_text("a file with its directory's name\n")
    (work / "model" / "sub").mkdir()
    (work / "model" / "sub" / "config.json").write_text("{}\n")
    key = json.loads(must(work, "key", "generate", "--no-password", "--output", "k", "--format", "json"))
    yield "sign --dry-run", must(work, "sign", "key", "--dry-run", "model", "--private-key", "k.key")
    must(work, "sign", "key", "model", "--private-key", "k.key")
    (work / "policy.toml").write_text(
        'schema = "modelseal.policy/v1"\nid = "p.example/p"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n'
        f'[signers.me]\nkind = "key"\nprincipal = "me"\nfile = "k.pub"\nspki-sha256 = "{key["key-fingerprint"]}"\n'
        '[[rule]]\nname = "all"\nmodels = ["hf://huggingface.co/acme/m"]\nsignature = { signers = ["me"] }\n'
    )
    named = ("--as", "hf://huggingface.co/acme/m", "--bundle", "model.sig")
    summaries = ("--vsa", "v.json", "--svr", "s.json", "--verifier-id", "https://v.example/1")
    must(work, "verify", "model", "--policy", "policy.toml", "--policy-unsigned", *named, *summaries)
    yield "verify --vsa", (work / "v.json").read_text()
    yield "verify --svr", (work / "s.json").read_text()
    if run(work, "attest", "provenance", "--help").returncode == 0:
        for build_type in ("training", "fine-tune", "quantize", "merge", "convert"):
            yield from attested(work, build_type)


def attested(work, build_type):
    """What `attest provenance` would sign."""
    (work / "made").mkdir(exist_ok=True)
    (work / "made" / "weights.bin").write_bytes(build_type.encode())
    (work / "base").mkdir(exist_ok=True)
    (work / "base" / "weights.bin").write_bytes(b"another")
    models = {"training": (), "merge": ("model", "base")}.get(build_type, ("base",))
    more = [word for model in models for word in ("--base", f"https://models.example/{model}={model}")]
    settings = {"quantize": ("--build-method", "gptq"), "merge": ("--build-method", "slerp"), "convert": ("--target-format", "gguf")}
    more += settings.get(build_type, ("--parameter", "seed=9007199254740993"))
    args = ("made", "--build-type", build_type, "--builder-id", "https://b.example/l1", "--ci", "none", *more)
    yield f"attest provenance {build_type}", must(work, "attest", "provenance", *args, "--dry-run")


def examples():
    """One good statement of each predicate type that the package knows, with all fields."""
    thing = {"name": "n", "uri": "x:y", "digest": {"sha256": SHA}, "content": "eA==", "downloadLocation": "x:z"}
    thing |= {"mediaType": "x/y", "annotations": {"a": [1, {"b": None}]}}
    build = {"buildType": "https://t.example/v1", "externalParameters": {"a": "b"}, "internalParameters": {"c": 1}}
    build["resolvedDependencies"] = [thing]
    metadata = {"invocationId": "1", "startedOn": "2026-03-01T00:00:00Z", "finishedOn": "2026-03-01T00:00:01Z"}
    builder = {"id": "https://b.example", "version": {"v": "1"}, "builderDependencies": [thing]}
    yield PROVENANCE, {"buildDefinition": build, "runDetails": {"builder": builder, "metadata": metadata, "byproducts": [thing]}}
    vsa = {"verifier": {"id": "https://v.example", "version": {"v": "1"}}, "timeVerified": "2026-03-01T00:00:00Z"}
    vsa |= {"resourceUri": "x:y", "policy": thing, "inputAttestations": [thing], "verificationResult": "PASSED"}
    yield VSA, vsa | {"verifiedLevels": ["SLSA_BUILD_LEVEL_1"], "dependencyLevels": {"A": 1}, "slsaVersion": "1.2"}
    tests = {"result": "WARNED", "configuration": [thing], "url": "x:y", "passedTests": ["a"], "warnedTests": ["b"]}
    yield TEST_RESULT, tests | {"failedTests": ["c"]}
    attribute = {"attribute": "A", "target": thing, "conditions": {"a": 1}, "evidence": thing}
    yield SCAI, {"attributes": [attribute], "producer": thing}
    yield "https://example.com/other/v1", {"a": 1}


def places(value, path=()):
    """Every place in a document."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(document):
    """The document with one place taken out or replaced: the place, what is there now, and the text."""
    for path in places(document):
        if not path:
            continue
        for other in ("absent", *OTHERS):
            copied = copy.deepcopy(document)
            inside = copied
            for key in path[:-1]:
                inside = inside[key]
            if other == "absent":
                del inside[path[-1]]
            elif inside[path[-1]] == other and type(inside[path[-1]]) is type(other):
                continue
            else:
                inside[path[-1]] = other
            yield path, other, copied


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        statements = list(written(work))
        for (name, text), answer in zip(statements, ours(work, [text for _, text in statements])):
            refused = outside(text)
            bad = refused or answer
            failures += bool(bad)
            print(f"{'FAILED' if bad else 'passed'}  {name}: outside {refused or 'accepts'}, ours {answer or 'accepts'}")

        subject = {"name": "m", "uri": "x:y", "digest": {"sha256": SHA}, "content": "eA==", "downloadLocation": "x:z"}
        subject |= {"mediaType": "x/y", "annotations": {"digestMethod": "x"}}
        first = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject]}
        good = [first | {"predicateType": kind, "predicate": predicate} for kind, predicate in examples()]
        good += [json.loads(text) for _, text in statements]
        if samples := os.environ.get("MODELSEAL_SAMPLES"):
            files = sorted(pathlib.Path(samples, "models-and-metadata/provenance").glob("*.json"))
            good += [json.loads(file.read_text()) for file in files]
        for document, answer in zip(good, ours(work, [json.dumps(document) for document in good])):
            if answer:
                failures += 1
                print(f"FAILED  good, of type {document['predicateType']}: {answer}")
        mutants = [mutant for document in good for mutant in changed(document)]
        texts = [json.dumps(document) for _, _, document in mutants]
        table = collections.Counter()
        excuses = collections.Counter()
        for (path, other, document), text, answer in zip(mutants, texts, ours(work, texts)):
            refused = outside(text)
            table[bool(refused), bool(answer)] += 1
            if refused and not answer:
                excuse = excused(path, other, document, refused)
                if excuse:
                    excuses[excuse] += 1
                else:
                    failures += 1
                    print(f"FAILED  {'/'.join(map(str, path))} = {other!r}: outside {refused}, ours accepts")
            elif VERBOSE and answer and not refused:
                print(f"ours    {'/'.join(map(str, path))} = {other!r}: {answer[0]} {answer[1]}: {answer[2]}")

    print(f"\n{len(texts)} changed statements     ours accepts   ours refuses")
    for outside_refuses, name in ((False, "outside accepts"), (True, "outside refuses")):
        row = [table[outside_refuses, ours_refuses] for ours_refuses in (False, True)]
        print(f"{name:<24} {row[0]:>14} {row[1]:>14}")
    for excuse, count in excuses.items():
        print(f"  {count} that only the outside refuses: {excuse}")
    print(f"{failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
