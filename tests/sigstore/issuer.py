#!/usr/bin/env python3
"""An OpenID Connect issuer on loopback for the Sigstore test stack: issuer.py PORT

`http://localhost:PORT` signs people in by e-mail, `http://localhost:PORT/ci` workflows of a CI service. Each answers
discovery, `/keys`, and `/token` with a token as asked: ?email= &aud= &ttl=SECONDS &verified=0 &foreign_key=1."""

import http.server
import json
import sys
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

WORKFLOW = {
    "job_workflow_ref": "models/tiny/.github/workflows/publish.yml@refs/heads/main",
    "job_workflow_sha": "1" * 40,
    "sha": "2" * 40,
    "event_name": "push",
    "repository": "models/tiny",
    "repository_id": "1001",
    "repository_owner": "models",
    "repository_owner_id": "1002",
    "repository_visibility": "public",
    "workflow": "publish",
    "workflow_ref": "models/tiny/.github/workflows/publish.yml@refs/heads/main",
    "workflow_sha": "1" * 40,
    "ref": "refs/heads/main",
    "run_id": "7",
    "run_attempt": "1",
    "runner_environment": "github-hosted",
}


def claims(issuer, query):
    now = int(time.time())
    ttl = int(query.get("ttl", 600))
    common = {
        "iss": issuer,
        "aud": query.get("aud", "sigstore"),
        "iat": min(now, now + ttl) - 1,
        "nbf": min(now, now + ttl) - 1,
        "exp": now + ttl,
    }
    if issuer.endswith("/ci"):
        return {**common, **WORKFLOW, "sub": "repo:models/tiny:ref:refs/heads/main"}
    email = query.get("email", "signer@example.com")
    return {**common, "sub": email, "email": email, "email_verified": query.get("verified", "1") != "0"}


def handler(base, key, foreign):
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    public.update(kid="1", alg="RS256", use="sig")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            issuer, path = (base + "/ci", url.path[3:]) if url.path.startswith("/ci/") else (base, url.path)
            if path == "/.well-known/openid-configuration":
                self.answer({
                    "issuer": issuer,
                    "jwks_uri": issuer + "/keys",
                    "authorization_endpoint": issuer + "/auth",
                    "token_endpoint": issuer + "/token",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                })
            elif path == "/keys":
                self.answer({"keys": [public]})
            elif path == "/token":
                signer = foreign if query.get("foreign_key") else key
                self.answer(jwt.encode(claims(issuer, query), signer, "RS256", headers={"kid": "1"}))
            else:
                self.send_error(404)

        def answer(self, body):
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """Says nothing: a request line may hold a token."""

    return Handler


def main():
    port = int(sys.argv[1])
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler(f"http://localhost:{port}", *keys))
    server.serve_forever()


if __name__ == "__main__":
    main()
