"""Command lines of the reference as its users write them. Each runs with the reference first, so that the list cannot
promise what the reference does not do, and then with modelseal: only the program's name is replaced."""

import dataclasses
import pathlib
import shlex
import shutil
import subprocess
import tempfile

TIMEOUT = 120
SUCCESS = {"sign": "Signing succeeded", "verify": "Verification succeeded"}
FAILURE = {"sign": "Signing failed", "verify": "Verification failed"}


@dataclasses.dataclass
class Step:
    """A command line and the exit code it ends with; `ours` where modelseal's exit codes say more than the reference's."""

    line: str
    code: int = 0
    ours: tuple = ()


@dataclasses.dataclass
class Edit:
    """A change to the working directory between two commands."""

    path: str
    data: bytes = b"changed\n"


ANY_FAILURE = (1, 2, 3)
SIGN = "sign key model --private_key key.priv --signature s.sig"
VERIFY = "verify key model --signature s.sig --public_key key.pub"
CERT = "sign certificate model --private_key leaf.key --signing_certificate leaf.pem --signature s.sig"
CERT_VERIFY = "verify certificate model --signature s.sig"

SCENARIOS = {
    "help and version": [
        Step(f"{c} {h}".strip())
        for c in ("", "sign", "verify", "sign key", "sign certificate", "verify key", "verify certificate")
        for h in ("-h", "--help")
    ]
    + [Step("--version")],
    "default signature path": [
        Step("sign key model --private_key key.priv"),
        Step("verify key model --signature model.sig --public_key key.pub"),
    ],
    "options before the model": [
        Step("sign key --signature s.sig --private_key key.priv model"),
        Step("verify key --signature s.sig --public_key key.pub model"),
    ],
    "options with an equals sign": [
        Step("sign key --signature=s.sig --private_key=key.priv model"),
        Step("verify key --public_key=key.pub model --signature=s.sig"),
    ],
    "trailing slash": [Step(SIGN.replace("model ", "model/ ")), Step(VERIFY.replace("model ", "./model/ "))],
    "log level": [
        Step(f"--log-level debug {SIGN}"),
        Step(f"--log-level=ERROR {VERIFY}"),
        Step(f"--log-level WARNING {VERIFY}"),
        Step(f"--log-level loud {VERIFY}", 2),
    ],
    "changed file": [Step(SIGN), Step(VERIFY), Edit("model/config.json"), Step(VERIFY, 1)],
    "other key": [Step(SIGN), Step(VERIFY.replace("key.pub", "other.pub"), 1)],
    "missing inputs": [
        Step(VERIFY, 1, ANY_FAILURE),
        Step(SIGN.replace("key.priv", "nothing"), 1, ANY_FAILURE),
        Step(SIGN),
        Step(VERIFY.replace("key.pub", "nothing"), 1, ANY_FAILURE),
        Step(VERIFY.replace("key model", "key nothing"), 1, ANY_FAILURE),
    ],
    "wrong usage": [
        Step("verify key model --public_key key.pub", 2, ANY_FAILURE),
        Step("verify key model --signature s.sig", 2),
        Step("sign key model", 2),
        Step("sign certificate model --private_key leaf.key", 2),
        Step("sign key --private_key key.priv", 2),
        Step("verify key --no-such-option model", 2),
        Step("no-such-command", 2),
    ],
    "ignored paths": [
        Edit("model/cache/a.tmp"),
        Edit("model/notes.md"),
        Step(f"{SIGN} --ignore-paths model/cache --ignore-paths model/notes.md"),
        Edit("model/notes.md", b"again\n"),
        Edit("model/cache/b.tmp"),
        Step(VERIFY),
        Step(f"{VERIFY} --ignore-paths model/cache"),
        Edit("model/local.txt"),
        Step(VERIFY, 1),
        Step(f"{VERIFY} --ignore-paths model/local.txt"),
    ],
    "ignored path that does not exist": [Step(f"{SIGN} --ignore-paths model/nothing"), Step(VERIFY)],
    "unsigned files": [
        Step(SIGN),
        Edit("model/extra.py"),
        Step(VERIFY, 1),
        Step(f"{VERIFY} --ignore_unsigned_files"),
        Step(f"{VERIFY} --no-ignore_unsigned_files", 1),
        Edit("model/config.json"),
        Step(f"{VERIFY} --ignore_unsigned_files", 1),
    ],
    "git files": [
        Edit("model/.gitignore"),
        Edit("model/.git/HEAD"),
        Step(SIGN),
        Edit("model/.gitignore", b"other\n"),
        Step(VERIFY),
        Step(f"{VERIFY} --ignore-git-paths"),
    ],
    "git files signed": [
        Edit("model/.gitignore"),
        Step(f"{SIGN} --no-ignore-git-paths"),
        Step(f"{VERIFY} --no-ignore-git-paths"),
        Edit("model/.gitignore", b"other\n"),
        Step(f"{VERIFY} --no-ignore-git-paths", 1),
    ],
    "symlinks": [
        Edit("model/alias", "link"),
        Step(SIGN, 1, ANY_FAILURE),
        Step(f"{SIGN} --allow_symlinks"),
        Step(f"{VERIFY} --allow_symlinks"),
    ],
    "certificate": [
        Step(f"{CERT} --certificate_chain int.pem"),
        Step(f"{CERT_VERIFY} --certificate_chain root.pem"),
        Step(f"{CERT_VERIFY} --certificate_chain root.pem --log_fingerprints"),
        Step(f"{CERT_VERIFY} --certificate_chain other-root.pem", 1),
    ],
    "certificate chain in several files": [
        Step(f"{CERT} --certificate_chain int.pem --certificate_chain root.pem"),
        Step(f"{CERT_VERIFY} --certificate_chain other-root.pem --certificate_chain root.pem"),
    ],
    "certificate chain in one file": [
        Step(f"{CERT} --certificate_chain chain.pem"),
        Step(f"{CERT_VERIFY} --certificate_chain chain.pem"),
    ],
    "certificate of another key": [
        Step(f"{CERT.replace('leaf.key', 'key.priv')} --certificate_chain int.pem", 1, ANY_FAILURE)
    ],
    "key bundle as certificate": [Step(SIGN), Step(f"{CERT_VERIFY} --certificate_chain root.pem", 1)],
    "one file": [
        Step("sign key model/config.json --private_key key.priv --signature s.sig"),
        Step("verify key model/config.json --signature s.sig --public_key key.pub"),
        Edit("model/config.json"),
        Step("verify key model/config.json --signature s.sig --public_key key.pub", 1),
    ],
    "signature inside the model": [
        Step("sign key model --private_key key.priv --signature model/model.sig"),
        Step("verify key model --signature model/model.sig --public_key key.pub"),
    ],
    "signing again over the old signature": [
        Step(SIGN),
        Edit("model/config.json"),
        Step(SIGN, 0, (0, 2)),
        Step(VERIFY, 0, (0, 1)),
    ],
    "other forms of private keys": [
        Step(SIGN.replace("key.priv", "sec1.priv")),
        Step(VERIFY),
        Step(SIGN.replace("key.priv", "params.priv").replace("s.sig", "t.sig")),
        Step(VERIFY.replace("s.sig", "t.sig")),
    ],
}

