"""The progress of a run."""

from collections.abc import Callable
from dataclasses import dataclass

from persam_video.results import FrameResult, ObjectState
from persam_video.run.estimate import Estimate


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        done: frames tracked so far in this pass.
        total: frames of this pass according to the source, or ``None``.
        tracked: number of objects followed in the last frame.
        lost: number of objects lost in the last frame.
        backwards: whether this is the backward pass, which precedes the forward one.
        estimate: how long the pass will take; set once, after the first encoded frame of a long
            pass.
    """

    done: int
    total: int | None
    tracked: int
    lost: int
    backwards: bool = False
    estimate: Estimate | None = None

    @classmethod
    def after(
        cls,
        result: FrameResult,
        done: int,
        total: int | None,
        *,
        backwards: bool = False,
        estimate: Estimate | None = None,
    ) -> "Progress":
        """Return the progress after a frame with this result."""
        lost = sum(known.state is ObjectState.LOST for known in result.objects)
        return cls(done, total, len(result.objects) - lost, lost, backwards, estimate)


OnProgress = Callable[[Progress], None]
"""What a run calls after every frame."""
