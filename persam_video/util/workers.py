"""Running tasks in parallel worker processes.

A worker gets a task, reports what happens, and gets the next one when it is done. Both ends notice
at once when the other is gone: the pipe between them breaks, and a worker that waits for a task
ends. One that is stopped in the middle of a task, or that has lost its parent, sees a keyboard
interrupt there, and so leaves files as Ctrl-C does.
"""

import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Generic, TypeVar

from persam_video.errors import PersamVideoError
from persam_video.util.logs import log_is_shown, show_log

_TaskT = TypeVar("_TaskT")
_EventT = TypeVar("_EventT")

Handler = Callable[[_TaskT, Callable[[_EventT], None]], None]
"""Does a task, and calls the function that it is given with everything that happens."""

MakeHandler = Callable[["Share"], Handler[_TaskT, _EventT]]
"""Prepares a process for its share of the machine, and returns what does the tasks there."""

_PATIENCE = 30.0  # seconds that a worker has to finish its files; one that hangs is killed then


@dataclass(frozen=True)
class Share:
    """A worker's share of the machine.

    Attributes:
        number: number of the worker, from 0; several GPUs are assigned in turn.
        threads: threads it computes with.
    """

    number: int
    threads: int


@dataclass(frozen=True)
class TaskLost(Generic[_TaskT]):
    """The process that ran a task was killed, or exited."""

    task: _TaskT


@dataclass(frozen=True)
class _Done:
    """A worker waits for its next task."""


def work_in_processes(
    tasks: Sequence[_TaskT],
    make_handler: MakeHandler[_TaskT, _EventT],
    *,
    workers: int,
    threads: int,
) -> Generator[_EventT | TaskLost[_TaskT], None, None]:
    """Run tasks in worker processes, one task at a time in each.

    A process that dies is replaced. Leaving the iteration early interrupts the processes and waits
    for their end.

    Args:
        tasks: picklable tasks, in the order in which they start.
        make_handler: picklable; called once in each process with its share.
        workers: maximum number of processes.
        threads: threads per process.

    Yields:
        The handlers' reports as they arrive, and lost tasks.

    Raises:
        PersamVideoError: making a handler, or a handler, raised it.
    """
    waiting = deque(tasks)

    def begin(number: int) -> "_Worker[_TaskT, _EventT]":
        return _Worker(make_handler, Share(number, threads), waiting.popleft())

    team = [begin(number) for number in range(min(workers, len(tasks)))]
    try:
        while busy := {worker.connection: worker for worker in team if worker.busy}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                try:
                    event = worker.receive()
                except (EOFError, ConnectionError):  # reset when it died with something unread
                    lost = worker.task
                    worker.end()
                    if waiting:
                        team[worker.share.number] = begin(worker.share.number)
                    yield TaskLost(lost)
                    continue
                if isinstance(event, _Done):
                    worker.give(waiting.popleft() if waiting else None)
                else:
                    yield event
    finally:
        # all are asked before the first one is waited for
        for worker in team:
            worker.interrupt()
        for worker in team:
            worker.end()


class _Worker(Generic[_TaskT, _EventT]):
    """A process that runs one task at a time.

    Attributes:
        connection: the end of the pipe to it.
        share: its share of the machine.
        task: its latest task.
        busy: whether it is running that task.
    """

    def __init__(
        self, make_handler: MakeHandler[_TaskT, _EventT], share: Share, task: _TaskT
    ) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.share = share
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, make_handler, share, log_is_shown()), daemon=True
        )
        with _without_interrupt():
            self._process.start()
        # only the worker holds its end now, so that the pipe breaks when it dies
        theirs.close()
        self.give(task)

    def give(self, task: _TaskT | None) -> None:
        self.busy = task is not None
        if task is not None:
            self.task = task
            with suppress(ConnectionError):  # receiving says why
                self.connection.send(task)

    def receive(self) -> _EventT | _Done:
        event: _EventT | _Done = self.connection.recv()
        if isinstance(event, PersamVideoError):
            raise event
        return event

    def interrupt(self) -> None:
        # one that waits for a task needs no signal: it sees that the pipe breaks
        if self.busy:
            self.busy = False
            self._process.terminate()
        self.connection.close()

    def end(self) -> None:
        self.interrupt()
        try:
            self._process.join(_PATIENCE)
        finally:  # a second Ctrl-C does not wait
            self._process.kill()
            self._process.join()


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Start processes that Ctrl-C, which reaches every process of a terminal, does not end.

    The parent decides what becomes of them.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    connection: Connection, make_handler: MakeHandler[Any, Any], share: Share, with_log: bool
) -> None:
    """Run the tasks that arrive through the pipe until it breaks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt = InterruptOnce()
    show_log(with_log)

    def tell(event: object) -> None:
        try:
            connection.send(event)
        except ConnectionError:
            raise KeyboardInterrupt from None  # nobody waits for the task any more

    with suppress(EOFError, ConnectionError, KeyboardInterrupt):
        try:
            signal.signal(signal.SIGTERM, interrupt)
            handle = make_handler(share)
            while True:
                handle(connection.recv(), tell)
                tell(_Done())
        except PersamVideoError as error:
            tell(error)
        finally:
            interrupt.armed = False  # Python itself is ending, which nothing may interrupt


class InterruptOnce:
    """A signal handler that raises a keyboard interrupt the first time only.

    The parent signals a worker, and so may the service manager and the terminal; files are finished
    once. The handler stays in place and does nothing then. To put ``SIG_IGN`` in its place would be
    a race: where a second signal has come in the meantime, Python finds no handler to call for it
    and prints "Signal 15 ignored due to race condition".

    Attributes:
        armed: whether the next signal raises.
    """

    def __init__(self) -> None:
        self.armed = True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: the first time.
        """
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt
