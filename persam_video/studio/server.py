"""HTTP server of the studio: JSON, pictures and events."""

import json
import logging
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive

from persam_video.errors import AnnotationError, PersamVideoError
from persam_video.studio.events import events
from persam_video.studio.gestures import mark_of
from persam_video.studio.jobs import Job
from persam_video.studio.offers import offers_json, preview, sink_options
from persam_video.studio.pictures import jpeg, scaled
from persam_video.studio.security import AllowedHosts, Guard, contained
from persam_video.studio.studio import BusyError, NotFoundError, OpenSession, Studio
from persam_video.studio.views import masks_json, review_json, state_json, timeline_json

STATIC = Path(__file__).parent / "static"

_log = logging.getLogger(__name__)

_MOST_JSON = 2 * 2**20  # bytes of a request body, except uploads
_FORM = 4096  # bytes of an upload besides the file
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_MOST_NAME = 80


def make_app(studio: Studio, token: str, hosts: AllowedHosts | None = None) -> Starlette:
    """Make the application that serves a studio.

    Args:
        studio: the studio.
        token: token that every request must carry, as cookie, bearer or ``?token=``.
        hosts: the names by which it may be addressed; those of the loopback interface when not
            given.
    """
    pages = _Pages(studio)
    session = "/api/sessions/{session}"
    return Starlette(
        routes=[
            Route("/", pages.index),
            Mount("/static", _Static(directory=STATIC, check_dir=False)),
            Route("/api/studio", pages.studio_facts),
            Route("/api/files", pages.files),
            Route("/api/outputs", pages.outputs),
            Route("/api/upload", pages.upload, methods=["POST"]),
            Route("/api/sessions", pages.open, methods=["POST"]),
            Route(session, pages.state),
            Route(f"{session}/frames/{{frame:int}}.jpg", pages.frame),
            Route(f"{session}/thumbs/{{frame:int}}.jpg", pages.thumb),
            Route(f"{session}/frames/{{frame:int}}/masks", pages.masks),
            Route(f"{session}/times", pages.times),
            Route(f"{session}/timeline", pages.timeline),
            Route(f"{session}/objects", pages.add_object, methods=["POST"]),
            Route(f"{session}/objects/{{object:int}}", pages.change_object, methods=["PATCH"]),
            Route(f"{session}/objects/{{object:int}}", pages.remove_object, methods=["DELETE"]),
            Route(f"{session}/gestures", pages.gesture, methods=["POST"]),
            Route(f"{session}/undo", pages.undo, methods=["POST"]),
            Route(f"{session}/redo", pages.redo, methods=["POST"]),
            Route(f"{session}/track", pages.track, methods=["POST"]),
            Route(f"{session}/job", pages.job, methods=["POST"]),
            Route(f"{session}/review", pages.review),
            Route(f"{session}/accept", pages.accept, methods=["POST"]),
            Route(f"{session}/preview.jpg", pages.preview),
            Route(f"{session}/export", pages.export, methods=["POST"]),
            Route(f"{session}/downloads", pages.downloads),
            Route(f"{session}/downloads/{{name:path}}", pages.download),
            Route(f"{session}/events", pages.events),
        ],
        middleware=[Middleware(Guard, token=token, hosts=hosts or AllowedHosts())],
        exception_handlers={
            PersamVideoError: _user_error,
            HTTPException: _http_error,
            Exception: _program_error,
        },
    )


