"""A model hub on the loopback interface that speaks as much of the Hugging Face Hub's protocol as its client needs."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class FakeHub:
    """Serves folders as repositories, each with one commit whose name follows from its files."""

    def __init__(self) -> None:
        self._repositories: dict[str, dict[str, bytes]] = {}
        #: Paths of all requests, for tests that ask what was fetched.
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(body=True)

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def log_message(self, *_: object) -> None:
                pass

            def _answer(self, body: bool) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(f"{self.command} {path}")
                status, headers, content = hub._find(path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def publish(self, repository: str, folder: Path) -> str:
        """Makes a folder's files the repository's newest commit, and says which that is."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self._repositories[repository] = files
        return _commit(files)

    def close(self) -> None:
        """Stops to answer."""
        self._server.shutdown()
        self._server.server_close()

    def _find(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = path.strip("/").split("/")
        if parts[0] == "datasets":
            parts = ["/".join(parts[:2]), *parts[2:]]
        if parts[:2] == ["api", "models"]:
            files = self._repositories.get("/".join(parts[2:4]))
            if files is None:
                return _missing("RepoNotFound")
            if parts[4:5] == ["tree"]:
                return _json([_entry(name, content) for name, content in files.items()])
            name, siblings = "/".join(parts[2:4]), [{"rfilename": name} for name in files]
            return _json({"id": name, "modelId": name, "sha": _commit(files), "siblings": siblings, "tags": []})
        if parts[2:3] == ["resolve"]:
            files = self._repositories.get("/".join(parts[:2]))
            if files is None:
                return _missing("RepoNotFound")
            content = files.get("/".join(parts[4:]))
            if content is None:
                return _missing("EntryNotFound", _commit(files))
            etag = hashlib.sha256(content).hexdigest()
            return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": _commit(files), "Accept-Ranges": "none"}, content
        return _missing("EntryNotFound")


def _commit(files: dict[str, bytes]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha256(content).hexdigest()[:40]}


def _json(document: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _missing(code: str, commit: str | None = None) -> tuple[int, dict[str, str], bytes]:
    headers = {"X-Error-Code": code}
    if commit is not None:
        headers["X-Repo-Commit"] = commit
    return 404, headers, b"{}"
