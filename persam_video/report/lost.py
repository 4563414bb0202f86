"""Periods in which an object was lost: frames whose prediction does not show it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from persam_video.davis.scores import ObjectScore


@dataclass(frozen=True)
class LostPeriod:
    """Consecutive scored frames without a mask of an object.

    Attributes:
        start: position of the first frame among the scored ones.
        stop: position after the last frame.
        in_view: number of frames in which the annotation shows the object.
    """

    start: int
    stop: int
    in_view: int

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.stop - self.start


def lost_periods(score: ObjectScore) -> tuple[LostPeriod, ...]:
    """Return the periods in which an object has no mask, in order.

    Frames before an object appears do not count. In the unsupervised task there
    are none: which proposal is an object is only decided over the whole sequence.
    """
    if score.predicted is None or score.shown is None:
        return ()
    missing = ~score.predicted & ~np.isnan(score.region)
    return tuple(
        LostPeriod(start, stop, int(score.shown[start:stop].sum()))
        for start, stop in _runs(missing)
    )


def _runs(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each run of true flags."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
