"""How far a run has come, and where its seconds go."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        done: frames tracked so far.
        total: frames that the source claims, or ``None``.
        tracked: objects that are followed in the last frame.
        lost: objects that are lost in the last frame.
    """

    done: int
    total: int | None
    tracked: int
    lost: int


OnProgress = Callable[[Progress], None]
"""What a run calls after every frame."""


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the loop spends in a stage, or waits for it."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begun
