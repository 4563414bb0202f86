"""The backend over HTTP, with the addresses that Label Studio calls."""

import base64
import binascii
import hmac
import json
import logging
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from persam_video.errors import PersamVideoError
from persam_video.plugins.label_studio.backend import Backend

USER = "persam-video"
_MOST_JSON = 64 * 2**20  # bytes: tasks come with all their annotations
_log = logging.getLogger(__name__)


def make_app(backend: Backend, password: str) -> Starlette:
    """Make the application that serves a backend.

    Args:
        backend: what is served.
        password: that Label Studio sends with every request, with the user ``USER``.
    """

    def health(request: Request) -> Response:
        return JSONResponse({"status": "UP", "model_class": "persam-video"})

    def setup(request: Request) -> Response:
        return JSONResponse({"model_version": backend.model_version})

    def versions(request: Request) -> Response:
        return JSONResponse({"versions": [backend.model_version]})

    async def predict(request: Request) -> Response:
        results = await run_in_threadpool(backend.predict, await _body(request))
        return JSONResponse({"results": results, "model_version": backend.model_version})

    def nothing(request: Request) -> Response:
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/", health),
            Route("/health", health),
            Route("/setup", setup, methods=["POST"]),
            Route("/versions", versions),
            Route("/predict", predict, methods=["POST"]),
            # told of every change in the project, without the password; there is nothing to learn
            Route("/webhook", nothing, methods=["POST"]),
        ],
        middleware=[Middleware(_Guard, password=password)],
        exception_handlers={
            PersamVideoError: _user_error,
            HTTPException: _http_error,
            Exception: _program_error,
        },
    )


class _Guard:
    """Middleware that turns away whoever does not know the password, and every web page."""

    def __init__(self, app: ASGIApp, password: str) -> None:
        self._app = app
        self._expected = f"{USER}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (
            scope["type"] == "http" and self._may(Headers(scope=scope), scope["path"])
        ):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _failed("the user or the password is wrong; see what the backend printed", 401)
            await answer(scope, receive, send)
        else:  # there are no sockets here
            await send({"type": "websocket.close", "code": 1008})

    def _may(self, headers: Headers, path: str) -> bool:
        if path == "/webhook":
            return True
        kind, _, code = headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(code, validate=True)
        except (binascii.Error, ValueError):
            return False
        known = kind.lower() == "basic" and hmac.compare_digest(given, self._expected)
        # a server sends no Origin: that is a page in a browser that remembers the password
        return known and "origin" not in headers


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_JSON:
            raise HTTPException(413, f"the request is larger than {_MOST_JSON >> 20} MiB")
    try:
        data = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise HTTPException(400, "the request is no JSON object")
    return data


async def _user_error(request: Request, error: Exception) -> Response:
    # Label Studio shows its users the status only
    _log.warning("%s", error)
    return _failed(str(error), 400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _failed(str(error.detail), error.status_code)


async def _program_error(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _failed("an error in the program; see what it printed", 500)


def _failed(reason: str, status: int) -> Response:
    return JSONResponse({"error": reason}, status_code=status)
