"""Tracking several sequences in parallel, one per worker process.

A worker reports a frame before writing it, so that a worker whose parent was killed stops writing.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from persam_video.benchmark.tracking import BenchmarkFolder, Event, SequencePlan, track_sequence
from persam_video.config import Settings
from persam_video.errors import PersamVideoError
from persam_video.sam.build import load_model
from persam_video.sam.share import use_share
from persam_video.util.workers import Handler, Share, TaskLost, work_in_processes


@dataclass(frozen=True)
class Work:
    """What all sequences of a run share.

    Attributes:
        settings: how to track.
        out: where the results go.
        threads: threads per process.
    """

    settings: Settings
    out: BenchmarkFolder
    threads: int


def track_in_processes(
    plans: Sequence[SequencePlan], work: Work, workers: int
) -> Generator[Event, None, None]:
    """Track sequences in worker processes.

    Leaving the iteration early terminates them.

    Raises:
        PersamVideoError: a result cannot be written, the model cannot be loaded, or a process was
            killed.
    """
    make = partial(_handler, work)
    events = work_in_processes(plans, make, workers=workers, threads=work.threads)
    with closing(events):
        for event in events:
            if isinstance(event, TaskLost):
                raise PersamVideoError(
                    f"the process that tracked {event.task.name} died (out of memory?): "
                    "run it again, with fewer --workers"
                )
            yield event


def _handler(work: Work, share: Share) -> Handler[SequencePlan, Event]:
    """Load the model in a worker, and return the function that tracks a sequence with it."""
    use_share(share)
    model = load_model(work.settings)

    def track(plan: SequencePlan, tell: Callable[[Event], None]) -> None:
        for event in track_sequence(plan, model, work.settings, work.out):
            tell(event)

    return track
