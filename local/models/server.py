"""HTTP/1.1 on the loopback interface, with persistent connections."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.models.application import Application, Response, error_response
from local.models.aws import invalid
from sustainability.errors import UserError

_HOST = "127.0.0.1"
_MAX_BODY = 25 * 2**20
"""Largest request body of InvokeModel, in bytes, as documented."""
_GARBAGE = b"<html>This is not what was asked for, and it is no JSON either.</html>"
_DRIP_S = 1.0


class Server(ThreadingHTTPServer):
    """Reserves its port at once, and accepts connections after `open`.

    The models are loaded between the two: a port in use is reported before the long work, and no
    client connects before the models are ready.

    Raises
    ------
    UserError
        If the port is in use.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__((_HOST, port), _Handler, bind_and_activate=False)
        self.application: Application
        with self._claiming(port):
            self.server_bind()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{_HOST}:{self.server_port}"

    def open(self, application: Application) -> None:
        """Accept connections; `serve_forever` answers them. Raises `UserError`."""
        self.application = application
        with self._claiming(self.server_port):
            self.server_activate()

    @contextlib.contextmanager
    def _claiming(self, port: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.server_close()
            raise UserError(
                f"port {port}: {error.strerror}; stop what uses it, or choose another with --port"
            ) from error


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment; else the client waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client has closed the connection
            super().handle()

    def _respond(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > _MAX_BODY:
            # The rest could not be distinguished from the next request.
            self.close_connection = True
            self._send(error_response(invalid(f"a body needs a Content-Length up to {_MAX_BODY}")))
            return
        body = self.rfile.read(int(length))
        self._send(self.server.application.respond(self.command, self.path, headers, body))

    do_GET = do_POST = do_PUT = do_DELETE = _respond

    def _send(self, response: Response) -> None:
        if response.damage == "reset":
            linger = struct.pack("ii", 1, 0)  # closing then resets
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        body = _GARBAGE if response.damage else json.dumps(response.body).encode()
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if response.damage == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(_DRIP_S)
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the counters show the requests."""