# The next release of the reference spells its options with hyphens; 1.1.1 does not know them, modelseal takes both.
HYPHENS = {
    "hyphens: key": [
        Step("sign key model --private-key key.priv --signature s.sig"),
        Step("verify key model --signature s.sig --public-key key.pub"),
    ],
    "hyphens: certificate": [
        Step(
            "sign certificate model --private-key leaf.key --signing-certificate leaf.pem --certificate-chain int.pem --signature s.sig"
        ),
        Step("verify certificate model --signature s.sig --certificate-chain root.pem --log-fingerprints"),
    ],
    "hyphens: files": [
        Edit("model/alias", "link"),
        Step("sign key model --private-key key.priv --signature s.sig --allow-symlinks"),
        Edit("model/extra.py"),
        Step("verify key model --signature s.sig --public-key key.pub --allow-symlinks", 1),
        Step("verify key model --signature s.sig --public-key key.pub --allow-symlinks --ignore-unsigned-files"),
        Step("verify key model --signature s.sig --public-key key.pub --no-ignore-unsigned-files", 1),
    ],
    "underscores: ignored paths": [
        Edit("model/.gitignore"),
        Step(f"{SIGN} --ignore_paths model/config.json --no-ignore_git_paths"),
        Edit("model/config.json"),
        Step(f"{VERIFY} --no-ignore_git_paths"),
    ],
}


