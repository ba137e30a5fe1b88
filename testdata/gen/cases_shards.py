"""The method `shards`, and `files` with each hash: which ranges there must be, and what they may be called."""

from . import oms
from .cases_bundle import drop, put
from .oms import SMALL, encode

RES = ("predicate", "resources")
SER = ("predicate", "serialization")


def add(s):
    shards_good(s)
    shards_bad(s)


def shards_good(s):
    for alg in ("sha256", "blake2b", "blake3"):
        s.key(
            f"files-{alg}",
            f"files with {alg}, an empty file among them.",
            True,
            spec="6.3.1",
            model="with-empty",
            files=oms.WITH_EMPTY,
            subject="with-empty",
            alg=alg,
        )
        s.key(
            f"shards-{alg}", f"shards of 16 bytes with {alg}.", True, spec="6.3.2", method="shards", alg=alg, shard=16
        )
    s.key("shards-whole-files", "A shard size above every file.", True, spec="6.3.2", method="shards", shard=1000000000)
    s.key(
        "shards-one-byte",
        "Shards of one byte: sorted as text, 10 comes before 2.",
        True,
        spec="5.2.1",
        method="shards",
        shard=1,
    )
    s.key(
        "shards-size-exact",
        "A file of exactly one shard has one, not a second of nothing.",
        True,
        spec="6.3.2",
        method="shards",
        shard=35,
    )
    s.key(
        "shards-size-decimal",
        "Writers that keep numbers as floating point put 16.0.",
        True,
        spec="5.2.2",
        method="shards",
        shard=16,
        edit=put(*SER, "shard_size", 16.0),
    )
    reference_form(s)
    empty = dict(model="with-empty", subject="with-empty", method="shards", shard=16)
    s.key(
        "shards-empty-file",
        "An empty file signed as the range 0:0, so that it cannot come or go unnoticed.",
        True,
        spec="6.3.2",
        files=oms.WITH_EMPTY,
        **empty,
    )
    s.key(
        "shards-empty-file-removed",
        "The empty file that was signed is gone.",
        False,
        spec="8.4",
        files=oms.WITH_EMPTY,
        setup=[{"op": "remove", "path": "sub/__init__.py"}],
        **empty,
    )
    s.key(
        "shards-empty-file-filled",
        "The file that was signed empty is not empty any more.",
        False,
        spec="8.4",
        files=oms.WITH_EMPTY,
        setup=[{"op": "write", "path": "sub/__init__.py", "text": "import os\n"}],
        **empty,
    )
    s.key(
        "shards-empty-file-unlisted",
        "Writers that follow the text of the section leave empty files out.",
        True,
        spec="6.3.2",
        files={k: v for k, v in oms.WITH_EMPTY.items() if v},
        modelseal={"verdict": "reject", "why": "an unlisted file is an unsigned file, empty or not"},
        **empty,
    )
    s.key(
        "shards-unlisted-file",
        "A file with bytes that no range covers.",
        False,
        spec="8.5",
        method="shards",
        shard=16,
        setup=[{"op": "write", "path": "evil.py", "text": "x"}],
    )
    s.key(
        "shards-changed",
        "One bit in the second shard of a file.",
        False,
        spec="8.4",
        method="shards",
        shard=16,
        setup=[{"op": "flip", "path": "weights/part-0.bin", "offset": 20}],
    )
    s.key(
        "shards-grown",
        "A file grew by a byte after its last range.",
        False,
        spec="8.4",
        method="shards",
        shard=16,
        setup=[{"op": "append", "path": "weights/part-0.bin", "text": "x"}],
    )
    s.key(
        "shards-shrunk",
        "A file lost its last range.",
        False,
        spec="8.4",
        method="shards",
        shard=16,
        setup=[{"op": "truncate", "path": "weights/part-0.bin", "size": 64}],
    )


def reference_form(s):
    """What the reference writes for shards: the size inside the algorithm's name, and the size as a floating-point number."""

    def form(alg, size):
        def change(st):
            for r in st["predicate"]["resources"]:
                r["algorithm"] = f"{alg}-sharded-{size}"
            st["predicate"]["serialization"]["shard_size"] = 16.0

        return change

    beyond = "the reference's own form of shards, which OMS does not describe"
    more = dict(spec="6.3.2", method="shards", shard=16, beyond=beyond)
    for alg in ("sha256", "blake2b"):
        why = f"Shards with {alg} as the reference writes them."
        s.key(f"shards-reference-form-{alg}", why, True, alg=alg, edit=form(alg, 16), **more)
    why = "The size in the algorithm's name is not the shard size."
    s.key("shards-reference-form-other-size", why, False, edit=form("sha256", 32), **more)
    why = "The hash in the algorithm's name is not the hash type."
    s.key("shards-reference-form-other-hash", why, False, edit=form("blake3", 16), **more)
    why = "The reference's form, and one bit changed."
    flip = [{"op": "flip", "path": "weights/part-0.bin", "offset": 20}]
    s.key("shards-reference-form-changed", why, False, edit=form("sha256", 16), setup=flip, **more)


