"""A page on this machine that shows pictures while they are made, as MJPEG."""

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

from persam_video.util.loopback import HEADERS, LOOPBACK, host_name, new_token

_HOST = "127.0.0.1"
_POLL = 0.1  # seconds that the end of the server may take
_PATIENCE = 30.0  # seconds after which a viewer that takes nothing is given up
_BOUNDARY = "picture"


@dataclass(frozen=True, eq=False)
class _Picture:
    """A picture to show.

    Attributes:
        jpeg: the file.
        note: what is said of it.
    """

    jpeg: bytes
    note: str


class LivePage:
    """Serves a page that shows the newest of pictures; the token in its address is the way in.

    A viewer that is too slow misses pictures and holds up nobody. Leaving the context ends the
    server.

    Attributes:
        address: of the page, with the token.
    """

    def __init__(self, title: str) -> None:
        """Start the server on a free port of the loopback interface.

        Args:
            title: of the page.

        Raises:
            OSError: no port can be had.
        """
        self._newest: _Picture | None = None
        self._has_ended = False
        self._changed = threading.Condition()
        self._viewers = 0
        token = new_token()
        self._server = _Server((_HOST, 0), partial(_Handler, self, title, token))
        self.address = f"http://{_HOST}:{self._server.server_port}/{token}/"
        # a daemon, so that a program that forgets to close the page can still end
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="live page", daemon=True
        )
        self._thread.start()

    @property
    def wants_picture(self) -> bool:
        """Whether somebody is looking, or there is nothing to see yet."""
        return self._viewers > 0 or self._newest is None

    def show(self, jpeg: bytes, note: str = "") -> None:
        """Show the next picture.

        Args:
            jpeg: the picture.
            note: a line of text below it.
        """
        with self._changed:
            self._newest = _Picture(jpeg, note)
            self._changed.notify_all()

    def end(self) -> None:
        """Tell the viewers that no picture will follow."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the server; a second call does nothing."""
        self.end()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "LivePage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pictures(self) -> Iterator[bytes]:
        """Yield the newest picture, and each time the newest of those that came since."""
        picture = None
        with self._changed:
            self._viewers += 1
        try:
            while (picture := self._next(picture)) is not None:
                yield picture.jpeg
        finally:
            with self._changed:
                self._viewers -= 1

    def state(self) -> dict[str, object]:
        """Return the line about the newest picture, and whether it is the last."""
        with self._changed:
            note = "" if self._newest is None else self._newest.note
            return {"note": note, "ended": self._has_ended}

    def _next(self, seen: _Picture | None) -> _Picture | None:
        """Wait for a picture that is newer; return ``None`` when no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._newest is not seen)
            return None if self._newest is seen else self._newest


class _Server(ThreadingHTTPServer):
    """Answers each viewer in a thread of its own, for which nobody waits in the end."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Stay silent: a viewer that breaks off is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Answers a viewer."""

    timeout = _PATIENCE

    def __init__(self, page: LivePage, title: str, token: str, *request: object) -> None:
        self._page = page
        self._title = title
        self._token = token
        super().__init__(*request)  # type: ignore[arg-type]  # answers it

    def do_GET(self) -> None:
        """Answer with the page, its pictures, or what is to be said of them."""
        with suppress(OSError):  # the viewer has gone, or takes nothing
            self._answer()

    def version_string(self) -> str:
        """Name the program, but not the version of Python."""
        return "persam-video"

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: requests are no news."""

    def _answer(self) -> None:
        token, *rest = self.path.removeprefix("/").split("/")
        if host_name(self.headers.get("Host", "")) not in LOOPBACK:  # DNS rebinding
            self._send(421, "text/plain", b"this is not the name of the page's machine\n")
        elif not hmac.compare_digest(token.encode(), self._token.encode()):
            self._send(403, "text/plain", b"the token is missing or wrong\n")
        elif rest == [""]:
            self._send_page()
        elif rest == ["state"]:
            self._send(200, "application/json", json.dumps(self._page.state()).encode())
        elif rest == ["stream"]:
            self._send_pictures()
        else:
            self._send(404, "text/plain", b"there is nothing here\n")

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        text = files("persam_video.util").joinpath("live_page.html").read_text("utf-8")
        text = text.replace("$TITLE", escape(self._title)).replace("$NONCE", nonce)
        policy = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
        self._send(200, "text/html; charset=utf-8", text.encode(errors="replace"), policy)

    def _send_pictures(self) -> None:
        self._begin(200, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        self.wfile.write(head)
        for jpeg in self._page.pictures():
            # Chromium shows a picture when it has seen the head of the one behind it
            self.wfile.write(b"%b\r\n%b" % (jpeg, head))

    def _send(self, status: int, kind: str, body: bytes, policy: str = "") -> None:
        self._begin(status, kind, policy, length=len(body))
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, policy: str = "", length: int | None = None) -> None:
        self.send_response(status)
        own = "default-src 'none'; img-src 'self' data:; connect-src 'self'; base-uri 'none'"
        self.send_header("Content-Security-Policy", f"{own}; form-action 'none'; {policy}")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
