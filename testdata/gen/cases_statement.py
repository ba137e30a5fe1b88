"""The signed payload: statement, resources, serialization. Every signature here is correct; what it signs is not."""

from . import oms
from .cases_bundle import drop, put
from .oms import SMALL, encode

RES = ("predicate", "resources")
SER = ("predicate", "serialization")


def add(s):
    payload_text(s)
    statements(s)
    names(s)
    digests(s)
    serialization(s)


def payload_text(s):
    def raw(change):
        return lambda st: change(encode(st).encode())

    spec = dict(spec="8.3")
    s.key(
        "payload-pretty",
        "White space and line ends inside the payload change nothing.",
        True,
        payload=raw(lambda t: t.replace(b",", b",\r\n  ")),
        **spec,
    )
    s.key(
        "payload-escapes",
        "Names and members written with JSON escapes are the same names.",
        True,
        payload=raw(lambda t: t.replace(b'"resources"', b'"res\\u006furces"').replace(b"weights/", b"weights\\/")),
        **spec,
    )
    s.key("payload-array", "The statement inside an array.", False, payload=raw(lambda t: b"[" + t + b"]"), **spec)
    s.key("payload-trailing-bytes", "Bytes after the statement.", False, payload=raw(lambda t: t + b"x"), **spec)
    s.key(
        "payload-nan",
        "NaN is not JSON.",
        False,
        last=put(*RES, 0, "annotations", "HERE"),
        payload=raw(lambda t: t.replace(b'"HERE"', b"NaN")),
        **spec,
    )
    s.key(
        "payload-utf16", "The statement in UTF-16.", False, payload=raw(lambda t: t.decode().encode("utf-16")), **spec
    )
    s.key(
        "payload-not-utf8",
        "A byte that is not UTF-8 inside a resource name.",
        False,
        payload=raw(lambda t: t.replace(b"part-0", b"part\xff0")),
        **spec,
    )
    deep = raw(lambda t: t.replace(b'"HERE"', b"[" * 10000 + b"]" * 10000))
    s.key(
        "payload-deep",
        "10,000 arrays inside each other, in a member that readers are told to ignore.",
        False,
        last=put(*RES, 0, "annotations", "HERE"),
        payload=deep,
        **spec,
    )
    for name, path in {
        "type": ("_type",),
        "subject": ("subject", 0, "name"),
        "subject-digest": ("subject", 0, "digest", "sha256"),
        "predicate": ("predicate",),
        "resources": RES,
        "resource": (*RES, 0, "digest"),
        "serialization": (*SER, "method"),
    }.items():
        s.key(
            f"payload-twice-{name}",
            f"{path[-1]} is there twice: readers disagree about which one counts.",
            False,
            payload=lambda st, p=path: encode(st, p).encode(),
            **spec,
        )
    s.key(
        "payload-twice-ignored-member",
        "A member that readers ignore is there twice inside itself; strict readers refuse.",
        False,
        last=put(*RES, 0, "annotations", {"x": 1}),
        payload=lambda st: encode(st, (*RES, 0, "annotations", "x")).encode(),
        **spec,
    )


