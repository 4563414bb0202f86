"""What the workers of a test's fleet do; they import it."""

import ctypes
import time
from dataclasses import dataclass, replace

from persam_video.errors import PersamVideoError
from persam_video.fleet.options import NodeError
from persam_video.fleet.worker import WorkerFacts
from persam_video.sam.model import ModelInfo


@dataclass(frozen=True)
class Worker:
    """Does what a task says."""

    facts: WorkerFacts

    def __call__(self, task, tell):
        tell(("began", task))
        if task == "crash":
            ctypes.string_at(0)  # as a decoder with a wrong pointer
        if task == "hang":
            time.sleep(1000)
        if task == "full":
            raise NodeError("the disk is full")
        if task == "wrong":
            raise PersamVideoError("nobody can do this")
        return f"did {task}"

    def close(self):
        pass


def make(share):
    facts = WorkerFacts(ModelInfo("lite", "0", 128, "cpu", "fp32"), "0", {"python": "3"})
    return Worker(facts)


def make_different(share):
    """Give each worker another model."""
    made = make(share)
    model = replace(made.facts.model, sha256=str(share.number))
    return replace(made, facts=replace(made.facts, model=model))


def make_none(share):
    raise PersamVideoError("there are no weights here")
