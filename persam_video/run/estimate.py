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
    """

    model: str
    frame_seconds: float
    frames: int
    lite_frame_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """For all frames."""
        return self.frames * self.frame_seconds

    def __str__(self) -> str:
        text = (
            f"{self.model} needs about {self.frame_seconds:.1f} s per frame on this machine: "
            f"about {_in_words(self.seconds)} for {self.frames} frames"
        )
        if self.lite_frame_seconds is None:
            return text
        return (
            f"{text}; --model lite takes about {_in_words(self.frames * self.lite_frame_seconds)}"
        )


class Estimator:
    """Gives one estimate, after a tracker's first encoded frame.

    On a GPU the first frame takes longer than all others, and the embedded model encodes several
    frames side by side, so neither is estimated: the progress bar is enough for both.

    Args:
        model: the model that encodes.
        clock: the tracker's stage timer.
    """

    def __init__(self, model: SamModel, clock: StageClock) -> None:
        self._model = model
        self._clock = clock
        self._waiting = model.device.type == "cpu" and not model.encodes_side_by_side

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
        name = self._model.info.name
        if remaining is None or remaining * frame_seconds < _WORTH_TELLING:
            return None
        lite = None if name == "lite" else _lite_frame_seconds(frame.rgb)
        if lite is not None and lite >= frame_seconds:
            lite = None
        estimate = Estimate(name, frame_seconds, remaining, lite)
        _log.info("%s", estimate)
        return estimate


def _lite_frame_seconds(rgb: NDArray[np.uint8]) -> float:
    """Measure how long the embedded model takes to encode a frame on the CPU."""
    model = load_sam("lite", device="cpu")
    begun = time.perf_counter()
    model.encode(rgb)
    return time.perf_counter() - begun


def _in_words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes >= 120:
        return f"{minutes / 60:.1f} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
