"""Timing the stages of a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StageClock:
    """Adds up the seconds of named stages; what a stage spends in an inner one counts there only.

    So the seconds of all stages make up the whole. On devices that work asynchronously,
    such as GPUs, a stage's seconds are those in which the program waited for it. For one thread.

    Args:
        now: reads the clock; whatever else only grows, such as a number of operations, is added up
            in the same way.

    Attributes:
        seconds: by stage, in the order in which they first ended.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._now = now
        self._inner: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of the block."""
        begun = self._now()
        self._inner.append(0.0)
        try:
            yield
        finally:
            elapsed = self._now() - begun
            own = elapsed - self._inner.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            if self._inner:
                self._inner[-1] += elapsed
