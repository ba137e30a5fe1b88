#!/usr/bin/env python3
"""KServe's storage initializer, which lets nothing through that policies do not allow.

    initializer.py SOURCE_URI DESTINATION [SOURCE_URI DESTINATION]...

Each model is downloaded by KServe's own code into a directory of this process below DESTINATION, verified there, and moved
to DESTINATION when it is allowed. Otherwise DESTINATION stays empty, and the reason is what `kubectl describe pod` shows.

Environment, set in the image or the ClusterStorageContainer:

    MODELSEAL_POLICIES        policies, separated by colons; all of them have to allow each model. (MODELSEAL_POLICY is another
                              variable: it holds Python programs to policies that have modelseal's package)
    MODELSEAL_REFERENCES      PREFIX=REFERENCE, separated by commas: a URI that starts with PREFIX is asked for as REFERENCE
                              and what follows. Needed for URIs that are no reference to a model, such as https://
    MODELSEAL_VERIFY_OPTIONS  further options of `modelseal verify`, as on a command line
    MODELSEAL                 the program; `modelseal` unless given
    MODELSEAL_TERMINATION_LOG /dev/termination-log unless given

Links that lead out of the model are refused, and git's own files at its top, which signers leave out, do not come along.

Exit status: 0 all models are in place; 1 denied; 2 wrong usage or policy; 3 could not download or decide.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

STAGING = ".modelseal-staging"
# Schemes that `modelseal verify --as` takes as they are.
REFERENCES = ("s3", "gs", "oci")
# What the kubelet keeps.
TERMINATION_BYTES = 4096
# Signers leave these out unless told otherwise, so anything may be in them; no server needs them.
GIT = (".git", ".gitattributes", ".github", ".gitignore")


class Refused(Exception):
    """No model is put in place; the status to exit with, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def reference(uri: str, environment: Mapping[str, str]) -> str:
    """The name that the policies know the model at `uri` by."""
    best = ("", "")
    for pair in filter(None, (p.strip() for p in environment.get("MODELSEAL_REFERENCES", "").split(","))):
        prefix, equals, name = pair.partition("=")
        if not equals or not prefix or not name:
            raise Refused(2, f"MODELSEAL_REFERENCES has PREFIX=REFERENCE, separated by commas, not '{pair}'")
        if uri.startswith(prefix) and len(prefix) > len(best[0]):
            best = (prefix, name)
    if best[0]:
        return (best[1] + uri[len(best[0]) :]).rstrip("/")
    try:
        scheme = urlsplit(uri).scheme
    except ValueError as error:
        raise Refused(2, f"'{uri}' is no URI: {error}") from None
    if scheme == "hf":
        # KServe writes hf://ORG/REPO:REVISION.
        repository, _, revision = uri[len("hf://") :].rstrip("/").partition(":")
        return f"hf://huggingface.co/{repository}" + (f"@{revision}" if revision else "")
    if scheme in REFERENCES:
        return uri.rstrip("/")
    if scheme == "file":
        return "file://" + os.path.realpath(uri[len("file://") :])
    if os.path.isabs(uri):
        return "file://" + os.path.realpath(uri)
    raise Refused(
        2, f"'{uri}' is no reference to a model: say in MODELSEAL_REFERENCES which one it is, as https://models.example.com/=s3://models/"
    )