def run_all(peer, modelseal, keys, scratch):
    """Prints a line per scenario; gives `passed` or `failed` for each."""
    outcomes = []
    for name, steps in [*SCENARIOS.items(), *HYPHENS.items()]:
        programs = [("modelseal", modelseal)] if name in HYPHENS else [("reference", peer), ("modelseal", modelseal)]
        problem = next(
            (
                f"{who}: {p}"
                for who, program in programs
                for p in [play(program, who == "reference", steps, keys, scratch)]
                if p
            ),
            None,
        )
        outcomes.append("failed" if problem else "passed")
        print(f"{'FAIL' if problem else 'ok  '} {name}" + (f": {problem}" if problem else ""))
    return outcomes


def play(program, is_reference, steps, keys, scratch):
    """Runs the steps in a fresh directory; None, or what went wrong."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    prepare(folder, keys)
    for step in steps:
        if isinstance(step, Edit):
            path = folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("config.json") if step.data == "link" else path.write_bytes(step.data)
            continue
        try:
            done = subprocess.run(
                [str(program), *shlex.split(step.line)],
                capture_output=True,
                cwd=folder,
                timeout=TIMEOUT,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return f"`{step.line}`: no end after {TIMEOUT} seconds"
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        allowed = (step.code,) if is_reference or not step.ours else step.ours
        if done.returncode not in allowed or "panicked at" in err:
            return f"`{step.line}`: exit {done.returncode}, expected {' or '.join(map(str, allowed))}: {(out + err).strip()[-300:]!r}"
        problem = wording(step.line, done.returncode, out, err)
        if problem:
            return f"`{step.line}`: {problem}"
    return None


def wording(line, code, out, err):
    """The lines that scripts look for: success on stdout, failure on stderr."""
    words = shlex.split(line)
    command = next((w for w in words if w in SUCCESS), None)
    if command is None or {"-h", "--help"} & set(words):
        return None if out.strip() or code == 2 else "nothing on stdout"
    if code == 0 and SUCCESS[command] not in out.splitlines():
        return f"stdout has no line {SUCCESS[command]!r}: {out[-200:]!r}"
    if code == 1 and FAILURE[command] not in err:
        return f"stderr does not say {FAILURE[command]!r}: {err[-200:]!r}"
    return None


def prepare(folder, keys):
    pki = keys / "pki"
    copies = {
        "key.priv": keys / "p256.pem",
        "key.pub": keys / "p256.pub.pem",
        "other.pub": keys / "p256-other.pub.pem",
        "sec1.priv": keys / "p256.sec1.pem",
        "params.priv": keys / "p256.sec1-params.pem",
        "leaf.key": pki / "leaf-p384.key.pem",
        "leaf.pem": pki / "leaf-p384.pem",
        "int.pem": pki / "int.pem",
        "root.pem": pki / "root.pem",
        "other-root.pem": pki / "root-other.pem",
        "chain.pem": pki / "chain.pem",
    }
    for name, source in copies.items():
        shutil.copy(source, folder / name)
    for name in ("config.json", "weights/a.bin"):
        path = folder / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
