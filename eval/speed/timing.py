"""Timing two ways to do the same work in turns, so that a busy machine slows both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Work = Callable[[], float]
"""Does one repetition; returns the seconds of what was reckoned instead of done, mostly 0."""


@dataclass(frozen=True)
class Seconds:
    """How long each repetition of some work took.

    Attributes:
        wall: on the clock.
        processor: of all threads of this process, which other programs touch less.
    """

    wall: tuple[float, ...]
    processor: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """Two ways beside each other.

    Attributes:
        name: what is compared, as "ours against theirs".
        aim: the ratio that is aimed at, and when, in words.
        work: what one repetition is.
        ours: its times.
        theirs: likewise.
        ratio: median wall time of theirs by that of ours; above 1, ours is faster.
        processor_ratio: likewise of processor time.
        notes: what else was found, such as how alike the results are.
    """

    name: str
    aim: str
    work: str
    ours: Seconds
    theirs: Seconds
    ratio: float
    processor_ratio: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same work, not run yet; the attributes are those of :class:`Result`."""

    name: str
    aim: str
    work: str
    ours: Work
    theirs: Work
    notes: Callable[[], tuple[str, ...]] = tuple

    def run(self, repeats: int) -> Result:
        """Warm both up, then time them in turns."""
        self.ours()
        self.theirs()
        ours: list[tuple[float, float]] = []
        theirs: list[tuple[float, float]] = []
        for _ in range(repeats):
            ours.append(_timed(self.ours))
            theirs.append(_timed(self.theirs))
        mine, other = _seconds(ours), _seconds(theirs)
        return Result(
            self.name,
            self.aim,
            self.work,
            mine,
            other,
            ratio=median(other.wall) / median(mine.wall),
            processor_ratio=median(other.processor) / median(mine.processor),
            notes=self.notes(),
        )


def _timed(work: Work) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    reckoned = work()
    return time.perf_counter() - wall + reckoned, time.process_time() - processor + reckoned


def _seconds(pairs: list[tuple[float, float]]) -> Seconds:
    walls, processors = zip(*pairs, strict=True)
    return Seconds(tuple(walls), tuple(processors))
