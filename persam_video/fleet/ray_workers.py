"""Running tasks in workers on the machines of a Ray cluster.

Ray decides on which machine a worker runs, and tells when one is gone. Each worker has one task at
a time, so that nothing queues up where it would be lost, or where a free worker could not take it.
"""

import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayError

from persam_video.errors import ConfigError, PersamVideoError
from persam_video.fleet.options import AUTO, LOCAL, RayOptions
from persam_video.fleet.ray_actor import Ended, FleetActor, Ready, Refused
from persam_video.fleet.worker import FleetHandler, WorkerFacts, facts_difference
from persam_video.util.machine import available_cores
from persam_video.util.run_record import installed_versions
from persam_video.util.workers import Share, TaskLost, Tell

_TaskT = TypeVar("_TaskT")
_EventT = TypeVar("_EventT")
_ResultT = TypeVar("_ResultT")

MakeFleetHandler = Callable[[Share], FleetHandler[_TaskT, _EventT, _ResultT]]
"""Prepares a worker of a fleet, and returns what does the tasks there."""

_LOOK_SECONDS = 2.0  # how often the size of the cluster is looked at
_PATIENCE = 5.0  # seconds that workers have to put their files in order
_ROOM_SECONDS = 120.0  # without a worker, until the user is told what is waited for
_MOST_DEATHS = 3  # of workers in a row, before one of them was ready
_STORE_BYTES = 100 << 20  # Ray's object store has nothing to hold but reports
_STANDARD_ERROR = 2
_ANSWER_SECONDS = 10.0  # until a head that does not answer counts as out of reach
# the first frame of either side of HTTP/2 has its settings (RFC 9113, sections 3.4 and 4.1)
_HTTP2_SETTINGS = b"\x04"
_HTTP2_HEADER_BYTES = 9
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _HTTP2_SETTINGS + bytes(5)
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Attempt(Generic[_TaskT]):
    """A task, how often it was begun, and the machines on which that ended badly."""

    task: _TaskT
    tries: int = 0
    avoided: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Worker(Generic[_TaskT]):
    """A worker.

    Attributes:
        name: shown by Ray's dashboard.
        actor: Ray's handle of it.
        awaited: what Ray is to give next: its preparation, reports, or ``None`` for an idle one.
        ready: what it said of itself, once it can be given tasks.
        attempt: its task.
        heard: when it was given its task, or last reported something.
    """

    name: str
    actor: Any
    awaited: Any
    ready: Ready | None = None
    attempt: _Attempt[_TaskT] | None = None
    heard: float = 0.0

    @property
    def place(self) -> str:
        """What to call it in messages."""
        return f"{self.name} on {self.ready.host}" if self.ready else self.name