def shards_bad(s):
    data = SMALL["weights/part-0.bin"]

    def rows(*ranges):
        """Replaces the ranges of the 70-byte file; digests are those of the bytes named, as far as there are any."""

        def change(st):
            keep = [r for r in st["predicate"]["resources"] if not r["name"].startswith("weights/part-0")]
            for text in ranges:
                a, b = (int(n) if n.lstrip("+-").isdigit() else 0 for n in text.split(":"))
                keep.append(
                    {
                        "name": f"weights/part-0.bin:{text}",
                        "digest": oms.HASHES["sha256"](data[max(a, 0) : max(b, 0)]),
                        "algorithm": "sha256",
                    }
                )
            st["predicate"]["resources"] = keep

        return change

    def bad(name, why, *ranges):
        s.key(f"shards-{name}", why, False, spec="6.3.2", method="shards", shard=16, edit=rows(*ranges))

    whole = ["0:16", "16:32", "32:48", "48:64", "64:70"]
    s.key(
        "shards-order",
        "Ranges in another order than the names': only the root digest depends on it.",
        True,
        spec="6.5.1",
        method="shards",
        shard=16,
        edit=rows(*reversed(whole)),
    )
    bad("gap", "A range in the middle is missing.", *whole[:2], *whole[3:])
    bad("end-missing", "The last range is missing.", *whole[:-1])
    bad("start-missing", "The first range is missing.", *whole[1:])
    bad("overlap", "Two ranges overlap.", *whole, "8:24")
    bad("twice", "A range twice.", *whole, "16:32")
    bad("beyond-end", "The last range ends after the file.", *whole[:-1], "64:80")
    bad("after-end", "A range that starts after the file.", *whole, "80:96")
    bad("backwards", "A range that ends before it starts.", *whole, "32:16")
    bad("empty-range", "An empty range inside a file with bytes.", *whole, "16:16")
    bad("zero-range", "0:0 beside other ranges.", *whole, "0:0")
    bad("other-size", "Ranges of twice the shard size that is recorded.", "0:32", "32:64", "64:70")
    bad("one-range", "One range for the whole file.", "0:70")
    bad("overflow", "An end above 64 bits that wraps around to 70.", *whole[:-1], f"64:{2**64 + 70}")
    bad("overflow-start", "A start above 64 bits.", *whole, f"{2**64}:{2**64 + 16}")
    bad("leading-zero", "Offsets are decimal without leading zeros.", "00:16", *whole[1:])
    bad("plus-sign", "Offsets have no sign.", "+0:16", *whole[1:])
    bad("negative", "A negative offset.", *whole, "-16:0")
    bad("not-a-number", "Letters for an offset.", "0x0:16", *whole[1:])
    s.key(
        "shards-no-range",
        "A name without a range.",
        False,
        spec="6.3.2",
        method="shards",
        shard=16,
        edit=lambda st: put(
            "predicate",
            "resources",
            st["predicate"]["resources"][1:] + oms.resources({"config.json": SMALL["config.json"]}),
        )(st),
    )
    for name, value in {
        "zero": 0,
        "negative": -16,
        "text": "16",
        "fraction": 16.5,
        "true": True,
        "above-64-bits": 2**64 + 16,
        "null": None,
    }.items():
        s.key(
            f"shards-size-{name}",
            f"shard_size {value!r} is no positive whole number of bytes.",
            False,
            spec="5.2.2",
            method="shards",
            shard=16,
            edit=put(*SER, "shard_size", value),
        )
    s.key(
        "shards-size-huge-exponent",
        "shard_size 1e999 is beyond every number type.",
        False,
        spec="5.2.2",
        method="shards",
        shard=16,
        payload=lambda st: encode(st).replace('"shard_size":16', '"shard_size":1e999').encode(),
    )
    s.key(
        "shards-size-absent",
        "shards need a shard_size.",
        False,
        spec="5.2.2",
        method="shards",
        shard=16,
        edit=drop(*SER, "shard_size"),
    )
