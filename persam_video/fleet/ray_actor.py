"""A worker of a fleet, as it runs on its machine."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import ray

from persam_video.errors import PersamVideoError
from persam_video.fleet.options import NodeError
from persam_video.fleet.worker import FleetHandler, WorkerFacts, version_difference
from persam_video.util.logs import show_log
from persam_video.util.run_record import installed_versions
from persam_video.util.workers import Share

_REPORT_SECONDS = 2.0  # reports of frames travel together, so that a fleet does not flood its head


@dataclass(frozen=True)
class Ready:
    """A worker can be given tasks.

    Attributes:
        host: name of its machine.
        node: Ray's id of that machine.
        facts: what its results depend on.
    """

    host: str
    node: str
    facts: WorkerFacts


@dataclass(frozen=True)
class Refused:
    """A worker cannot be used; ``why`` is a line for the user."""

    why: str


@dataclass(frozen=True)
class Ended:
    """A task has come to its end.

    Attributes:
        result: of its handler.
        fault: why this machine cannot do it, if so.
        error: what no machine can do.
    """

    result: Any = None
    fault: str | None = None
    error: PersamVideoError | None = None


class FleetActor:
    """Prepares a handler in a thread of its own, and gives it one task after the other.

    The thread is always the same: the number of threads that torch computes with, and the GPU that
    it uses, belong to the thread that set them.

    Args:
        share: the worker's share of its machine.
        versions: versions that this machine has to have.
        folder: working folder of the command, from which relative paths start.
        make_handler: Ray's reference to it, in a list, in which Ray leaves it alone: a machine with
            other versions may not be able to read it.
    """

    def __init__(
        self,
        share: Share,
        versions: Mapping[str, str],
        folder: str,
        make_handler: Sequence[Any],
    ) -> None:
        self._prepared: SimpleQueue[Ready | Refused] = SimpleQueue()
        self._tasks: SimpleQueue[Any] = SimpleQueue()
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._ended, self._stopping = Event(), Event()
        show_log(True)  # into the worker's log file, which the dashboard shows
        arguments = (share, versions, folder, make_handler)
        self._thread = Thread(target=self._serve, args=arguments, daemon=True)
        self._thread.start()

    def prepare(self) -> Ready | Refused:
        """Wait until the worker can be given tasks."""
        return self._prepared.get()

    def work(self, task: Any) -> Iterator[list[Any]]:
        """Do a task; yields lists of reports, of which the last ends with an ``Ended``."""
        self._ended.clear()
        self._tasks.put(task)
        while True:
            events = [self._events.get()]
            with suppress(Empty):
                while True:
                    events.append(self._events.get_nowait())
            yield events
            if isinstance(events[-1], Ended):
                return
            self._ended.wait(_REPORT_SECONDS)

    def stop(self) -> None:
        """Interrupt the task, and wait until the worker has put its files in order."""
        self._stopping.set()
        self._tasks.put(None)
        self._thread.join()

    def _serve(
        self, share: Share, versions: Mapping[str, str], folder: str, make_handler: Sequence[Any]
    ) -> None:
        difference = version_difference(versions, installed_versions())
        if difference is not None:
            why = f"has other versions ({difference}): install the same on all machines"
            self._prepared.put(Refused(why))
            return
        with suppress(OSError):  # only relative paths need it
            os.chdir(folder)
        try:
            handle: FleetHandler[Any, Any, Any] = ray.get(make_handler[0])(share)
        except Exception as error:
            self._prepared.put(Refused(_line(error)))
            return
        try:
            node = ray.get_runtime_context().get_node_id()
            self._prepared.put(Ready(platform.node(), node, handle.facts))
            while (task := self._tasks.get()) is not None and not self._stopping.is_set():
                self._events.put(self._end_of(handle, task))
                self._ended.set()
        finally:
            handle.close()

    def _end_of(self, handle: FleetHandler[Any, Any, Any], task: Any) -> Ended:
        try:
            return Ended(handle(task, self._tell))
        except NodeError as error:
            return Ended(fault=str(error))
        except PersamVideoError as error:
            return Ended(error=error)
        except BaseException as error:
            return Ended(error=PersamVideoError(_line(error)))

    def _tell(self, event: Any) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt
        self._events.put(event)


def _line(error: BaseException) -> str:
    if isinstance(error, PersamVideoError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
