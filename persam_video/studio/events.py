"""Server-sent events: tell pages about the changes of a session.

A slow page gets fewer events, not stale ones: only the latest of each kind waits to be sent.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from persam_video.errors import PersamVideoError
from persam_video.studio.studio import OpenSession
from persam_video.studio.views import masks_json, state_json

PING_SECONDS = 10.0
_PAUSE = 0.04  # seconds between two events for a page


class Mailbox:
    """Changes that a page has not been told yet; may be filled from any thread.

    Args:
        loop: event loop that serves the page.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: dict[str, int | None] = {}
        self._filled = asyncio.Event()

    def put(self, what: str, frame: int | None = None) -> None:
        """Queue a change; it replaces an earlier one of its kind."""
        with self._lock:
            self._waiting[what] = frame
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._filled.set)

    async def take(self, timeout: float) -> dict[str, int | None]:
        """Return the changes, waiting up to some seconds for the first."""
        try:
            await asyncio.wait_for(self._filled.wait(), timeout)
        except asyncio.TimeoutError:
            return {}
        with self._lock:
            self._filled.clear()
            waiting, self._waiting = self._waiting, {}
        return waiting


async def events(opened: OpenSession) -> AsyncIterator[str]:
    """Yield the events of a session as ``text/event-stream``, beginning with its state."""
    mailbox = Mailbox(asyncio.get_running_loop())
    unsubscribe = opened.session.subscribe(mailbox.put)
    mailbox.put("state")
    failed: str | None = None
    try:
        while True:
            waiting = await mailbox.take(PING_SECONDS)
            if not waiting:
                yield _event("ping", {})
            for what, frame in waiting.items():
                try:
                    if what == "masks" and frame is not None:
                        data = await run_in_threadpool(masks_json, opened.session, frame)
                    else:
                        data = await run_in_threadpool(state_json, opened)
                except PersamVideoError as error:
                    yield _event("problem", {"error": str(error)})
                    continue
                yield _event(what, data)
                failure = _failure(data)
                if failure is not None and failure != failed:
                    yield _event("problem", {"error": failure})
                failed = failure if what == "state" else failed
            await asyncio.sleep(_PAUSE)
    finally:
        unsubscribe()


def _failure(state: dict[str, Any]) -> str | None:
    job = state.get("job")
    return job["message"] if job and job["state"] == "failed" else None


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
