"""Curves over the frames of a sequence, in coordinates from 0 to 100 that a page scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.scores import SequenceScore
from persam_video.report.lost import LostPeriod, lost_periods

_MOST_HOVERS = 400
"""Frames above which single ones are too narrow to be pointed at."""


@dataclass(frozen=True)
class Band:
    """A part of the time axis, with its tooltip.

    Attributes:
        left: its left edge, 0 to 100.
        width: its width, 0 to 100.
        text: its tooltip.
    """

    left: float
    width: float
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """J and F of one object over the scored frames.

    Attributes:
        region: the parts of J's curve, each as the points of an SVG polyline.
        contour: the same for F.
        lost: when the object had no mask.
        frames: a band per frame; empty if there are too many.
        ticks: the first, middle and last frame, as zero-width bands.
    """

    region: tuple[str, ...]
    contour: tuple[str, ...]
    lost: tuple[Band, ...]
    frames: tuple[Band, ...]
    ticks: tuple[Band, ...]


def object_charts(sequence: SequenceScore) -> list[Chart]:
    """Draw a chart for each object of a sequence."""
    count = len(sequence.frames)
    return [
        Chart(
            curve(score.region),
            curve(score.contour),
            tuple(_band(period, count) for period in lost_periods(score)),
            _frame_bands(sequence.frames, score.region, score.contour),
            tuple(
                Band(middle(position, count), 0, sequence.frames[position])
                for position in sorted({0, (count - 1) // 2, count - 1})
            ),
        )
        for score in sequence.objects
    ]


def frame_means(sequence: SequenceScore) -> NDArray[np.float64]:
    """Return J&F of each scored frame, averaged over the objects: float64 of shape (T,).

    NaN where no object counts.
    """
    if not sequence.objects:
        return np.full(len(sequence.frames), np.nan)
    values = np.array([(score.region + score.contour) / 2 for score in sequence.objects])
    counts = (~np.isnan(values)).sum(axis=0)
    sums = np.nansum(values, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def curve(values: Sequence[float] | NDArray[np.float64]) -> tuple[str, ...]:
    """Return a curve as the points of SVG polylines, interrupted where a value is NaN.

    Args:
        values: one for each frame, 0 to 1.
    """
    parts: list[list[str]] = [[]]
    for position, value in enumerate(values):
        if math.isnan(value):
            parts.append([])
        else:
            x = middle(position, len(values))
            parts[-1].append(f"{x:.2f},{100 * (1 - value):.2f}")
    # a single point is drawn as a line to itself, which round ends make a dot
    return tuple(" ".join(part if len(part) > 1 else part * 2) for part in parts if part)


def middle(position: int, count: int) -> float:
    """Return the position of a frame on the time axis."""
    return 100 * (position + 0.5) / count


def _band(period: LostPeriod, count: int) -> Band:
    return Band(100 * period.start / count, 100 * period.length / count)


def _frame_bands(
    frames: Sequence[str], region: NDArray[np.float64], contour: NDArray[np.float64]
) -> tuple[Band, ...]:
    if len(frames) > _MOST_HOVERS:
        return ()
    width = 100 / len(frames)
    return tuple(
        Band(width * position, width, f"{frame}: J {j:.3f}, F {f:.3f}")
        for position, (frame, j, f) in enumerate(zip(frames, region, contour, strict=True))
        if not math.isnan(j)
    )
