"""Access control: only the page that the user opened may talk to the studio.

A server on the loopback interface is within reach of every page that the user's browser shows. Four
things keep those out: a random token, the Host header (DNS rebinding), the Origin of a request that
changes something together with a header that a form cannot send (CSRF), and a policy that lets the
page run its own scripts only.
"""

import hmac
import ipaddress
import os
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persam_video.util.loopback import HEADERS, LOOPBACK, host_name, new_token

COOKIE = "persam_token"
_TOKEN_FILE = ".studio-token"

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class AllowedHosts:
    """The names under which the server may be addressed.

    Attributes:
        names: in lower case, without a port.
        addresses: whether any IP address is allowed, as it must be if the server listens on all of
            them; DNS rebinding still has to use a name.
    """

    names: frozenset[str] = LOOPBACK
    addresses: bool = False

    @classmethod
    def of(cls, host: str, names: Collection[str] = ()) -> "AllowedHosts":
        """Return the hosts allowed for a server that listens on ``host``.

        Args:
            host: the address or name that it binds to.
            names: of this machine.
        """
        if host in LOOPBACK:
            return cls()
        own = frozenset(name.lower() for name in (host, *names))
        return cls(LOOPBACK | own, addresses=True)

    def __contains__(self, name: str | None) -> bool:
        if name is None:
            return False
        if name.lower() in self.names:
            return True
        return self.addresses and _is_address(name)


class Guard:
    """Middleware that rejects every request that the user's page did not make.

    Args:
        app: the application to protect.
        token: token that every request must carry.
        hosts: see ``AllowedHosts``.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: AllowedHosts) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets are served
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refusal(scope)
        await (self._app if answer is None else answer)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a rejected request; ``None`` for an accepted one."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host_name(host) not in self._hosts:
            return _refuse(
                "this is not the name of the studio: open the address that it printed", 421
            )
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return _refuse("requests from other pages are refused: use the studio's own page")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        in_query = self._is_token(query.get("token", ""))
        bearer = self._is_token(headers.get("authorization", "").removeprefix("Bearer "))
        cookie = self._is_token(_cookie(headers.get("cookie", ""), _cookie_name(host)))
        if not (in_query or bearer or cookie):
            return _refuse(
                "the token is missing or wrong: open the address that the studio printed"
            )
        if scope["method"] not in ("GET", "HEAD"):
            # a form on another page can send neither this header nor the token
            if headers.get("x-persam") != "1" or (origin is None and not bearer):
                return _refuse("the header X-Persam or Origin is missing: use the studio's page")
        elif scope["path"] == "/" and in_query:
            return self._welcome(host)
        return None

    def _welcome(self, host: str) -> Response:
        """Hand the browser the token as a cookie, and remove it from the address."""
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            _cookie_name(host), self._token, httponly=True, samesite="strict", path="/"
        )
        return answer

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def kept_token(folder: Path) -> str:
    """Return the token stored in a folder, and create it if necessary.

    With it, an open tab keeps working after the server is restarted. Only the owner can read the
    file.
    """
    path = folder / _TOKEN_FILE
    try:
        token = path.read_text(encoding="ascii").strip()
        if len(token) >= 24:
            return token
    except (OSError, ValueError):
        pass
    token = new_token()
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token)
    return token


def contained(root: Path, relative: str) -> Path | None:
    """Resolve a path below a folder; ``None`` if links lead out of it, or it cannot be.

    Args:
        root: the folder.
        relative: with ``/`` between its parts.
    """
    if "\0" in relative:
        return None
    top = root.resolve()
    try:
        path = (top / relative).resolve()
        path.exists()  # raises where the path cannot be
    except (OSError, RuntimeError):  # a name that is too long, a loop of links
        return None
    return path if path.is_relative_to(top) else None


def _refuse(reason: str, status: int = 403) -> Response:
    return JSONResponse(
        {"error": reason}, status_code=status, headers={"Cache-Control": "no-store"}
    )


def _cookie_name(host: str) -> str:
    """Return the cookie's name, which has the port, as browsers share cookies between ports."""
    port = host.rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