def statements(s):
    def bad(name, why, change, spec="8.3"):
        s.key(f"statement-{name}", why, False, spec=spec, last=change)

    sha = ("subject", 0, "digest", "sha256")
    bad("type-v0.1", "in-toto Statement v0.1.", put("_type", "https://in-toto.io/Statement/v0.1"))
    bad("type-absent", "No _type.", drop("_type"))
    bad(
        "predicate-type-slsa",
        "A provenance predicate type over an OMS predicate.",
        put("predicateType", "https://slsa.dev/provenance/v1"),
    )
    bad(
        "predicate-type-slash",
        "The predicate type is compared exactly.",
        put("predicateType", oms.PREDICATE_TYPE + "/"),
    )
    bad("predicate-type-absent", "No predicateType.", drop("predicateType"))
    bad("predicate-absent", "No predicate.", drop("predicate"))
    bad("predicate-null", "The predicate is null.", put("predicate", None))
    bad("subject-absent", "No subject.", drop("subject"), "6.5")
    bad("subject-none", "An empty list of subjects.", put("subject", []), "6.5")
    bad("subject-two", "Two subjects.", lambda st: st["subject"].append(dict(st["subject"][0])), "6.5")
    bad("subject-name-empty", "A subject without a name.", put("subject", 0, "name", ""), "6.5")
    bad(
        "subject-without-sha256",
        "The root digest under another algorithm's name.",
        lambda st: st["subject"][0].update(digest={"sha512": "00" * 64}),
        "6.5.1",
    )
    bad("root-digest-other", "The root digest is not that of the resources.", put(*sha, "11" * 32), "6.5.1")
    bad(
        "root-digest-uppercase",
        "The root digest in upper case.",
        lambda st: put(*sha, st["subject"][0]["digest"]["sha256"].upper())(st),
        "6.5.1",
    )
    bad(
        "root-digest-odd",
        "The root digest with a digit missing.",
        lambda st: put(*sha, st["subject"][0]["digest"]["sha256"][:-1])(st),
        "6.5.1",
    )
    bad("member-unknown", "The schema of the statement allows no other members.", put("comment", "x"))
    bad(
        "predicate-member-unknown",
        "The schema of the predicate allows no other members.",
        put("predicate", "comment", "x"),
    )
    bad("resources-absent", "No resources.", drop(*RES))
    bad("resources-object", "The resources are an object.", put(*RES, {}))
    bad("serialization-absent", "No serialization.", drop(*SER))
    s.key(
        "statement-resources-none",
        "Nothing is listed, and every file of the model is ignored.",
        False,
        spec="5.2.1",
        files={},
        edit=put(*SER, "ignore_paths", list(SMALL) + ["weights"]),
    )
    s.key(
        "statement-subject-name-other",
        "The subject's name is information only.",
        True,
        spec="6.5",
        subject="модель 模型",
    )


