"""Tracking several sequences at once, a process for each.

A worker reports a frame before it writes it, so that one whose parent was killed writes nothing
more.
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
    """What is common to all sequences of a run.

    Attributes:
        settings: see ``persam_video.config.Settings``.
        out: where the results go.
        threads: that a process computes with.
    """

    settings: Settings
    out: BenchmarkFolder
    threads: int


def track_in_processes(
    plans: Sequence[SequencePlan], work: Work, workers: int
) -> Generator[Event, None, None]:
    """Track sequences in processes of their own.

    Leaving the iteration early ends the processes.

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
                    f"the process that tracked {event.task.name} ended too early (out of memory?): "
                    "run it again, with fewer --workers"
                )
            yield event


def _handler(work: Work, share: Share) -> Handler[SequencePlan, Event]:
    """Load the model of a process, and return what tracks a sequence with it."""
    use_share(share)
    model = load_model(work.settings)

    def track(plan: SequencePlan, tell: Callable[[Event], None]) -> None:
        for event in track_sequence(plan, model, work.settings, work.out):
            tell(event)

    return track
