"""How far a run has come, and where its seconds go."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from persam_video.tracking.result import FrameResult, ObjectState


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        done: frames tracked so far, in this pass.
        total: frames of this pass as the source claims, or ``None``.
        tracked: objects that are followed in the last frame.
        lost: objects that are lost in the last frame.
        backwards: whether this is the pass backwards, which comes before the other.
    """

    done: int
    total: int | None
    tracked: int
    lost: int
    backwards: bool = False

    @classmethod
    def after(
        cls, result: FrameResult, done: int, total: int | None, *, backwards: bool = False
    ) -> "Progress":
        """Return the progress after a frame with this result."""
        lost = sum(each.state is ObjectState.LOST for each in result.objects)
        return cls(done, total, len(result.objects) - lost, lost, backwards)


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
