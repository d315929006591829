"""A small OpenID Connect provider: metadata and keys over HTTPS, and tokens that it signs."""

from __future__ import annotations

import json
import ssl
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST, AUDIENCE, SCOPE = "127.0.0.1", "api-answers", "ask"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Provider:
    """The keys of the provider, and what it tells of them.

    ``issuer`` is where :meth:`serving` serves it.
    """

    def __init__(self) -> None:
        self._key, self._stranger = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
        )
        self.issuer = ""

    def token(self, *, forged: bool = False, **claims: Any) -> str:
        """Return a token that the API accepts, with other claims; ``None`` leaves one out.

        ``forged`` signs it with a key that is not the provider's.
        """
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "reader", "scope": SCOPE,
                 "iat": now - 60, "nbf": now - 60, "exp": now + 3600}  # fmt: skip
        told = {name: claim for name, claim in (usual | claims).items() if claim is not None}
        header = {"alg": "RS256", "kid": "one", "typ": "JWT"}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, told))
        key = self._stranger if forged else self._key
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def told(self, path: str) -> dict[str, Any] | None:
        """Return what the provider answers to a path."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig",
               "n": _number(numbers.n), "e": _number(numbers.e)}  # fmt: skip
        keys = f"{self.issuer}/keys"
        return {
            "/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": keys},
            "/keys": {"keys": [key]},
        }.get(path)

    @cached_property
    def certificate(self) -> bytes:
        """The certificate of the host, which signs itself, as PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=self._key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1),
            not_valid_after=now + timedelta(days=1),
        )
        host = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        signed = made.add_extension(host, critical=False).add_extension(authority, critical=True)
        return signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Path]:
        """Serve over HTTPS within the block; yield a file of all certificates to trust."""
        private = self._key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        (folder / "host.pem").write_bytes(self.certificate + private)
        usual = ssl.get_default_verify_paths().cafile or certifi.where()
        trusted = folder / "trusted.pem"
        trusted.write_bytes(Path(usual).read_bytes() + self.certificate)
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = provider.told(self.path)
                self.send_response(404 if found is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer((HOST, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "host.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.issuer = f"https://{HOST}:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield trusted
        finally:
            server.shutdown()
            server.server_close()
