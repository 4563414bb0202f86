"""How far a run has come."""

from collections.abc import Callable
from dataclasses import dataclass

from persam_video.results import FrameResult, ObjectState


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