def names(s):
    def bad(name, why, change, **more):
        s.key(f"name-{name}", why, False, spec="6.1.2", edit=change, **more)

    def rename(to):
        return put(*RES, 0, "name", to)

    def extra(name, data=b"outside\n"):
        return lambda st: st["predicate"]["resources"].append(oms.resources({name: data})[0])

    outside = [{"op": "write", "path": "../outside.bin", "text": "outside\n"}]
    bad(
        "parent",
        "A name that leaves the model, though the file is there and its digest fits.",
        extra("../outside.bin"),
        setup=outside,
    )
    bad(
        "parent-unsigned-ignored",
        "The same when unsigned files are ignored: the file outside must not even be read.",
        extra("../outside.bin"),
        setup=outside,
        flags={"ignore_unsigned_files": True},
    )
    bad("parent-inside", "Up and down again inside the model.", rename("weights/../config.json"))
    bad("parent-alone", "The model's parent directory.", rename(".."))
    bad("absolute", "An absolute name.", rename("/config.json"))
    bad("empty", "An empty name.", rename(""))
    bad("backslash", "A backslash as separator.", lambda st: put(*RES, 2, "name", "weights\\part-0.bin")(st))
    bad("nul", "A NUL in a name.", rename("config.json\0.bin"))
    bad("dot", "The model directory itself.", rename("."))
    bad("dot-prefix", "./ in front.", rename("./config.json"))
    bad("dot-inside", "A dot component.", put(*RES, 2, "name", "weights/./part-0.bin"))
    bad("double-slash", "An empty component.", put(*RES, 2, "name", "weights//part-0.bin"))
    bad("trailing-slash", "A slash at the end.", rename("config.json/"))
    bad("directory", "A directory among the files.", extra("weights", b""))
    bad(
        "twice",
        "The same resource twice.",
        lambda st: st["predicate"]["resources"].insert(0, dict(st["predicate"]["resources"][0])),
    )
    bad(
        "twice-bad-first",
        "Two digests for one name, the right one last.",
        lambda st: st["predicate"]["resources"].insert(0, {**st["predicate"]["resources"][0], "digest": "00" * 32}),
    )
    bad(
        "twice-bad-last",
        "Two digests for one name, the right one first.",
        lambda st: st["predicate"]["resources"].append({**st["predicate"]["resources"][0], "digest": "00" * 32}),
    )
    bad(
        "alias",
        "A second spelling of a name carries another digest.",
        lambda st: st["predicate"]["resources"].insert(
            0, {**st["predicate"]["resources"][0], "name": "./config.json", "digest": "00" * 32}
        ),
    )
    bad("percent", "Names are not URLs: %6f is not o.", rename("c%6fnfig.json"))
    bad(
        "lone-surrogate",
        "Half a surrogate pair is not a character.",
        rename("HERE"),
        payload=lambda st: encode(st).replace('"HERE"', '"config.json\\ud800"').encode(),
    )
    odd = {
        "a:b.bin": b"colon",
        "with space.txt": b"space",
        "café.bin": b"composed",
        "cafe\u0301.bin": b"decomposed",
        "模型.bin": b"unicode",
        "100%.txt": b"percent",
        "c:0:9": b"suffix",
        "*.bin": b"star",
        "it's.txt": b"apostrophe",
    }
    writes = [{"op": "write", "path": n, "text": d.decode()} for n, d in odd.items()]
    s.key(
        "name-unusual",
        "Colons, spaces, both unicode normal forms side by side, a star: all are just names.",
        True,
        spec="6.1.2",
        files={**SMALL, **odd},
        setup=writes,
    )
    s.key(
        "name-unusual-shards",
        "The same under shards: only the last two numbers are offsets.",
        True,
        spec="6.3.2",
        files={**SMALL, **odd},
        setup=writes,
        method="shards",
        shard=4,
    )
    s.key(
        "name-order",
        "Readers take resources in any order; the root digest is over the order listed.",
        True,
        spec="6.5.1",
        edit=lambda st: st["predicate"]["resources"].reverse(),
    )
    s.key(
        "name-extra-members",
        "Members of a resource that OMS does not know are ignored.",
        True,
        spec="5.2.1",
        edit=lambda st: st["predicate"]["resources"][0].update(
            uri="https://models.example/config.json", annotations={"a": [1, {"b": None}]}
        ),
    )
    s.key(
        "single-file",
        "A model of one file, listed under its own name.",
        True,
        spec="6.1.2",
        model="tiny.gguf",
        files={"tiny.gguf": oms.SINGLE},
        subject="tiny.gguf",
    )
    s.key(
        "single-file-dot",
        "The reference tool lists the only file as a dot.",
        True,
        spec="11",
        model="tiny.gguf",
        files={".": oms.SINGLE},
        subject="tiny.gguf",
    )
    s.key(
        "single-file-other-name",
        "The only file has another name than the one signed.",
        False,
        spec="6.1.2",
        model="tiny.gguf",
        files={"other.gguf": oms.SINGLE},
        subject="other.gguf",
    )
    s.key(
        "single-file-changed",
        "The only file changed.",
        False,
        spec="8.4",
        model="tiny.gguf",
        files={"tiny.gguf": oms.SINGLE[:-1] + b"x"},
        subject="tiny.gguf",
    )


def digests(s):
    def bad(name, why, member, value):
        def change(st):
            r = st["predicate"]["resources"][0]
            r[member] = value(r[member]) if callable(value) else value

        s.key(f"digest-{name}", why, False, spec="5.2.1", edit=change)

    bad("uppercase", "Upper case hex.", "digest", str.upper)
    bad("odd", "A digit missing.", "digest", lambda d: d[:-1])
    bad("short", "Half a digest.", "digest", lambda d: d[:32])
    bad("long", "A byte too many.", "digest", lambda d: d + "00")
    bad("empty", "No digits.", "digest", "")
    bad("spaces", "Hex with spaces.", "digest", lambda d: " ".join(d[i : i + 2] for i in range(0, 64, 2)))
    bad("prefixed", "The algorithm in front of the digits.", "digest", lambda d: "sha256:" + d)
    bad("object", "in-toto's set of digests is not the form of OMS.", "digest", lambda d: {"sha256": d})
    bad("number", "A number.", "digest", 7)
    bad("algorithm-md5", "An algorithm that OMS does not register.", "algorithm", "md5")
    bad("algorithm-uppercase", "Identifiers are compared exactly.", "algorithm", "SHA256")
    bad("algorithm-null", "No algorithm.", "algorithm", None)
    bad("algorithm-other", "The resource says blake3, the serialization sha256.", "algorithm", "blake3")
    s.key("digest-algorithm-absent", "The algorithm is required.", False, spec="5.2.1", edit=drop(*RES, 0, "algorithm"))


