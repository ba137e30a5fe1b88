#!/usr/bin/env python3
"""Copies the test data into fuzz/corpus/<target>/ as seeds for the fuzzer. Writes nothing else; safe to run again."""

import argparse
import base64
import bz2
import collections
import decimal
import gzip
import hashlib
import io
import json
import lzma
import os
import pathlib
import pickle
import re
import tarfile
import zipfile
import zlib

FUZZ = pathlib.Path(__file__).resolve().parent
TESTDATA = FUZZ.parent / "testdata"
MAX_SEED = 64 * 1024
BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]+)-----END")

PATTERNS = [
    ("hf://huggingface.co/acme/*", "hf://huggingface.co/acme/x"),
    ("oci://r.example/a/**/z", "oci://r.example/a/b/c/z"),
    ("**/leaked/**", "s3://b/leaked/x"),
    ("*-v*.x", "a-v1.x"),
    ("a)|(?:b", "b"),
    ("(?i)a", "A"),
    ("refs/tags/v[0-9]+(\\.[0-9]+){2}", "refs/tags/v1.2.3"),
    ("(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaa"),
    ("OCI://R.example:5000/a/b:v1", ""),
    ("hf://huggingface.co/a/b@refs/pr/1", ""),
    ("file:///srv/models/my model", ""),
    ("ngc://nvcr.io/nim/meta/x:1.2", ""),
]


