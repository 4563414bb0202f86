"""Timing two implementations in turns, so that a busy machine slows both."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spent:
    """The time of some work.

    Attributes:
        wall: seconds on the clock.
        processor: seconds of all threads of this process, which other programs touch less.
    """

    wall: float = 0.0
    processor: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.processor + other.processor)

    def __mul__(self, factor: float) -> "Spent":
        return Spent(self.wall * factor, self.processor * factor)

    @staticmethod
    def now() -> "Spent":
        """Return the readings of both clocks."""
        return Spent(time.perf_counter(), time.process_time())

    def since(self, begun: "Spent") -> "Spent":
        """Return the time from one reading to another."""
        return self + begun * -1


def middle(several: Sequence[Spent]) -> Spent:
    """Return the medians."""
    return Spent(median(s.wall for s in several), median(s.processor for s in several))


Work = Callable[[], Spent]
"""Does one repetition; returns the time that was added instead of measured, usually none."""


@dataclass(frozen=True)
class Result:
    """The times of two implementations.

    Attributes:
        name: what is compared, as "ours against theirs".
        aim: the ratio that is aimed at, and when, in words.
        work: what one repetition is.
        ours: what each repetition took.
        theirs: likewise.
        ratio: median wall time of theirs by that of ours; above 1, ours is faster.
        processor_ratio: likewise of processor time.
        notes: what else was found, such as how alike the results are.
    """

    name: str
    aim: str
    work: str
    ours: tuple[Spent, ...]
    theirs: tuple[Spent, ...]
    ratio: float
    processor_ratio: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two implementations, not run yet; the attributes are those of ``Result``.

    Attributes:
        notes: is told the median of ours when all is done.
        warm_up: whether a repetition of each comes first that does not count.
    """

    name: str
    aim: str
    work: str
    ours: Work
    theirs: Work
    notes: Callable[[Spent], tuple[str, ...]] = lambda _: ()
    warm_up: bool = True

    def run(self, repeats: int) -> Result:
        """Time both sides in turns."""
        if self.warm_up:
            self.ours()
            self.theirs()
        ours: list[Spent] = []
        theirs: list[Spent] = []
        for _ in range(repeats):
            ours.append(timed(self.ours))
            theirs.append(timed(self.theirs))
        mine, other = middle(ours), middle(theirs)
        return Result(
            self.name,
            self.aim,
            self.work,
            tuple(ours),
            tuple(theirs),
            ratio=other.wall / mine.wall,
            processor_ratio=other.processor / mine.processor,
            notes=self.notes(mine),
        )


def timed(work: Work) -> Spent:
    """Do some work, and return the measured time plus the added one."""
    begun = Spent.now()
    reckoned = work()
    return Spent.now().since(begun) + reckoned