def serialization(s):
    def bad(name, why, member, value, **more):
        s.key(
            f"serialization-{name}", why, False, spec=more.pop("spec", "5.2.2"), edit=put(*SER, member, value), **more
        )

    evil = [{"op": "write", "path": "evil.bin", "text": "x"}]
    for member in ("method", "hash_type", "allow_symlinks"):
        s.key(
            f"serialization-{member.replace('_', '-')}-absent",
            f"{member} is required.",
            False,
            spec="5.2.2",
            edit=drop(*SER, member),
        )
    bad("method-unknown", "A method that OMS does not know.", "method", "tensors")
    bad("hash-type-md5", "A hash that OMS does not register.", "hash_type", "md5")
    bad("hash-type-other", "blake3 above sha256 digests.", "hash_type", "blake3")
    bad("allow-symlinks-text", "A string for a boolean.", "allow_symlinks", "false")
    bad("allow-symlinks-number", "A number for a boolean.", "allow_symlinks", 1)
    bad("shard-size-with-files", "shard_size belongs to shards.", "shard_size", 16)
    bad("member-unknown", "The schema allows no other members.", "comment", "x")
    bad(
        "ignore-glob", "A star is no pattern here, and is not allowed.", "ignore_paths", ["*"], spec="6.2.1", setup=evil
    )
    bad(
        "ignore-dot",
        "Ignoring the model itself would make every file unsigned.",
        "ignore_paths",
        ["."],
        spec="6.2.1",
        setup=evil,
    )
    bad("ignore-parent", "An ignored path outside the model.", "ignore_paths", ["../x"], spec="6.2.1")
    bad("ignore-absolute", "An absolute ignored path.", "ignore_paths", ["/tmp"], spec="6.2.1")
    bad("ignore-empty", "An empty ignored path.", "ignore_paths", [""], spec="6.2.1")
    bad("ignore-text", "A string for a list.", "ignore_paths", "evil.bin", spec="6.2.1", setup=evil)
    bad("ignore-null", "null for a list.", "ignore_paths", None, spec="6.2.1")
    bad("ignore-number", "A number among the paths.", "ignore_paths", [1], spec="6.2.1")
    bad("ignore-signed", "A path both signed and ignored.", "ignore_paths", ["config.json"], spec="8.4")
    bad(
        "ignore-not-prefix",
        "evil does not cover evil.bin: whole components are compared.",
        "ignore_paths",
        ["evil"],
        spec="6.2.1",
        setup=evil,
    )
    bad(
        "ignore-top-only",
        "evil.bin does not cover sub/evil.bin.",
        "ignore_paths",
        ["evil.bin"],
        spec="6.2.1",
        setup=[{"op": "write", "path": "sub/evil.bin", "text": "x"}],
    )
    covered = [{"op": "write", "path": "cache/a/b.tmp", "text": "x"}, {"op": "write", "path": "notes.md", "text": "x"}]
    s.key(
        "serialization-ignore-used",
        "A directory and a file that the signer left out.",
        True,
        spec="6.2",
        edit=put(*SER, "ignore_paths", ["cache", "notes.md"]),
        setup=covered,
    )
    s.key(
        "serialization-ignore-absent",
        "Old releases recorded no ignored paths.",
        True,
        spec="11.2",
        edit=drop(*SER, "ignore_paths"),
    )
    s.key(
        "serialization-ignore-none",
        "An empty list of ignored paths.",
        True,
        spec="5.2.2",
        edit=put(*SER, "ignore_paths", []),
    )
