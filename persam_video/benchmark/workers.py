"""Tracking sequences, in this process or in several, one per worker.

A worker reports a frame before writing it, so that a worker whose parent was killed stops writing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import cv2
import torch

from persam_video.benchmark.tracking import (
    BenchmarkFolder,
    FrameTracked,
    Outcome,
    SequencePlan,
    track_sequence,
)
from persam_video.config import Settings
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.sam.share import use_share
from persam_video.util.workers import Executor, InProcess, Processes, Share, Tell


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


def sequence_executor(
    work: Work, workers: int, model: SamModel
) -> Executor[SequencePlan, FrameTracked, Outcome]:
    """Return what tracks sequences: this process with its model, or several with their own."""
    if workers > 1:
        return Processes(partial(_make_tracker, work), workers, work.threads)
    return InProcess(partial(_track_here, work, model))


def _make_tracker(work: Work, share: Share) -> "partial[Outcome]":
    """Load the model in a worker, and return the function that tracks a sequence with it."""
    use_share(share)
    return partial(_track, work, load_model(work.settings))


def _track(work: Work, model: SamModel, plan: SequencePlan, tell: Tell[FrameTracked]) -> Outcome:
    return track_sequence(plan, model, work.settings, work.out, tell)


def _track_here(
    work: Work, model: SamModel, plan: SequencePlan, tell: Tell[FrameTracked]
) -> Outcome:
    with use_threads(work.threads):
        return _track(work, model, plan, tell)


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Use this number of threads within the block."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
