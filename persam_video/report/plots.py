"""Plots of what a run measured: one value per frame, in coordinates from 0 to 100."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import centre
from persam_video.report.charts import Band, curve, middle
from persam_video.report.findings import ObjectFacts

_MOST_POINTS = 800
"""Points of a curve; a longer run is drawn by the most unusual value of each stretch."""


@dataclass(frozen=True)
class Plot:
    """One measure of one object over the frames.

    Attributes:
        title: what is measured.
        top: label of the upper end of the axis; the lower end is 0.
        curve: the parts of the curve, each as the points of an SVG polyline.
    """

    title: str
    top: str
    curve: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """Frames in a row in which an object is lost.

    Attributes:
        first: index of the first one.
        last: index of the last one.
        count: how many there are.
        band: on the time axis.
    """

    first: int
    last: int
    count: int
    band: Band


def object_plots(facts: Sequence[ObjectFacts | None], indices: Sequence[int]) -> tuple[Plot, ...]:
    """Plot the area, score, speed and likeness of an object.

    Args:
        facts: for each frame; ``None`` where the object is not known yet.
        indices: of the frames.
    """
    seen = [None if known is None or known.lost else known for known in facts]
    area = _values(seen, lambda known: float(known.area))
    score = _values(facts, lambda known: known.score)
    likeness = _values(seen, lambda known: np.nan if known.likeness is None else known.likeness)
    plots = [
        _scaled("area, pixels", area),
        Plot("score", "1", curve(_thinned(score))),
        _scaled("speed, pixels per frame", speeds(seen, indices)),
    ]
    if not np.isnan(likeness).all():
        plots.append(Plot("likeness of its colours", "1", curve(_thinned(likeness))))
    return tuple(plots)


def speeds(facts: Sequence[ObjectFacts | None], indices: Sequence[int]) -> NDArray[np.float64]:
    """Return how far the centre of the box moved since the frame before, per frame of the source.

    Returns:
        Pixels, float64 (T,); NaN where the object has no box in one of the two frames.
    """
    centres = np.array(
        [
            (np.nan, np.nan) if known is None or known.box is None else centre(known.box)
            for known in facts
        ]
    ).reshape(-1, 2)
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.diff(indices)
    return np.concatenate([[np.nan], steps])


def lost_bands(facts: Sequence[ObjectFacts | None], indices: Sequence[int]) -> tuple[Period, ...]:
    """Return the periods in which an object is lost, in order."""
    lost = np.array([known is not None and known.lost for known in facts], np.int8)
    edges = np.flatnonzero(np.diff(lost, prepend=0, append=0))
    count = len(indices)
    return tuple(
        Period(
            indices[start],
            indices[stop - 1],
            stop - start,
            Band(100 * start / count, 100 * (stop - start) / count),
        )
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )


def ticks(indices: Sequence[int]) -> tuple[Band, ...]:
    """Return the first, middle and last frame, as zero-width bands."""
    count = len(indices)
    places = sorted({0, (count - 1) // 2, count - 1}) if count else []
    return tuple(Band(middle(place, count), 0, str(indices[place])) for place in places)


def by_object(
    frames: Mapping[int, Mapping[int, ObjectFacts]],
) -> Iterator[tuple[int, list[ObjectFacts | None]]]:
    """Give the facts of each object over all frames."""
    for object_id in sorted({i for known in frames.values() for i in known}):
        yield object_id, [known.get(object_id) for known in frames.values()]


def _values(
    facts: Sequence[ObjectFacts | None], value: Callable[[ObjectFacts], float]
) -> NDArray[np.float64]:
    return np.array([np.nan if known is None else value(known) for known in facts], np.float64)


def _scaled(title: str, values: NDArray[np.float64]) -> Plot:
    """Plot values from 0 to a round number above the largest."""
    largest = 0.0 if np.isnan(values).all() else float(np.nanmax(values))
    top = _round_up(largest)
    return Plot(title, f"{top:,.15g}", curve(_thinned(values / top)))


def _round_up(value: float) -> float:
    """Return the next round number; 1 for 0."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(value))
    steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return float(next(unit * step for step in steps if unit * step >= value))


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(values) <= _MOST_POINTS:
        return values
    return np.array([_unusual(part) for part in np.array_split(values, _MOST_POINTS)])


def _unusual(values: NDArray[np.float64]) -> float:
    if np.isnan(values).any():
        return float("nan")
    return float(values[np.abs(values - np.median(values)).argmax()])