def verify(model: Path, name: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit status and report of `modelseal verify`."""
    policies = [p for p in environment.get("MODELSEAL_POLICIES", "").split(":") if p]
    if not policies:
        raise Refused(2, "MODELSEAL_POLICIES is not set: write the path of a policy into the ClusterStorageContainer")
    command = [environment.get("MODELSEAL", "modelseal"), "verify", str(model), "--as", name]
    for policy in policies:
        command += ["--policy", policy]
    options = environment.get("MODELSEAL_VERIFY_OPTIONS", "")
    try:
        command += shlex.split(options)
    except ValueError as error:
        raise Refused(2, f"MODELSEAL_VERIFY_OPTIONS is no command line, but '{options}': {error}") from None
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        raise Refused(3, f"'{command[0]}' cannot be run: {error}") from None
    status = run.returncode if run.returncode in (0, 1, 2) else 3
    return status, run.stdout.decode(errors="replace").strip()


def remove(path: Path) -> None:
    """Removes what an initializer made, read-only directories too."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)
    shutil.rmtree(path)


def download(uri: str, into: Path) -> Path:
    """The model, in files of our own."""
    from kserve_storage import Storage

    if uri.startswith("file://") or os.path.exists(uri):
        # KServe would link to the files, and what is linked to can change after it was verified.
        shutil.copytree(Storage.download(uri), into, symlinks=True)
        return into
    found = Path(Storage.download(uri, str(into)))
    # Where the Hugging Face client notes what it has downloaded. Nobody signed that, and no server needs it.
    notes = into / ".cache" / "huggingface"
    if uri.startswith("hf://") and notes.is_dir():
        shutil.rmtree(notes)
        if not any(notes.parent.iterdir()):
            notes.parent.rmdir()
    return found


def refuse_links_out(model: Path) -> None:
    """What a link leads to outside of the model can change after the verdict, and an absolute one leads elsewhere once the
    model is moved."""
    real = os.path.realpath(model)
    for folder, folders, files in os.walk(model):
        for entry in (os.path.join(folder, name) for name in folders + files):
            if os.path.islink(entry) and (
                os.path.isabs(os.readlink(entry)) or not os.path.realpath(entry).startswith(real + os.sep)
            ):
                raise Refused(
                    1,
                    f"the link '{os.path.relpath(entry, model)}' leads out of the model, where bytes can change later; "
                    "have it published without it",
                )


def place(uri: str, destination: Path, environment: Mapping[str, str]) -> str:
    """Puts one model in place and returns the report of its verification."""
    name = reference(uri, environment)
    destination.mkdir(parents=True, exist_ok=True)
    # Of two runs, the one would replace what the other is verifying.
    lock = os.open(destination, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(3, f"'{destination}' cannot be locked ({error}); does another run write to it?") from None
        return fill(uri, name, destination, environment)
    finally:
        os.close(lock)


def fill(uri: str, name: str, destination: Path, environment: Mapping[str, str]) -> str:
    """Downloads, verifies and moves, while no other run does."""
    staging = destination / STAGING
    if any(destination.iterdir()):
        if not staging.is_dir():
            # The pod's containers are started again: the model is there. It is used if it is still what is allowed.
            refuse_links_out(destination)
            status, report = verify(destination, name, environment)
            if status != 0:
                raise Refused(status, f"'{destination}' was not empty, and what is there may not be used\n{report}")
            return report
        # An earlier run was stopped.
        for entry in destination.iterdir():
            remove(entry)
    os.mkdir(staging, 0o700)
    try:
        try:
            # A name that cannot be foreseen: no link of the model can have been made to lead there.
            model = download(uri, staging / secrets.token_hex(16))
        except Exception as error:  # KServe raises whatever its clients do.
            raise Refused(3, f"'{uri}' could not be downloaded: {error}") from error
        refuse_links_out(model)
        status, report = verify(model, name, environment)
        if status != 0:
            raise Refused(status, report)
        for left in GIT:
            remove(model / left)
        for folder, _, files in os.walk(model):
            os.chmod(folder, 0o755)
            for file in files:
                if not os.path.islink(os.path.join(folder, file)):
                    os.chmod(os.path.join(folder, file), 0o444)
        for entry in model.iterdir():
            os.rename(entry, destination / entry.name)
    except BaseException:
        for entry in destination.iterdir():
            remove(entry)
        raise
    remove(staging)
    return report


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    try:
        if len(arguments) < 2 or len(arguments) % 2:
            raise Refused(2, "usage: initializer.py SOURCE_URI DESTINATION [SOURCE_URI DESTINATION]...")
        for uri, destination in zip(arguments[::2], arguments[1::2], strict=True):
            try:
                print(place(uri, Path(destination), environment), flush=True)
            except Refused:
                raise
            except Exception as error:  # Nothing ends without saying why.
                raise Refused(3, f"'{destination}': {error}") from error
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        log = environment.get("MODELSEAL_TERMINATION_LOG", "/dev/termination-log")
        if "MODELSEAL_TERMINATION_LOG" in environment or os.path.exists(log):
            try:
                with open(log, "wb") as file:
                    file.write(str(refusal).encode(errors="replace")[:TERMINATION_BYTES])
            except OSError as error:
                print(f"the reason could not be written to '{log}': {error}", file=sys.stderr)
        return refusal.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
