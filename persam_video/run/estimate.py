"""Estimating how long a run will take, from its first encoded frame."""

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel
from persam_video.util.timing import StageClock
from persam_video.video import Frame

_log = logging.getLogger(__name__)

_WORTH_TELLING = 60.0
"""Seconds; before a shorter run is over, its progress has told enough."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time to encode the remaining frames of a run; all other work comes on top.

    Attributes:
        model: name of the model.
        frame_seconds: measured seconds per frame.
        frames: number of frames left.
        lite_frame_seconds: seconds per frame with the embedded model, if that is faster.
        at_once: number of frames encoded at the same time.
    """

    model: str
    frame_seconds: float
    frames: int
    lite_frame_seconds: float | None = None
    at_once: int = 1

    @property
    def seconds(self) -> float:
        """For all frames."""
        return self.frames * self.frame_seconds / self.at_once

    def __str__(self) -> str:
        text = (
            f"{self.model} needs about {self.frame_seconds:.1f} s per frame on this machine: "
            f"about {_in_words(self.seconds)} for {self.frames} frames"
        )
        if self.lite_frame_seconds is None:
            return text
        share = self.lite_frame_seconds / self.frame_seconds
        return f"{text}; --model lite takes about {_in_words(self.seconds * share)}"


def is_slow(model: SamModel) -> bool:
    """Return whether runs with this model are slow enough for an estimate to help.

    On a GPU the first frame takes longer than all others, and the embedded model encodes several
    frames side by side, so neither is estimated: the progress bar is enough for both.
    """
    return model.device.type == "cpu" and not model.encodes_side_by_side


def estimate(
    model: SamModel, frame_seconds: float, frames: int, rgb: NDArray[np.uint8], at_once: int = 1
) -> Estimate | None:
    """Estimate the time to encode the frames of a run; ``None`` if it is short.

    Also measures the embedded model on one frame.

    Args:
        model: the model that encodes.
        frame_seconds: measured seconds per frame.
        frames: number of frames to encode.
        rgb: a frame, uint8 of shape (H, W, 3).
        at_once: number of frames encoded at the same time, by separate processes.
    """
    name = model.info.name
    if frames * frame_seconds / at_once < _WORTH_TELLING:
        return None
    lite = None if name == "lite" else encode_seconds(load_sam("lite", device="cpu"), rgb)
    if lite is not None and lite >= frame_seconds:
        lite = None
    told = Estimate(name, frame_seconds, frames, lite, at_once)
    _log.info("%s", told)
    return told


def encode_seconds(model: SamModel, rgb: NDArray[np.uint8]) -> float:
    """Return the seconds that a model takes to encode a frame, uint8 of shape (H, W, 3)."""
    begun = time.perf_counter()
    model.encode(rgb)
    return time.perf_counter() - begun


class Estimator:
    """Gives one estimate, after a tracker's first encoded frame, if the model ``is_slow``.

    Args:
        model: the model that encodes.
        clock: the tracker's stage timer.
    """

    def __init__(self, model: SamModel, clock: StageClock) -> None:
        self._model = model
        self._clock = clock
        self._waiting = is_slow(model)

    def after(self, frame: Frame, remaining: int | None) -> Estimate | None:
        """Return the estimate if the frame is the first one encoded and much work is left.

        Args:
            frame: the tracker's current frame.
            remaining: number of frames left, if known.
        """
        frame_seconds = self._clock.seconds.get("encode", 0.0)
        if not self._waiting or not frame_seconds:
            return None
        self._waiting = False
        if remaining is None:
            return None
        return estimate(self._model, frame_seconds, remaining, frame.rgb)


def _in_words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes >= 120:
        return f"{minutes / 60:.1f} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
