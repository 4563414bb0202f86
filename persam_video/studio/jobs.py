"""Background jobs: one per session, which can be paused and cancelled."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from persam_video.errors import PersamVideoError
from persam_video.studio.model import TurnLock

_log = logging.getLogger(__name__)

_SMOOTHING = 0.2
_TELL_EVERY = 0.2  # seconds between two reports of progress


class JobState(str, Enum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class Cancelled(Exception):  # noqa: N818
    """Raised to end a cancelled job; not an error."""


@dataclass
class Report:
    """Progress of a job, as it is shown.

    Attributes:
        kind: ``track`` or ``export``.
        state: its state.
        done: frames finished.
        total: frames in all.
        fps: current frames per second; ``None`` before the first frame.
        frame: index of the frame tracked last; ``None`` before the first.
        message: a line for the user.
        warnings: what to look at in what was made, one line each.
    """

    kind: str
    state: JobState = JobState.QUEUED
    done: int = 0
    total: int = 0
    fps: float | None = None
    frame: int | None = None
    message: str = ""
    warnings: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        left = None if not self.fps else round((self.total - self.done) / self.fps, 1)
        return {
            "kind": self.kind,
            "state": self.state.value,
            "done": self.done,
            "total": self.total,
            "fps": None if self.fps is None else round(self.fps, 2),
            "seconds_left": left if self.state in ACTIVE else None,
            "frame": self.frame,
            "message": self.message,
            "warnings": list(self.warnings),
        }


class Job:
    """A piece of work in a thread of its own.

    Args:
        kind: ``track`` or ``export``.
        work: gets the job, calls ``step`` after every frame, and returns a line for the user.
        turn: held while the job runs, and released while it is paused; ``None`` if the job need not
            wait for others.
        tell: called after every change, from the job's thread.
    """

    def __init__(
        self,
        kind: str,
        work: "Callable[[Job], str]",
        turn: TurnLock | None,
        tell: Callable[[], None],
    ) -> None:
        self.report = Report(kind)
        self._work = work
        self._turn = turn
        self._tell = tell
        self._go = threading.Event()
        self._go.set()
        self._cancel = threading.Event()
        self._last = self._told = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"studio-{kind}", daemon=True)

    @property
    def active(self) -> bool:
        """Whether the job has not ended."""
        return self.report.state in ACTIVE

    def start(self) -> None:
        """Start, as soon as it is this job's turn."""
        self._thread.start()

    def pause(self) -> None:
        """Pause after the current frame, until ``resume``."""
        if self.active:
            self._go.clear()

    def resume(self) -> None:
        """Continue after a pause."""
        self._go.set()

    def cancel(self) -> None:
        """Stop after the current frame; finished frames are kept."""
        self._cancel.set()
        self._go.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job has ended."""
        self._thread.join(timeout)

    def step(self, done: int, total: int) -> None:
        """Count a finished frame, and wait while the job is paused.

        Raises:
            Cancelled: the job was cancelled.
        """
        now = time.monotonic()
        rate = 1 / max(now - self._last, 1e-6)
        known = self.report.fps
        self.report.fps = rate if known is None else known + _SMOOTHING * (rate - known)
        self._last = now
        self.report.done, self.report.total = done, total
        if now - self._told > _TELL_EVERY:
            self._told = now
            self._tell()
        self._hold()
        if self._cancel.is_set():
            raise Cancelled

    def _hold(self) -> None:
        if self._go.is_set():
            return
        self._set(JobState.PAUSED)
        if self._turn is not None:
            self._turn.release()  # others may run meanwhile
        self._go.wait()
        if self._turn is not None and not self._cancel.is_set():
            self._set(JobState.QUEUED)
        if self._turn is not None:
            self._turn.acquire()
        self._last = time.monotonic()
        self._set(JobState.RUNNING)

    def _run(self) -> None:
        if self._turn is not None:
            self._turn.acquire()
        try:
            self._hold()
            if self._cancel.is_set():
                raise Cancelled
            self._last = time.monotonic()
            self._set(JobState.RUNNING)
            message, state = self._work(self), JobState.DONE
        except Cancelled:
            message, state = "cancelled; finished frames are kept", JobState.CANCELLED
        except PersamVideoError as error:
            message, state = str(error), JobState.FAILED
        except Exception:
            _log.exception("a job of the studio failed")
            message = "an error in the program ended this; see what it printed, and try again"
            state = JobState.FAILED
        finally:
            if self._turn is not None:
                self._turn.release()
        self.report.message = message
        self._set(state)

    def _set(self, state: JobState) -> None:
        self.report.state = state
        self._tell()
