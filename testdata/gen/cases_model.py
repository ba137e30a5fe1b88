"""The model on disk against a good bundle: what changed, what was added, what is not a plain file."""

from . import oms
from .cases_bundle import put
from .oms import SMALL

LFS = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:"
    + oms.HASHES["sha256"](SMALL["weights/part-0.bin"])
    + "\nsize 70\n"
)


def add(s):
    changed(s)
    added(s)
    links(s)


def op(kind, path, **more):
    return {"op": kind, "path": path, **more}


def write(path, text="x"):
    return op("write", path, text=text)


def bad(s, name, why, *setup, spec="8.4", **more):
    s.key(f"model-{name}", why, False, spec=spec, setup=setup, **more)


def good(s, name, why, *setup, spec="6.2", **more):
    s.key(f"model-{name}", why, True, spec=spec, setup=setup, **more)


def changed(s):
    bad(s, "bit-changed", "One bit of the weights.", op("flip", "weights/part-0.bin", offset=69))
    bad(s, "byte-appended", "A byte more.", op("append", "config.json", text=" "))
    bad(s, "byte-cut", "A byte less.", op("truncate", "weights/part-0.bin", size=69))
    bad(s, "file-emptied", "A file without its bytes.", op("truncate", "config.json", size=0))
    bad(s, "file-removed", "A file is gone.", op("remove", "weights/part-1.bin"))
    bad(
        s,
        "files-swapped",
        "Two files changed places.",
        op("swap", "weights/part-0.bin", **{"with": "weights/part-1.bin"}),
    )
    bad(s, "file-moved", "A file in another directory.", op("rename", "weights/part-1.bin", to="part-1.bin"))
    bad(
        s,
        "renamed-same-root",
        "Renamed so that order, digests and so the OMS root digest stay the same: the name is what differs.",
        op("rename", "config.json", to="config.py"),
    )
    bad(s, "renamed-case", "Names differ by case.", op("rename", "config.json", to="CONFIG.json"), spec="6.1.2")
    bad(
        s,
        "file-became-directory",
        "A directory where a file was signed.",
        op("remove", "config.json"),
        write("config.json/x"),
    )
    bad(
        s,
        "lfs-pointer",
        "The weights were never fetched: a Git LFS pointer lies in their place.",
        write("weights/part-0.bin", LFS),
    )
    bad(s, "all-removed", "Nothing is left.", *(op("remove", n) for n in SMALL))
    bad(
        s,
        "changed-unsigned-ignored",
        "Ignoring unsigned files does not excuse a changed one.",
        op("flip", "config.json", offset=3),
        flags={"ignore_unsigned_files": True},
        spec="8.5",
    )
    bad(
        s,
        "removed-unsigned-ignored",
        "Ignoring unsigned files does not excuse a missing one.",
        op("remove", "config.json"),
        flags={"ignore_unsigned_files": True},
        spec="8.5",
    )
    bad(
        s,
        "changed-and-ignored",
        "A signed file cannot be ignored by the verifier.",
        op("flip", "config.json", offset=3),
        flags={"ignore_paths": ["config.json"]},
    )
    bad(
        s,
        "normal-form",
        "Signed under the composed spelling, present under the decomposed one.",
        write("cafe\u0301.bin"),
        files={**SMALL, "café.bin": b"x"},
        spec="6.1.2",
    )
    bad(
        s,
        "unreadable-file",
        "A signed file that cannot be read.",
        op("chmod", "config.json", mode="0000"),
        requires="non-root",
    )
    bad(
        s,
        "unreadable-directory",
        "A directory that cannot be listed is an error, not an empty directory.",
        write("locked/evil.py"),
        op("chmod", "locked", mode="0000"),
        requires="non-root",
    )
    s.key("model-other", "The bundle of another model.", False, spec="8.4", model="with-empty")


