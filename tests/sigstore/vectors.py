#!/usr/bin/env python3
"""Runs the bundles of the public Sigstore conformance suite through a client that speaks its protocol.

usage: vectors.py DIRECTORY -- ADAPTER...       DIRECTORY is the suite's `bundle-verify`, one folder for each case

Each case is verified twice, for the artifact and for its SHA-256 digest. A folder whose name ends in `_fail` must be
refused and every other accepted: exit status 1 when one is not, and there are no exceptions. A client that breaks instead
of refusing has not refused."""

import collections
import hashlib
import pathlib
import subprocess
import sys

IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
TIMEOUT = 60


def command(case, artifact, forms):
    """The command line of the suite for this case."""

    def text(name, default):
        path = case / name
        return path.read_text(encoding="utf-8").strip() if path.exists() else default

    key, root = case / "key.pub", case / "trusted_root.json"
    if key.exists():
        signer = ["--key", key]
    else:
        identity, issuer = text("identity", IDENTITY), text("issuer", ISSUER)
        signer = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer]
    trust = ["--trusted-root", root] if root.exists() else []
    return ["verify-bundle", "--bundle", case / "bundle.sigstore.json", *signer, *trust, forms(artifact)]


def verdict(adapter, arguments):
    try:
        done = subprocess.run([*adapter, *map(str, arguments)], capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return "hangs", ""
    said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    if done.returncode not in (0, 1) or "panicked at" in said or "Traceback" in said:
        return "breaks", f"exit {done.returncode}: {said}"
    return "refuses" if done.returncode else "accepts", said


def main():
    arguments = sys.argv[1:]
    if len(arguments) < 3 or arguments[1] != "--":
        raise SystemExit(__doc__)
    folder, adapter = pathlib.Path(arguments[0]).resolve(), arguments[2:]
    cases = sorted(path for path in folder.iterdir() if path.is_dir())
    if not cases:
        raise SystemExit(f"vectors.py: no cases in {folder}")
    forms = {"artifact": str, "digest": lambda path: "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()}
    counts, differences = collections.Counter(), 0
    for case in cases:
        artifact = case / "artifact" if (case / "artifact").exists() else folder / "a.txt"
        wanted = "refuses" if case.name.endswith("_fail") else "accepts"
        found = [verdict(adapter, command(case, artifact, form)) for form in forms.values()]
        wrong = [(form, *f) for form, f in zip(forms, found) if f[0] != wanted]
        counts.update(kind for kind, _ in found)
        differences += len(wrong)
        reason = f"  {found[0][1].splitlines()[-1][:110]}" if found[0][0] == "refuses" and found[0][1] else ""
        print(f"{'ok  ' if not wrong else 'DIFF'}  {case.name:58} {wanted if not wrong else '':8}{reason}".rstrip())
        for form, kind, said in wrong:
            must = "accepted" if wanted == "accepts" else "refused"
            print(f"      {form}: must be {must}, but the client {kind}: {said[-300:]}")
    print(f"{len(cases)} cases, {sum(counts.values())} verifications: "
          + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
          + f"; {differences} different")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
