"""A model of the time per frame, fitted to measurements."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True)
class Load:
    """The work of a frame.

    Attributes:
        objects: that are tracked.
        megapixels: of the video.
        kilocells: thousands of cells of the image embedding.
    """

    objects: int
    megapixels: float
    kilocells: float


@dataclass(frozen=True)
class Point:
    """A load and its median time per frame in seconds."""

    label: str
    load: Load
    seconds: float


@dataclass(frozen=True)
class Cost:
    """The time per frame: the sum of the times of the parts of its load.

    Attributes:
        frame: seconds for any frame.
        kilocell: for a thousand cells: the encoder.
        object_kilocell: for an object and a thousand cells: the decoder, and matching.
        megapixel: for resizing the frame and merging its masks.
        object_megapixel: for an object's mask at full size.
        error: the median of the relative errors at the points that it was fitted to.
    """

    frame: float
    kilocell: float
    object_kilocell: float
    megapixel: float
    object_megapixel: float
    error: float = 0.0

    def seconds(self, load: Load) -> float:
        """Return the seconds of a frame with this load."""
        return float(np.dot(_terms(load), self._factors))

    @property
    def _factors(self) -> tuple[float, ...]:
        return (
            self.frame,
            self.kilocell,
            self.object_kilocell,
            self.megapixel,
            self.object_megapixel,
        )

    def __str__(self) -> str:
        ms = [round(1000 * factor) for factor in self._factors]
        return (
            f"{ms[0]} + {ms[1]} k + {ms[2]} n k + {ms[3]} p + {ms[4]} n p milliseconds (n objects, "
            f"k thousand cells, p megapixels; off by {100 * self.error:.0f} % in the middle)"
        )


def fit(points: Sequence[Point]) -> Cost:
    """Fit the model by least squares of the relative errors; no coefficient is negative."""
    seconds = np.array([point.seconds for point in points])
    terms = np.array([_terms(point.load) for point in points])
    factors, _ = nnls(terms / seconds[:, None], np.ones(len(points)))
    error = float(np.median(np.abs(terms @ factors / seconds - 1)))
    frame, kilocell, object_kilocell, megapixel, object_megapixel = map(float, factors)
    return Cost(frame, kilocell, object_kilocell, megapixel, object_megapixel, error)


def _terms(load: Load) -> tuple[float, ...]:
    n, p, k = load.objects, load.megapixels, load.kilocells
    return (1.0, k, n * k, p, n * p)
