"""When an object was lost: frames whose prediction does not show it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from persam_video.davis.scores import ObjectScore


@dataclass(frozen=True)
class LostPeriod:
    """Scored frames in a row without a mask of an object. (A lost object has an empty mask.)

    Attributes:
        start: position of the first one among the scored frames.
        stop: position after the last one.
        in_view: in how many of them the annotation shows the object.
    """

    start: int
    stop: int
    in_view: int

    @property
    def length(self) -> int:
        """How many frames it lasts."""
        return self.stop - self.start


def lost_periods(score: ObjectScore) -> tuple[LostPeriod, ...]:
    """Return the periods in which an object has no mask, in order.

    Frames that do not count, before an object appears, are in none. In the unsupervised task there
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
    """Yield where runs of true flags begin and end."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