def models():
    """Pickles of every protocol and files around them; others' samples too, where MODELSEAL_SAMPLES says where they are."""
    values = [None, 1, -1, 2**70, 1.5, "text", b"bytes", bytearray(b"b"), (1, 2, 3, 4), [1], {1: "a"}, {1}, frozenset([2])]
    values += [collections.OrderedDict(a=1), collections.defaultdict(list), argparse.Namespace(a=[1]), decimal.Decimal(1)]
    for value in [*values, values]:
        for protocol in range(6):
            yield pickle.dumps(value, protocol)
    for text in [b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.", b"\x80\x02\x82\x01.", b"Pid\n."]:
        yield text


def files():
    for number, data in enumerate(models()):
        if number % 10 == 0:
            for suffix, pack in [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("z", zlib.compress)]:
                yield f"a.{suffix}", pack(data)
            stored, deflated, tar = io.BytesIO(), io.BytesIO(), io.BytesIO()
            for file, method in [(stored, zipfile.ZIP_STORED), (deflated, zipfile.ZIP_DEFLATED)]:
                with zipfile.ZipFile(file, "w", method) as archive:
                    archive.writestr("archive/data.pkl", data)
                    archive.writestr("archive/version", "3\n")
                yield "a.pt", file.getvalue()
            with tarfile.open(fileobj=tar, mode="w") as archive:
                info = tarfile.TarInfo("model.pkl")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            yield "a.tar", tar.getvalue()
            header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
            yield "a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


# Which targets get samples of these names, beside those that get all.
BY_NAME = {
    "index": ["inspect_tensorflow"],
    "mlmodel": ["inspect_coreml"],
    "onnx": ["inspect_onnx"],
    "pb": ["inspect_tensorflow"],
    "pdiparams": ["inspect_paddle"],
    "pdmodel": ["inspect_paddle"],
    "pmml": ["inspect_xml"],
    "pte": ["inspect_tflite"],
    "tflite": ["inspect_tflite"],
    "xml": ["inspect_xml"],
}


def message(*fields):
    """A protocol buffer of pairs of number and value: a number, or text or bytes."""

    def varint(value):
        out = bytearray()
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    out = b""
    for number, value in fields:
        value = value.encode() if isinstance(value, str) else value
        is_number = isinstance(value, int)
        out += varint(number << 3 | (0 if is_number else 2))
        out += varint(value) if is_number else varint(len(value)) + value
    return out


def formats():
    """One small model of each format that others' samples may lack."""
    entry = message((1, "location"), (2, "w.bin"))
    tensors = [message((1, 2), (2, 1), (9, bytes(8))), message((1, 2), (2, 1), (13, entry), (14, 1))]
    graph = message((1, message((4, "If"), (5, message((6, message((1, message((4, "Relu"))))))))), (5, tensors[0]), (5, tensors[1]))
    function = message((1, "F"), (7, message((4, "Relu"))), (10, "l"))
    yield "inspect_onnx", message((1, 10), (7, graph), (8, message((2, 17))), (25, function))
    value = message((8, message((1, 1), (2, message((2, message((1, 2))))), (4, bytes(8)))))
    node = message((1, "n"), (2, "Const"), (5, message((1, "value"), (2, value))))
    call = message((1, "c"), (2, "PartitionedCall"), (5, message((1, "f"), (2, message((10, message((1, "f"))))))))
    library = message((1, message((1, message((1, "f"))), (3, node))))
    graph = message((1, node), (1, call), (2, library))
    yield "inspect_tensorflow", graph
    yield "inspect_tensorflow", message((1, 1), (2, message((1, message((4, "serve"))), (2, graph), (6, message((2, "a"))))))
    layer = json.dumps({"class_name": "Lambda", "module": "keras.layers", "config": {}})
    yield "inspect_tensorflow", message((1, message((2, 1), (3, "root"), (4, "_tf_keras_layer"), (5, layer))))
    network = message((1, message((1, "a"), (605, message((1, message((1, message((500, message((10, "C"))))))))))))
    yield "inspect_coreml", message((1, 4), (2, b""), (500, network))
    blob = message((2, message((5, message((1, "@model_path/w"))))))
    block = message((2, message((3, message((1, "const"), (5, blob))))))
    yield "inspect_coreml", message((1, 4), (2, b""), (502, message((1, 1), (2, message((2, message((3, block))))))))
    attribute = message((1, "file_path"), (5, "w"))
    yield "inspect_paddle", message((1, message((1, 0), (2, 0), (4, message((3, "load"), (4, attribute))))))
    description = message((1, 5), (2, 2))
    yield "inspect_paddle", bytes(16) + len(description).to_bytes(4, "little") + description + bytes(8)
    constant = '<layer type="Const" version="opset1"><data offset="0" size="8" element_type="f32" shape="2"/></layer>'
    yield "inspect_xml", f'<?xml version="1.0"?><net version="11"><layers>{constant}</layers></net>'.encode()
    extension = '<Extension name="a" value="b(c)">t<![CDATA[u]]></Extension><Apply function="log10"/>'
    yield "inspect_xml", f'<!DOCTYPE PMML [<!ENTITY a "b">]><PMML version="4.4">{extension}</PMML>'.encode()
def tensors():
    """Pairs of target and bytes: safetensors, GGUF, templates and JSON."""
    for info in ["", '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', '"__metadata__":{"a":"b"}', '"a":1']:
        header = ("{" + info + "}").encode()
        for pad in (0, 3, 8):
            yield "inspect_safetensors", len(header).to_bytes(8, "little") + header + bytes(pad)
    text = lambda value: len(value).to_bytes(8, "little") + value
    number = lambda value, size: value.to_bytes(size, "little")
    pair = text(b"general.architecture") + number(8, 4) + text(b"llama")
    array = text(b"a") + number(9, 4) + number(8, 4) + number(2, 8) + text(b"x") + text(b"y")
    template = text(b"tokenizer.chat_template") + number(8, 4) + text(b"{{ messages[0].role }}")
    tensor = text(b"t") + number(1, 4) + number(8, 8) + number(0, 4) + number(0, 8)
    for version in (1, 2, 3, 3 << 24):
        for pairs in ([pair], [pair, array], [pair, template]):
            header = b"GGUF" + number(version, 4) + number(1, 8) + number(len(pairs), 8) + b"".join(pairs) + tensor
            yield "inspect_gguf", header + bytes(-len(header) % 32) + bytes(32)
    for body in [
        "{% for m in messages %}{{ m['role'] ~ m.content | trim }}{% endfor %}",
        "{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{{ ns.a if ns.a is defined else 'x' }}",
        "{% macro f(a, b=2) %}{{ a }}{% endmacro %}{{ f('x') }}{# c #}{% raw %}{{ x }}{% endraw %}",
        "{{ x['__cla' ~ 'ss__'] }}",
        "{{ '{0.a}'.format(x) }}{{ [1, {'a': (2, 3)}] | map(attribute='a') | list }}",
        "{% include 'x' %}",
    ]:
        yield "inspect_jinja", body.encode()
        yield "inspect_json", json.dumps({"chat_template": [{"name": "a", "template": body}]}).encode()
    for document in [
        {"auto_map": {"AutoModel": "o/r--x.Y"}, "trust_remote_code": True},
        {"weight_map": {"a": "../b"}, "a": [1.5e3, -0, None, True, "\u00e9\ud83d\ude00"]},
        {"_class_name": "P", "_diffusers_version": "0", "unet": ["a", "B"]},
        [{"type": "a.B", "path": ""}],
        {"auto_mapping": {"parent_library": "a.b"}},
        {"model": {"type": "BPE", "vocab": {"a": 0}}},
        [float("nan"), "\ud800"],
    ]:
        yield "inspect_json", json.dumps(document).encode()
    for name, data in samples():
        for target in ("gguf", "json", "safetensors", "jinja"):
            if name.endswith("." + target):
                yield "inspect_" + target, data
def formats():
    """Small files of other formats, each for the target of its reader."""
    tree = {
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0],
        "split_conditions": [0.5, 0.1, 0.2], "categories": [], "categories_nodes": [],
        "tree_param": {"num_feature": "1", "num_nodes": "3", "size_leaf_vector": "1"},
    }
    booster = {"name": "gbtree", "model": {"gbtree_model_param": {"num_trees": "1"}, "tree_info": [0], "trees": [tree]}}
    learner = {"learner_model_param": {"num_feature": "1"}, "gradient_booster": booster}
    yield "inspect_boost", json.dumps({"learner": learner, "version": [2, 0, 3]}).encode()
    yield "inspect_boost", (
        b"{L" + (7).to_bytes(8, "big") + b"learner{i\x05trees[#l\0\0\0\x01{i\x0dleft_children[$l#i\x01\xff\xff\xff\xff}}}"
    )
    yield "inspect_boost", (
        b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nfeature_names=a\n\nTree=0\n"
        b"num_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=0.5\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
        b"leaf_value=1 2\n\nend of trees\n\nparameters:\n[a: b]\nend of parameters\n"
    )
    yield "inspect_media", b"\x89PNG\r\n\x1a\n\0\0\0\0IENDCRC!more"
    yield "inspect_media", b"\xff\xd8\xff\xe0\0\x04JF\xff\xda\0\x03\0ab\xff\0c\xff\xd9"
    yield "inspect_media", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
    yield "inspect_media", b"RIFF\x08\0\0\0WEBPVP8 "
    yield "inspect_media", b"%PDF-1.7 /JavaScript"
    yield "inspect_media", b"<svg onload='x'><script/></svg>"
    yield "inspect_native", b"\x7fELF\x02\x01\x01" + bytes(57)
    yield "inspect_native", b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0"
    yield "inspect_native", b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x06\0\0\0\x0c\0\0\0"
    yield "inspect_native", b"\xca\xfe\xba\xbe\0\0\0\x34"
    yield "inspect_native", b"\0asm\x01\0\0\0"
    yield "inspect_native", b"\xa7\r\r\n" + bytes(12) + b"\xe3"
    for line in ["torch>=2 # x", "-e git+https://x/y@z", "y @ https://x/y.whl", "--extra-index-url http://x", "-r a \\\n b"]:
        yield "inspect_packages", f"numpy\n{line}\n".encode()
    yield "inspect_packages", b'[project]\ndependencies = ["y @ git+https://x/y"]\ny = {git = "x"}\nbackend-path = []\n'
    for source in [
        "import os as o; o.system('x')",
        "from os import *\nsystem('x')",
        "getattr(__import__('o' + 's'), 'system')(1)",
        "def f(x=eval('1')):\n  return f'{exec(x)}'\n",
        "if __name__ == '__main__':\n  \"\"\"a\n\"\"\"\n",
        "class A: x = lambda: open(1)",
    ]:
        yield "inspect_source", source.encode()
    output = {"data": {"text/html": "<script>"}}
    cell = {"cell_type": "code", "source": ["!x\n", "eval(1)"], "outputs": [output]}
    yield "inspect_source", json.dumps({"nbformat": 4, "cells": [cell]}).encode()
    yield "inspect_text", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 17\n"
    yield "inspect_text", b'[core]\n\tfsmonitor = x\n[remote "o"]\n'
    yield "inspect_text", "a\u202eb\u00e9\x1b[2J\r\n".encode()
    yield "inspect_text", b"\xff\xfea\0b\0"
    yield "inspect_vocabulary", (
        b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x12\x09\x0a\x05c.txt\x20\x3c\x1a\x05\x12\x03abc"
    )
    yield "inspect_vocabulary", b"IQ== 0\nIg== 1\n"
    for document in [
        "a: &x !!python/object/apply:os.system [*x]",
        "%TAG !p! tag:yaml.org,2002:python/\n---\n- !p!name:os.system ''",
        "model: {_target_: nemo.x.Y}\n---\n? [a]\n: |\n  b\n",
        "flavors:\n  python_function:\n    loader_module: x\n    code: c\n",
        "channels: [https://x]\ndependencies:\n- pip:\n  - git+https://x/y\n",
        "chat_template: '{{ x.__class__ }}'\n",
    ]:
        yield "inspect_yaml", document.encode()


