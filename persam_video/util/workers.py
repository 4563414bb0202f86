"""Running tasks one after the other, or in parallel worker processes.

An executor gives tasks to workers. A worker gets a task, reports what happens, returns a result,
and gets the next one.

Between processes, both ends notice at once when the other is gone: the pipe between them breaks,
and a worker that waits for a task ends. One that is stopped in the middle of a task, or that has
lost its parent, sees a keyboard interrupt there, and so leaves files as Ctrl-C does.
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
from typing import Any, Generic, Protocol, TypeVar

from persam_video.errors import PersamVideoError
from persam_video.util.logs import log_is_shown, show_log

_TaskT = TypeVar("_TaskT")
_EventT = TypeVar("_EventT")
_ResultT = TypeVar("_ResultT")
_EventT_co = TypeVar("_EventT_co", covariant=True)
_ResultT_co = TypeVar("_ResultT_co", covariant=True)

Tell = Callable[[_EventT], None]
"""Takes what happens."""

Handler = Callable[[_TaskT, Tell[_EventT]], _ResultT]
"""Does a task, calls the function that it is given with everything that happens, and returns the
result."""

MakeHandler = Callable[["Share"], Handler[_TaskT, _EventT, _ResultT]]
"""Prepares a worker for its share of the machine, and returns what does the tasks there."""

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
    """The worker that ran a task was killed, or exited.

    Attributes:
        task: the task.
        why: what is known of that, if anything.
    """

    task: _TaskT
    why: str | None = None


class Executor(Protocol[_TaskT, _EventT_co, _ResultT_co]):
    """Gives tasks to workers."""

    def run(
        self, tasks: Sequence[_TaskT], on_event: Tell[_EventT_co]
    ) -> Generator[_ResultT_co | TaskLost[_TaskT], None, None]:
        """Run tasks, one task at a time in each worker.

        Leaving the iteration early interrupts the workers and waits for their end.

        Args:
            tasks: in the order in which they start.
            on_event: called in this process with the handlers' reports as they arrive.

        Yields:
            The handlers' results in order of completion, and lost tasks.

        Raises:
            PersamVideoError: making a handler, or a handler, raised it.
        """
        ...


@dataclass(frozen=True)
class InProcess(Generic[_TaskT, _EventT, _ResultT]):
    """Runs tasks one after the other in this process.

    A report is taken before the handler continues, which a keyboard interrupt there reaches.

    Attributes:
        handle: does the tasks.
    """

    handle: Handler[_TaskT, _EventT, _ResultT]

    def run(
        self, tasks: Sequence[_TaskT], on_event: Tell[_EventT]
    ) -> Generator[_ResultT | TaskLost[_TaskT], None, None]:
        """Run tasks; see ``Executor``."""
        for task in tasks:
            yield self.handle(task, on_event)


@dataclass(frozen=True)
class Processes(Generic[_TaskT, _EventT, _ResultT]):
    """Runs picklable tasks in worker processes; one that dies is replaced.

    Attributes:
        make_handler: picklable; called once in each process with its share.
        workers: maximum number of processes.
        threads: threads per process.
    """

    make_handler: MakeHandler[_TaskT, _EventT, _ResultT]
    workers: int
    threads: int

    def run(
        self, tasks: Sequence[_TaskT], on_event: Tell[_EventT]
    ) -> Generator[_ResultT | TaskLost[_TaskT], None, None]:
        """Run tasks; see ``Executor``."""
        waiting = deque(tasks)

        def begin(number: int) -> "_Worker[_TaskT, _EventT, _ResultT]":
            return _Worker(self.make_handler, Share(number, self.threads), waiting.popleft())

        team = [begin(number) for number in range(min(self.workers, len(tasks)))]
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
                        yield event.result
                    else:
                        on_event(event)
        finally:
            # all are asked before the first one is waited for
            for worker in team:
                worker.interrupt()
            for worker in team:
                worker.end()


@dataclass(frozen=True)
class _Done(Generic[_ResultT]):
    """A worker is done with its task, and waits for the next one."""

    result: _ResultT


class _Worker(Generic[_TaskT, _EventT, _ResultT]):
    """A process that runs one task at a time.

    Attributes:
        connection: the end of the pipe to it.
        share: its share of the machine.
        task: its latest task.
        busy: whether it is running that task.
    """

    def __init__(
        self,
        make_handler: MakeHandler[_TaskT, _EventT, _ResultT],
        share: Share,
        task: _TaskT,
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

    def receive(self) -> _EventT | _Done[_ResultT]:
        event: _EventT | _Done[_ResultT] = self.connection.recv()
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
    connection: Connection, make_handler: MakeHandler[Any, Any, Any], share: Share, with_log: bool
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
                tell(_Done(handle(connection.recv(), tell)))
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