class RayWorkers(Generic[_TaskT, _EventT, _ResultT]):
    """Runs picklable tasks on a Ray cluster; an executor, within a ``with`` block.

    A worker that dies is replaced, and its task is tried again, on another machine if there is one.
    A worker that differs from this process or from the first worker, in what masks depend on, is
    not used.

    Args:
        make_handler: picklable; called once in each worker.
        options: the workers.
        warn: called with a line for the user.
    """

    def __init__(
        self,
        make_handler: MakeFleetHandler[_TaskT, _EventT, _ResultT],
        options: RayOptions,
        warn: Callable[[str], None],
    ) -> None:
        self._options = options
        self._warn = warn
        self._make_handler = make_handler
        self._numbers = count(1)
        self._team: list[_Worker[_TaskT]] = []
        self._facts: WorkerFacts | None = None
        self._refused: dict[str, int] = {}
        self._deaths = 0
        self._most = 0
        self._room = 0
        self._looked = -_LOOK_SECONDS
        self._begun = time.monotonic()

    def __enter__(self) -> "RayWorkers[_TaskT, _EventT, _ResultT]":
        """Connect to the cluster, or start Ray here.

        Raises:
            ConfigError: there is none at the address, or no machine of it has room for a worker.
        """
        _connect(self._options.address)
        try:
            made = [ray.put(self._make_handler)]
            self._arguments = (installed_versions(), str(Path.cwd()), made)
            resources = ray.cluster_resources()
            gpus = self._options.gpus
            self._gpus = float(resources.get("GPU", 0) >= 1) if gpus is None else gpus
            if self._options.workers is None and not self._capacity():
                raise ConfigError(
                    f"no machine of the cluster has {self._options.cores} cores and {self._gpus:g} "
                    "GPUs: start workers first, or ask for less with --cores-per-worker and "
                    "--gpus-per-worker"
                )
        except BaseException:
            ray.shutdown()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers, and a Ray that was started for them."""
        try:
            self._dismiss(self._team)
        finally:
            ray.shutdown()

    def facts(self, tasks: int) -> WorkerFacts:
        """Begin workers for so many tasks, and return what the results of the first depend on.

        Raises:
            PersamVideoError: no worker can be used.
        """
        while self._facts is None:
            self._resize(tasks)
            for worker in self._answered():
                self._met(worker)
        return self._facts

    def run(
        self, tasks: Sequence[_TaskT], on_event: Tell[_EventT]
    ) -> Generator[_ResultT | TaskLost[_TaskT], None, None]:
        """Run tasks; see ``persam_video.util.workers.Executor``."""
        waiting = [_Attempt(task) for task in tasks]
        try:
            while waiting or any(worker.attempt for worker in self._team):
                self._resize(len(waiting) + sum(w.attempt is not None for w in self._team))
                self._hand_out(waiting)
                for worker in self._answered():
                    if worker.attempt is None:
                        self._met(worker)
                        continue
                    ended = self._heard(worker, on_event)
                    if isinstance(ended, Ended) and ended.fault is None:
                        worker.attempt = worker.awaited = None
                        if ended.error is not None:
                            raise ended.error
                        yield ended.result
                    elif ended is not None and (lost := self._fail(worker, ended, waiting)):
                        yield lost
                for worker in self._stalled():
                    why = f"nothing was heard of it for {self._options.stall_seconds:g} seconds"
                    if lost := self._fail(worker, why, waiting):
                        yield lost
        finally:
            self._dismiss([worker for worker in self._team if worker.attempt is not None])

    def _hand_out(self, waiting: list[_Attempt[_TaskT]]) -> None:
        """Give each idle worker the first task that may run on its machine."""
        nodes = {worker.ready.node if worker.ready else "" for worker in self._team}
        for worker in self._team:
            if worker.ready is None or worker.awaited is not None:
                continue
            node = worker.ready.node
            # a machine to avoid is better than none
            may = [
                attempt
                for attempt in waiting
                if node not in attempt.avoided or nodes <= attempt.avoided
            ]
            if may:
                waiting.remove(may[0])
                worker.attempt, worker.heard = may[0], time.monotonic()
                worker.awaited = worker.actor.work.options(num_returns="streaming").remote(
                    may[0].task
                )

    def _answered(self) -> Iterator[_Worker[_TaskT]]:
        """Wait a while for workers that have something to say."""
        awaited = {worker.awaited: worker for worker in self._team if worker.awaited is not None}
        if not awaited:
            time.sleep(0.1)
            return
        ready, _ = ray.wait(list(awaited), num_returns=1, timeout=1.0)
        yield from (awaited[answer] for answer in ready)

    def _met(self, worker: _Worker[_TaskT]) -> None:
        """Take a worker that is prepared into the team, unless it cannot be used."""
        try:
            said: Ready | Refused = ray.get(worker.awaited)
        except RayError as error:
            self._deaths += 1
            if self._deaths >= _MOST_DEATHS:
                raise PersamVideoError(
                    f"workers die before they are ready ({_cause(error)}): look into their logs in "
                    "Ray's dashboard"
                ) from error
            self._remove(worker)
            return
        if isinstance(said, Ready):
            difference = facts_difference(self._facts, said.facts) if self._facts else None
            if difference is None:
                self._facts = self._facts or said.facts
                self._deaths = 0
                worker.ready, worker.awaited = said, None
                _log.info("%s is ready", worker.place)
                return
            worker.ready = said
            said = Refused(f"differs from the first worker ({difference})")
        self._leave_out(worker, said.why)

    def _heard(self, worker: _Worker[_TaskT], on_event: Tell[_EventT]) -> Ended | str | None:
        """Pass on what a worker reports; return how its task, or the worker itself, ended."""
        try:
            events = ray.get(next(worker.awaited))
        except StopIteration:
            return "it ended"
        except RayError as error:
            return _cause(error)
        worker.heard = time.monotonic()
        *reports, last = events
        for event in reports:
            on_event(event)
        if isinstance(last, Ended):
            return last
        on_event(last)
        return None

    def _stalled(self) -> list[_Worker[_TaskT]]:
        """Return the workers that have been silent about their task for too long."""
        limit, now = self._options.stall_seconds, time.monotonic()
        silent = [
            worker
            for worker in self._team
            if limit and worker.attempt is not None and now - worker.heard > limit
        ]
        # where this process itself was stopped for a while, what they said lies ready
        return [worker for worker in silent if not ray.wait([worker.awaited], timeout=0)[0]]

    def _fail(
        self, worker: _Worker[_TaskT], ended: Ended | str, waiting: list[_Attempt[_TaskT]]
    ) -> TaskLost[_TaskT] | None:
        """Part with a worker; let its task be tried again, or return it as lost.

        Args:
            worker: has a task.
            ended: what is wrong with its machine, or why it is gone.
            waiting: gets a task that is to be tried again.
        """
        attempt, fault = worker.attempt, ended.fault if isinstance(ended, Ended) else None
        why = ended if isinstance(ended, str) else str(fault)
        worker.attempt = worker.awaited = None
        self._leave_out(worker, fault)
        if attempt is None:
            return None
        attempt.tries += 1
        if worker.ready is not None:
            attempt.avoided.add(worker.ready.node)
        _log.info("%s: %s", worker.place, why)
        if attempt.tries > self._options.retries:
            times = "once" if attempt.tries == 1 else f"{attempt.tries} times"
            return TaskLost(attempt.task, f"tried {times}, last by {worker.place}: {why}")
        waiting.insert(0, attempt)
        return None

    def _leave_out(self, worker: _Worker[_TaskT], fault: str | None) -> None:
        """Part with a worker; one with a fault is not replaced."""
        self._remove(worker)
        if fault is None:
            return
        host = worker.ready.host if worker.ready else None
        line = f"{host}: {fault}" if host else fault
        if line not in self._refused:
            self._warn(f"a worker is not used: {line}")
        self._refused[line] = self._refused.get(line, 0) + 1
        self._looked = -_LOOK_SECONDS

    def _resize(self, open_tasks: int) -> None:
        """Begin the workers that are missing, and end those for which nothing is left."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            refused = sum(self._refused.values())
            # machines that are gone may come back, and for workers that wait a cluster may grow
            self._most = self._options.workers or max(self._most, self._capacity())
            self._room = max(0, self._most - refused)
            if not self._room and refused and not self._team:
                raise PersamVideoError(f"no worker can be used: {[*self._refused][-1]}")
        wanted = min(self._room, open_tasks)
        idle = [worker for worker in self._team if worker.attempt is None]
        # those that are not ready go first
        idle.sort(key=lambda worker: worker.ready is not None)
        self._dismiss(idle[: max(0, len(self._team) - wanted)])
        while len(self._team) < wanted:
            self._team.append(self._begin())
        if any(worker.ready for worker in self._team):
            self._begun = now
        elif now - self._begun > _ROOM_SECONDS:
            self._begun = float("inf")
            self._warn(
                f"no worker after two minutes: each needs {self._options.cores} free cores and "
                f"{self._gpus:g} GPUs on a machine of the cluster; still waiting"
            )

    def _capacity(self) -> int:
        """Return how many workers the machines of the cluster have room for."""
        return sum(_room(node, self._options.cores, self._gpus) for node in ray.nodes())

    def _begin(self) -> _Worker[_TaskT]:
        number = next(self._numbers)
        name = f"worker {number}"
        actor = (
            ray.remote(FleetActor)
            .options(
                name=f"persam-video {name}",
                num_cpus=self._options.cores,
                num_gpus=self._gpus,
                max_concurrency=2,  # a task, and its interruption
                max_restarts=0,
            )
            .remote(Share(number - 1, self._options.cores), *self._arguments)
        )
        return _Worker(name, actor, actor.prepare.remote())

    def _remove(self, worker: _Worker[_TaskT]) -> None:
        # also one that is gone: a machine that is only out of reach must not go on
        with suppress(RayError):
            ray.kill(worker.actor)
        self._team.remove(worker)

    def _dismiss(self, workers: Iterable[_Worker[_TaskT]]) -> None:
        """End workers, after they have put their files in order."""
        workers = list(workers)
        if not workers:
            return
        stopping = [worker.actor.stop.remote() for worker in workers if worker.ready]
        try:
            if stopping:
                ray.wait(stopping, num_returns=len(stopping), timeout=_PATIENCE)
        finally:
            for worker in workers:
                self._remove(worker)