def samples():
    root = os.environ.get("MODELSEAL_SAMPLES")
    for file in sorted(pathlib.Path(root, "inspection").rglob("*")) if root else []:
        if file.is_file() and file.name != "index.json":
            yield file.name, file.read_bytes()


def parsers():
    """Files for the targets that read one format each: by what their names end with."""
    tests = FUZZ.parent / "crates" / "inspect" / "testdata"
    found = [(file.name, file.read_bytes()) for file in sorted(tests.rglob("*")) if file.is_file()]
    targets = {"h5": "inspect_hdf5", "hdf5": "inspect_hdf5", "7z": "inspect_seven_zip", "msgpack": "inspect_flax", "rds": "inspect_r_data"}
    for name, data in [*found, *samples()]:
        target = targets.get(name.rsplit(".", 1)[-1])
        if target:
            yield target, data
        members = {"keras": ("config.json", "inspect_keras"), "skops": ("schema.json", "inspect_skops")}
        if name.rsplit(".", 1)[-1] in members and zipfile.is_zipfile(io.BytesIO(data)):
            member, target = members[name.rsplit(".", 1)[-1]]
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if member in archive.namelist():
                    yield target, archive.read(member)
    # Kinds of R's values, each with what follows; a list of two numbers; a promise and a closure.
    for numbers in [[0xFE], [13, 1, 7], [14, 1, 0, 0], [16, 1, 9, 1], [19, 1, 0xFE], [24, 4, 0], [5, 0xFE, 0xFE], [3, 0xFE, 0xFE],
                    [6, 1, 9, 0xFFFFFFFF, 0xFE], [4, 0, 0xFE, 0xFE, 0xFE, 0xFE], [22, 0xFE, 0xFE], [0x213, 1, 13, 1, 1, 2, 0xFE, 0xFE]]:
        yield "inspect_r_data", b"".join(number.to_bytes(4, "big") for number in numbers)
    for name, module in [("list", "builtins"), ("system", "os"), ("LogisticRegression", "sklearn.linear_model._logistic")]:
        for loader in ["ListNode", "ObjectNode", "FunctionNode", "MethodNode", "OperatorFuncNode"]:
            node = {"__class__": name, "__module__": module, "__loader__": loader, "content": [], "file": "1.npy"}
            yield "inspect_skops", json.dumps({**node, "content": {"func": "f", "obj": node}}).encode()
            layer = {"class_name": name, "module": module, "config": {"name": loader, "vocabulary": "/a/b"}}
            yield "inspect_keras", json.dumps({"class_name": "Model", "config": {"layers": [layer]}, "backend": "x"}).encode()
    for kind, data in [(b"\xc4", b"\x01a"), (b"\xc7\x04\x01", b"\x93\x90\xa1a"), (b"\xd9", b"\x01a"), (b"\xdc", b"\0\x01\x01"), (b"\xcb", bytes(8))]:
        for start in [b"\x81\xa1a", b"\x92\x01", b""]:
            yield "inspect_flax", start + kind + data


