"""Tracking several sequences at once, a process for each.

A worker gets a sequence, reports every frame, and gets the next one when it is done. Both ends
notice at once when the other is gone: the pipe between them breaks. A worker reports a frame before
it writes it, so that one whose parent was killed writes nothing more.
"""

import signal
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import cv2
import torch

from persam_video.config import Settings
from persam_video.davis.tracking import (
    BenchmarkFolder,
    Event,
    FrameTracked,
    SequencePlan,
    track_sequence,
)
from persam_video.errors import PersamVideoError
from persam_video.sam.load import load_model


@dataclass(frozen=True)
class Work:
    """What is common to all sequences of a run.

    Attributes:
        settings: see :class:`persam_video.config.Settings`.
        out: where the results go.
        threads: that a process computes with.
    """

    settings: Settings
    out: BenchmarkFolder
    threads: int


def track_in_processes(
    plans: Sequence[SequencePlan], work: Work, devices: Sequence[str]
) -> Generator[Event, None, None]:
    """Track sequences in processes of their own, one for each of ``devices``.

    Leaving the iteration early ends the processes.

    Raises:
        PersamVideoError: a result cannot be written, the model cannot be loaded, or a process was
            killed.
    """
    waiting = deque(plans)
    workers = [_Worker(work, device) for device in devices[: len(plans)]]
    try:
        for worker in workers:
            worker.give(waiting.popleft())
        while busy := {worker.connection: worker for worker in workers if worker.plan is not None}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                event = worker.receive()
                if not isinstance(event, FrameTracked):
                    worker.give(waiting.popleft() if waiting else None)
                yield event
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process that tracks one sequence after the other.

    Attributes:
        connection: the end of the pipe to it.
        plan: the sequence that it works on; ``None`` when there are no more.
    """

    def __init__(self, work: Work, device: str) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.plan: SequencePlan | None = None
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, work, device), daemon=True
        )
        self._process.start()
        # only the worker holds its end now, so that the pipe breaks when it dies
        theirs.close()

    def give(self, plan: SequencePlan | None) -> None:
        self.plan = plan
        if plan is not None:
            with suppress(ConnectionError):  # receiving says why
                self.connection.send(plan)

    def receive(self) -> Event:
        try:
            event: Event | PersamVideoError = self.connection.recv()
        except (EOFError, ConnectionError):  # reset when it died with something unread
            name = "a sequence" if self.plan is None else self.plan.name
            raise PersamVideoError(
                f"the process that tracked {name} ended too early (out of memory?): run it again, "
                "with fewer --workers"
            ) from None
        if isinstance(event, PersamVideoError):
            raise event
        return event

    def end(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _serve(connection: Connection, work: Work, device: str) -> None:
    """Track what comes through the pipe until it breaks."""
    # Ctrl-C reaches every process of the terminal; the parent decides what becomes of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(work.threads)
    cv2.setNumThreads(work.threads)
    chosen = work.settings.model.model_copy(update={"device": device})
    settings = work.settings.model_copy(update={"model": chosen})
    with suppress(EOFError, ConnectionError):
        try:
            model = load_model(settings)
            while True:
                for event in track_sequence(connection.recv(), model, settings, work.out):
                    connection.send(event)
        except PersamVideoError as error:
            connection.send(error)