def added(s):
    bad(s, "file-added", "A file that nobody signed.", write("evil.py"), spec="8.5")
    bad(s, "hidden-file-added", "A hidden file that nobody signed.", write(".evil"), spec="8.5")
    bad(s, "empty-file-added", "An empty file that nobody signed.", write("weights/__init__.py", ""), spec="8.5")
    bad(
        s,
        "git-in-subdirectory",
        "Git's files are left out at the top only.",
        write("weights/.git/config"),
        spec="6.2.1",
    )
    bad(s, "git-prefix", ".gitmodules2 is not .git.", write(".gitmodules2"), spec="6.2.1")
    bad(
        s,
        "hub-cache-added",
        "What a hub client leaves behind is unsigned like anything else.",
        write(".cache/huggingface/download/config.json.metadata"),
        spec="8.5",
    )
    bad(
        s,
        "ignore-flag-not-recursive",
        "The verifier's ignored path is exact.",
        write("sub/local.txt"),
        flags={"ignore_paths": ["local.txt"]},
        spec="6.2.1",
    )
    bad(s, "fifo-added", "A FIFO: refused without waiting on it.", op("mkfifo", "pipe"), spec="6.1")
    bad(
        s,
        "fifo-for-file",
        "A FIFO in place of a signed file.",
        op("remove", "config.json"),
        op("mkfifo", "config.json"),
        spec="6.1",
    )
    bad(s, "socket-added", "A socket.", op("socket", "s"), spec="6.1")
    good(
        s,
        "git-at-top",
        "Git's files at the top are outside the signature.",
        write(".git/HEAD"),
        write(".gitignore"),
        write(".gitattributes"),
        write(".github/x.yml"),
    )
    good(
        s,
        "unsigned-ignored",
        "An unsigned file, and the flag that allows it.",
        write("notes.md"),
        flags={"ignore_unsigned_files": True},
        spec="8.5",
    )
    good(
        s,
        "ignore-flag",
        "An unsigned file that the verifier ignores by name.",
        write("notes.md"),
        flags={"ignore_paths": ["notes.md"]},
    )
    good(s, "empty-directory-added", "Directories are not part of a model.", op("mkdir", "empty"), spec="5.2.1")
    good(s, "signature-inside", "The bundle lies in the model.", signature_inside_model_as="model.sig")
    good(
        s,
        "signature-inside-deeper",
        "The bundle lies in a subdirectory of the model.",
        signature_inside_model_as="weights/model.sig",
    )


def links(s):
    real = [write(".git/real", SMALL["config.json"].decode()), op("remove", "config.json")]
    allow = put("predicate", "serialization", "allow_symlinks", True)
    alias = {**SMALL, "alias.bin": SMALL["weights/part-0.bin"]}
    alias_link = op("symlink", "alias.bin", target="weights/part-0.bin")
    bad(
        s,
        "symlink-same-bytes",
        "A signed file replaced by a link to the same bytes.",
        *real,
        op("symlink", "config.json", target=".git/real"),
        spec="6.1.1",
    )
    bad(s, "symlink-added", "A link that nobody signed.", op("symlink", "l", target="config.json"), spec="6.1.1")
    bad(
        s,
        "symlink-outside",
        "A link to a file outside the model.",
        op("symlink", "l", target="/etc/hostname"),
        spec="6.1.1",
    )
    bad(s, "symlink-dangling", "A link to nothing.", op("symlink", "l", target="nowhere"), spec="6.1.1")
    bad(s, "symlink-cycle", "A link to the model itself.", op("symlink", "l", target="."), spec="6.1.1")
    bad(s, "symlink-to-itself", "A link to itself.", op("symlink", "l", target="l"), spec="6.1.1")
    bad(
        s,
        "symlink-flag-cannot-widen",
        "The signer followed no links; the verifier's flag does not change that.",
        alias_link,
        flags={"allow_symlinks": True},
        files=alias,
        spec="6.1.1",
    )
    bad(
        s,
        "symlink-target-changed",
        "Links were signed; this one now leads to other bytes.",
        op("symlink", "alias.bin", target="weights/part-1.bin"),
        files=alias,
        edit=allow,
        spec="8.4",
    )
    bad(
        s,
        "symlink-directory-unsigned",
        "Links were signed; an unsigned link to a directory brings unsigned files.",
        write(".git/d/evil.py"),
        op("symlink", "d", target=".git/d"),
        edit=allow,
        spec="8.5",
    )
    good(
        s,
        "symlink-signed",
        "The signer followed links and says so; no flag is needed.",
        alias_link,
        files=alias,
        edit=allow,
        spec="6.1.1",
    )
    good(
        s,
        "symlink-signed-outside",
        "A signed link to a file outside the model: a warning, not a failure.",
        write("../elsewhere.bin", "shared"),
        op("symlink", "alias.bin", target="../elsewhere.bin"),
        files={**SMALL, "alias.bin": b"shared"},
        edit=allow,
        spec="6.1.1",
    )
    good(
        s,
        "symlink-two-to-one",
        "Two signed links to one file.",
        op("symlink", "a", target="config.json"),
        op("symlink", "b", target="config.json"),
        files={**SMALL, "a": SMALL["config.json"], "b": SMALL["config.json"]},
        edit=allow,
        spec="6.1.1",
    )