def _room(node: dict[str, Any], cores: int, gpus: float) -> int:
    """Return how many workers a machine has room for."""
    if not node["Alive"]:
        return 0
    by_cores = int(node["Resources"].get("CPU", 0) // cores)
    if not gpus:
        return by_cores
    whole = int(node["Resources"].get("GPU", 0))
    return min(by_cores, int(whole // gpus) if gpus >= 1 else whole * int(1 / gpus))


def _cause(error: RayError) -> str:
    """Say in a few words why a worker is gone."""
    text = " ".join(str(error).split())
    for mark, words in (
        ("out of memory", "its machine ran out of memory"),
        ("node was terminated", "its machine is gone"),
        ("node has died", "its machine is gone"),
        ("its node", "its machine is gone"),
    ):
        if mark in text:
            return words
    return "its process died (out of memory, or a video that crashes the decoder?)"


def _connect(address: str) -> None:
    """Connect to a cluster, or start Ray on this machine.

    Raises:
        ConfigError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anyone
    # Ray lets workers give way to everything else, which the processes of --workers do not
    os.environ.setdefault("RAY_worker_niceness", "0")
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    local = {
        "num_cpus": available_cores(),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    answered = False
    with _kept_signals(), _errors_into_log():
        try:
            answered = address != LOCAL and _answers(address)
            ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                **(local if address == LOCAL else {}),
            )
        except (OSError, RuntimeError, ValueError, RayError) as error:
            reason = str(error).split("\n", maxsplit=1)[0]
            if answered:
                raise ConfigError(
                    f"the Ray cluster at {address} cannot be joined ({reason}): it needs the same "
                    "version of Ray here, and the same RAY_AUTH_MODE and token"
                ) from error
            raise ConfigError(
                f"no Ray cluster at {address} ({reason}): start one with ray start --head, or "
                "pass --ray local"
            ) from error
    _keep_quiet()


def _answers(address: str) -> bool:
    """Return whether the head of a cluster answers; ``False`` if the address does not name it.

    Ray itself tries for ever where nothing answers.

    Raises:
        OSError: nothing does, or not as Ray's head, which is a gRPC server.
    """
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS", AUTO)
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return False
    with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") == "0":
            connection.sendall(_HTTP2_GREETING)
            with connection.makefile("rb") as answer:
                header = answer.read(_HTTP2_HEADER_BYTES)
            if header[3:4] != _HTTP2_SETTINGS:
                raise ConnectionError("something else than Ray's head answers there")
    return True


@contextmanager
def _kept_signals() -> Iterator[None]:
    """Undo that Ray answers SIGTERM, which this program ends its runs by."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _errors_into_log() -> Iterator[None]:
    """Log what is written to standard error, where Ray's core tells each time it tries again."""
    with tempfile.TemporaryFile() as kept:
        before = os.dup(_STANDARD_ERROR)
        os.dup2(kept.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(before, _STANDARD_ERROR)
            os.close(before)
            kept.seek(0)
            for line in kept.read().decode(errors="replace").splitlines():
                _log.info("%s", line)


def _keep_quiet() -> None:
    """Keep Ray from printing the logs of machines that are gone to standard output.

    It does so in a thread, whatever ``log_to_driver`` says, and has no option that prevents it.
    """
    from ray._private import worker  # noqa: PLC0415 what it has is for no one else to know

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, ignore_prefix: _log.info("%s", data.get("lines"))