def seeds():
    """Pairs of target and bytes."""
    yield from parsers()
    yield from tensors()
    for data in models():
        yield "inspect_pickle", data
    for target, data in formats():
        yield target, data
        # Whole and cut, so that each target has some.
        for end in range(0, len(data), max(1, len(data) // 8)):
            yield target, data[end:]
            yield target, data[:end]
    for name, data in [*files(), *samples()]:
        for target in BY_NAME.get(name.rpartition(".")[2], []):
            yield target, data
        yield "inspect_file", name[-31:].encode() + b"\n" + data
        yield "inspect_pickle", data
    for bundle in sorted(TESTDATA.glob("oms/*/bundle.sig")):
        text = bundle.read_bytes()
        yield "bundle", text
        yield "json", text
        yield "value", text
        try:
            document = json.loads(text)
            payload = base64.b64decode(document["dsseEnvelope"]["payload"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        # What a signed document can be besides a bundle.
        yield "bundle", json.dumps(document["dsseEnvelope"]).encode()
        yield "bundle", payload
        yield "statement", payload
        yield "attestation", payload
        yield "json", payload
        yield "value", payload
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
    for predicate_type, predicate in predicates():
        for version in ("v1", "v0.1"):
            subjects = [{"name": "a", "digest": {"sha256": "ab" * 32}}, {"uri": "x:y", "digest": {"dirHash": "cd" * 32}}]
            statement = {"_type": f"https://in-toto.io/Statement/{version}", "subject": subjects}
            statement |= {"predicateType": predicate_type, "predicate": predicate}
            yield "attestation", json.dumps(statement).encode()
            yield "value", json.dumps(predicate).encode()
    for text in ("/a/*/name", "/a~1b/~0/0", "pkg:oci/m@sha256%3Aab?repository_url=r.example/x/m&tag=1", "[1e400, -0.0]"):
        yield "value", text.encode()
    for algorithm in ("sha256", "dirHash", "manifest-sha256", "blob:sha256", "dir:oms/v1.0;shards;1000;blake3", "md5"):
        yield "value", f"{algorithm}:{'ab' * 32}".encode()
    yield "value", json.dumps(croissant()).encode()
    for document in feeds():
        yield "feed", json.dumps(document).encode()
    for policy in sorted(TESTDATA.glob("policy/*/*.toml")):
        yield "policy", policy.read_bytes()
    yield "policy", b'{"schema": "modelseal.policy/v1", "id": "p", "version": 1, "expires": "2031-01-01T00:00:00Z"}'
    for pattern, name in PATTERNS:
        yield "matching", f"{pattern}\n{name}".encode()
    for text in service_texts():
        yield "services", text
    # Manifests are made from random bytes; some of them, to have a start.
    for n in range(64):
        yield "manifest", b"".join(hashlib.sha256(bytes([n, i])).digest() for i in range(1 + n % 8))


def service_texts():
    """A signing configuration, an identity token, and URIs of keys."""
    service = {"url": "https://x.example", "majorApiVersion": 2, "validFor": {"start": "2024-01-01T00:00:00Z"}, "operator": "x"}
    config = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json", "caUrls": [{**service, "majorApiVersion": 1}]}
    config |= {"oidcUrls": [{**service, "majorApiVersion": 1}], "rekorTlogUrls": [service], "tsaUrls": [{**service, "majorApiVersion": 1}]}
    config |= {"rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "EXACT", "count": 1}}
    yield json.dumps(config).encode()
    trust = {"mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json", "trustedRoot": {}, "signingConfig": config}
    yield json.dumps(trust).encode()
    claims = {"iss": "https://i.example", "sub": "s", "aud": "sigstore", "exp": 1800000300, "iat": 1800000000, "email": "a@b.example"}
    claims["email_verified"] = True
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    yield b".".join([part({"alg": "ES256"}), part(claims), b"c2lnbmF0dXJl"])
    yield b"pkcs11:token=a%20b;object=k;id=%01?module-name=softhsm2&pin-value=1234"
    yield b"pkcs11:slot-id=3;type=private?pin-source=file:/x&module-path=/y.so"
    for uri in ("awskms:///alias/x", "awskms://localhost:4566/arn:aws:kms:us-east-1:1:key/2", "hashivault://k"):
        yield uri.encode()
    yield b"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
    yield b"azurekms://v.vault.azure.net/k"
    yield b"awskms://[::1]:4566/alias/x"


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


def predicates():
    """Pairs of predicate type and predicate, one good one of each kind."""
    digest = {"sha256": "ab" * 32}
    build = {"buildType": "https://t.example/v1", "externalParameters": {"source": "git+https://g.example/a@v1", "seed": 2**53 + 1}}
    build["resolvedDependencies"] = [{"name": "baseModel", "uri": "pkg:huggingface/a/b@1", "digest": digest}]
    metadata = {"invocationId": 412, "startedOn": "2026-03-01T00:00:00Z", "finishedOn": "2026-03-01T00:00:00.5Z"}
    run = {"builder": {"id": "https://b.example", "version": {"x": "1"}}, "metadata": metadata, "byproducts": None}
    yield "https://slsa.dev/provenance/v1", {"buildDefinition": build, "runDetails": run}
    invocation = {"configSource": {"uri": "git+https://g.example/a@v1"}, "parameters": {"x": 1}}
    old = {"builder": {"id": "https://b.example"}, "buildType": "https://t.example", "invocation": invocation}
    yield "https://slsa.dev/provenance/v0.2", old | {"materials": [{"uri": "x:y", "digest": {"sha1": "ab" * 20}}]}
    verifier = {"id": "https://v.example", "version": {"x": "1"}}
    vsa = {"verifier": verifier, "resourceUri": "file:///m", "policy": {"uri": "p", "digest": digest}}
    vsa |= {"verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_2"], "dependencyLevels": {}}
    yield "https://slsa.dev/verification_summary/v1", vsa | {"inputAttestations": [{"digest": digest}]}
    svr = {"verifier": verifier | {"policies": []}, "timeCreated": "2026-03-01T00:00:00Z", "properties": ["A"]}
    yield "https://in-toto.io/attestation/svr/v0.2", svr
    yield "https://in-toto.io/attestation/svr/v0.1", svr
    yield "https://in-toto.io/attestation/release/v0.1", {"purl": "pkg:oci/m@1", "releaseId": 7}
    yield "https://in-toto.io/attestation/release/v0.2", {"purl": "pkg:huggingface/a/b@1", "packageId": "7"}
    tests = {"result": "PASSED", "configuration": [{"name": "suite", "uri": "x:y"}], "passedTests": ["a"]}
    yield "https://in-toto.io/attestation/test-result/v0.1", tests
    thing = {"uri": "x:y", "digest": digest, "content": "eA==", "downloadLocation": "x:z", "mediaType": "x/y"}
    attribute = {"attribute": "A", "target": thing, "conditions": {"flags": ["-O2"]}, "evidence": thing}
    yield "https://in-toto.io/attestation/scai/v0.3", {"attributes": [attribute], "producer": thing}
    found = {"id": "CVE-1", "severity": [{"method": "nvd", "score": 5.20}], "annotations": [{"a": 1}]}
    scanner = {"uri": "pkg:x/y@1", "version": "1", "db": {"uri": "x:y", "lastUpdate": "2026-03-01T00:00:00Z"}, "result": [found]}
    scanned = {"scanStartedOn": "2026-03-01T00:00:00Z", "scanFinishedOn": "2026-03-01T00:00:01Z"}
    yield "https://in-toto.io/attestation/vulns/v0.2", {"scanner": scanner, "metadata": scanned}
    yield "https://in-toto.io/attestation/reference/v0.1", {"attester": {"id": "x:y"}, "references": [thing]}
    for name in ("training", "fine-tune", "quantize", "merge", "convert"):
        base = {"name": "baseModel", "uri": "x:y", "digest": {"sha256": "ab" * 32, "dirHash": "cd" * 32}}
        parameters = {"baseModel": "x:y", "baseModels": ["x:y", "x:z"], "method": "m", "format": "f", "hyperparameters": {"a": "1"}}
        ours = {"buildType": f"https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/{name}/v1.md"}
        ours |= {"externalParameters": parameters, "resolvedDependencies": [base, base | {"uri": "x:z"}]}
        yield "https://slsa.dev/provenance/v1", {"buildDefinition": ours, "runDetails": run}
        ours = ours | {"externalParameters": {"baseModel": "x:y", "method": "m"}, "resolvedDependencies": [base]}
        yield "https://slsa.dev/provenance/v1", {"buildDefinition": ours, "runDetails": run}
    yield "https://example.com/any/v1", {"a": [1.0, {"b": None}]}


def croissant():
    """A description of a dataset with a file of each kind."""
    files = [
        {"@id": "zip", "sha256": "ab" * 32, "contentUrl": "https://h.example/resolve/main/a.zip"},
        {"@id": "csv", "containedIn": {"@id": "zip"}, "contentUrl": "in/a.csv"},
        {"@id": "set", "@type": "cr:FileSet", "containedIn": [{"@id": "loop"}]},
        {"@id": "loop", "containedIn": "set"},
        {"@id": "base64", "sha256": base64.b64encode(bytes(32)).decode(), "contentUrl": "./b.csv"},
        {"name": "weak", "md5": "ab" * 16, "contentUrl": "../c.csv"},
        {"@id": "word", "sha256": "sha256"},
    ]
    return {"conformsTo": "http://mlcommons.org/croissant/1.1", "isLiveDataset": True, "distribution": files}


def feeds():
    """Deny feeds and rollback states, one of each kind of entry."""
    entries = [
        {"digests": ["manifest-sha256:" + "ab" * 32]},
        {"file-digests": ["sha256:" + "ab" * 32, "blake3:" + "ab" * 32, "blake2b:" + "ab" * 64]},
        {"keys": ["spki-sha256:" + "ab" * 32], "compromised-at": "2026-10-02T09:00:00Z"},
        {"identities": ["mallory@example.com"]},
    ]
    for count in range(len(entries) + 1):
        named = [{"id": f"D-{n}", "reason": "r"} | entry for n, entry in enumerate(entries[:count])]
        feed = {"schema": "modelseal.deny-feed/v1", "id": "f", "version": count, "issued": "2026-11-01T00:00:00Z"}
        yield feed | {"entries": named}
        yield feed | {"entries": named * 2}
        accepted = {str(n): {"version": n, "sha256": "ab" * 32} for n in range(count)}
        yield {"schema": "modelseal.rollback/v1", "policies": accepted, "feeds": accepted}


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