class _Static(StaticFiles):
    """The page's own files, which browsers revalidate, as they change with the version."""

    def file_response(self, *args: Any, **keywords: Any) -> Response:
        response = super().file_response(*args, **keywords)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Pages:
    """Handlers of all routes. Slow work runs in threads.

    Args:
        studio: what is served.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def index(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    def studio_facts(self, request: Request) -> Response:
        studio = self._studio
        return _json(
            {
                "sessions": [
                    {"id": o.id, "name": o.session.name, "folder": str(o.session.paths.folder)}
                    for o in studio.sessions
                ],
                "roots": [] if studio.root is None else [studio.root.resolve().name or "/"],
                "upload_limit": studio.upload_limit,
                "open": studio.named,
                "version": version("persam-video"),
            }
        )

    def files(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        entries = [vars(entry) for entry in self._studio.files(path)]
        return _json({"path": path, "entries": entries})

    def outputs(self, request: Request) -> Response:
        return _json(offers_json())

    async def open(self, request: Request) -> Response:
        data = await _body(request)
        return _json(await run_in_threadpool(self._open, _text(data, "path", 4096)))

    def _open(self, path: str) -> dict[str, Any]:
        return state_json(self._studio.open_path(path))

    async def upload(self, request: Request) -> Response:
        limit = self._studio.upload_limit
        limited = Request(request.scope, _limited(request.receive, limit + _FORM, request))
        async with limited.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise HTTPException(400, "the upload has no file: choose a video")
            if (file.size or 0) > limit:
                raise _too_large(limit)
            opened = await run_in_threadpool(
                self._studio.take_upload, file.filename or "video", file.file
            )
        return _json(await run_in_threadpool(state_json, opened))

    def state(self, request: Request) -> Response:
        return _json(state_json(self._of(request)))

    def frame(self, request: Request) -> Response:
        opened, index = self._of(request), request.path_params["frame"]
        width = _integer(request, "w", 16, 8192)
        tag = f'"{opened.id}-{_stamp(opened)}-{index}-{width or 0}"'
        return self._picture(
            request, tag, lambda: jpeg(scaled(opened.session.frame(index).rgb, width=width))
        )

    def thumb(self, request: Request) -> Response:
        opened, index = self._of(request), request.path_params["frame"]
        tag = f'"{opened.id}-{_stamp(opened)}-{index}-thumb"'
        return self._picture(request, tag, lambda: opened.thumb(index))

    def masks(self, request: Request) -> Response:
        opened, before = self._of(request), request.query_params.get("before") == "1"
        index = request.path_params["frame"]
        _check_frame(opened, index)
        return _json(masks_json(opened.session, index, before=before))

    def times(self, request: Request) -> Response:
        return _json({"times": self._of(request).session.reader.times()})

    def timeline(self, request: Request) -> Response:
        return _json(timeline_json(self._of(request).session))

    async def add_object(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        name = _name(data) if data.get("name") else None
        await run_in_threadpool(opened.session.add_object, name)
        return _json(state_json(opened))

    async def change_object(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        colour = data.get("colour")
        if colour is not None and not _COLOUR.fullmatch(str(colour)):
            raise HTTPException(400, "this is not a colour: give #rrggbb")
        opened.session.change_object(
            request.path_params["object"],
            name=_name(data) if "name" in data else None,
            colour=None if colour is None else str(colour).lower(),
            visible=bool(data["visible"]) if "visible" in data else None,
        )
        return _json(state_json(opened))

    def remove_object(self, request: Request) -> Response:
        opened = self._of(request)
        opened.check_idle()
        opened.session.remove_object(request.path_params["object"])
        return _json(state_json(opened))

    async def gesture(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        return _json(await run_in_threadpool(self._gesture, opened, data))

    def _gesture(self, opened: OpenSession, data: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        session = opened.session
        frame, object_id = _whole(data, "frame"), _whole(data, "object")
        session.mark(frame, object_id, mark_of(data, session.size))
        masks = masks_json(session, frame)
        spent = 1000 * (time.perf_counter() - begun)
        return {"state": state_json(opened), "masks": masks, "milliseconds": round(spent, 1)}

    def undo(self, request: Request) -> Response:
        opened = self._of(request)
        return _json(self._after(opened, opened.session.undo()))

    def redo(self, request: Request) -> Response:
        opened = self._of(request)
        return _json(self._after(opened, opened.session.redo()))

    def _after(self, opened: OpenSession, frame: int | None) -> dict[str, Any]:
        masks = {} if frame is None else {"masks": masks_json(opened.session, frame)}
        return {"state": state_json(opened), "frame": frame, **masks}

    async def track(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        direction = data.get("direction", "forward")
        if direction not in ("forward", "backward", "both"):
            raise HTTPException(400, "unknown direction: choose forward, backward or both")
        stop = None if data.get("stop") is None else _whole(data, "stop")
        directions = ("forward", "backward") if direction == "both" else (direction,)
        passes = [
            {
                "start": _whole(data, "start"),
                "stop": stop,
                "direction": way,
                "until_next": bool(data.get("until_next", False)),
            }
            for way in directions
        ]
        await run_in_threadpool(self._studio.track, opened, passes)
        return _json(await run_in_threadpool(state_json, opened))

    async def job(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        action = data.get("action")
        if action not in ("pause", "resume", "cancel"):
            raise HTTPException(400, "unknown action: choose pause, resume or cancel")
        if opened.job is not None:
            getattr(opened.job, action)()
        return _json(await run_in_threadpool(state_json, opened))

    def review(self, request: Request) -> Response:
        return _json(review_json(self._of(request).session))

    async def accept(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        frame = _whole(data, "frame")
        _check_frame(opened, frame)
        await run_in_threadpool(opened.session.accept, frame)
        return _json(await run_in_threadpool(state_json, opened))

    def preview(self, request: Request) -> Response:
        opened, query = self._of(request), request.query_params
        index = _integer(request, "frame", 0, 2**31) or 0
        session = opened.session
        options = sink_options(
            session, query.get("style") or None, only_visible=query.get("only_visible") == "1"
        )
        shown = preview(session, index, query.get("output", "overlay"), options)
        picture = jpeg(scaled(shown, width=1280))
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def export(self, request: Request) -> Response:
        opened, data = self._of(request), await _body(request)
        output, style = _text(data, "output", 40), data.get("style") or None
        options = sink_options(
            opened.session,
            None if style is None else str(style),
            only_visible=bool(data.get("only_visible", False)),
        )

        def work(job: Job) -> str:
            written = opened.session.export(output, options, on_frame=job.step)
            job.report.warnings = written.warnings
            return written.place.name

        await run_in_threadpool(self._studio.start_job, opened, "export", work, needs_model=False)
        return _json(await run_in_threadpool(state_json, opened))

    def downloads(self, request: Request) -> Response:
        folder = self._of(request).session.paths.exports
        files = sorted(p for p in folder.glob("[!.]*") if p.is_file() and not p.is_symlink())
        return _json({"files": [{"name": p.name, "size": p.stat().st_size} for p in files]})

    def download(self, request: Request) -> Response:
        folder = self._of(request).session.paths.exports
        name = request.path_params["name"]
        path = contained(folder, name)
        if path is None or not path.is_file() or path.name.startswith("."):
            raise NotFoundError("there is no such download: export it again")
        return FileResponse(path, filename=path.name, headers={"Cache-Control": "no-store"})

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            events(self._of(request)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def _of(self, request: Request) -> OpenSession:
        return self._studio.get(request.path_params["session"])

    @staticmethod
    def _picture(request: Request, tag: str, make: Callable[[], bytes]) -> Response:
        headers = {"ETag": tag, "Cache-Control": "private, max-age=600"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(make(), media_type="image/jpeg", headers=headers)


def _json(data: dict[str, Any]) -> Response:
    return JSONResponse(data, headers={"Cache-Control": "no-store"})


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_JSON:
            raise HTTPException(413, "the request is too large: draw a shorter stroke")
    try:
        data = json.loads(bytes(raw) or b"{}")
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise HTTPException(400, "the request is not a JSON object: reload the page")
    return data


def _limited(receive: Receive, limit: int, request: Request) -> Receive:
    """Wrap ``receive`` so that it raises once a request exceeds a number of bytes."""
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit - _FORM)
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(limit - _FORM)
        return message

    return counted


def _too_large(limit: int) -> HTTPException:
    return HTTPException(
        413, f"the file is larger than {limit / 2**20:,.0f} MiB: open it with --root instead"
    )


def _text(data: dict[str, Any], key: str, most: int) -> str:
    value = data.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise HTTPException(400, f"'{key}' is missing or not text: reload the page")
    return value


def _whole(data: dict[str, Any], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise HTTPException(400, f"'{key}' is missing or not a whole number: reload the page")
    return value


def _name(data: dict[str, Any]) -> str:
    name = " ".join(_text(data, "name", 1000).split())
    printable = "".join(letter for letter in name if letter.isprintable())[:_MOST_NAME]
    if not printable:
        raise HTTPException(400, "the name is empty: give a name")
    return printable


def _integer(request: Request, key: str, least: int, most: int) -> int | None:
    text = request.query_params.get(key)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
        raise HTTPException(400, f"'{key}' is not a number from {least} to {most}")
    return int(text)


def _check_frame(opened: OpenSession, index: int) -> None:
    count = opened.session.frame_count
    if index >= count:
        raise NotFoundError(f"there is no frame {index}: frames are 0 to {count - 1}")


def _stamp(opened: OpenSession) -> str:
    """Return a stamp that changes with the source."""
    try:
        status = Path(opened.session.source).stat()
    except OSError:
        return "0"
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


async def _user_error(request: Request, error: Exception) -> Response:
    status = 400
    if isinstance(error, NotFoundError):
        status = 404
    elif isinstance(error, BusyError):
        status = 409
    elif isinstance(error, AnnotationError):
        status = 422
    return _failed(str(error), status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _failed(str(error.detail), error.status_code)


async def _program_error(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _failed("an error in the program; see what it printed, and try again", 500)


def _failed(reason: str, status: int) -> Response:
    return JSONResponse(
        {"error": reason}, status_code=status, headers={"Cache-Control": "no-store"}
    )
