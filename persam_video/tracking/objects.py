"""What the tracker remembers of each object."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config.settings import MemorySettings
from persam_video.masks.boxes import Box, centre
from persam_video.persam.matching import Memory
from persam_video.results import ObjectState

_ADAPTATION = 0.1
"""Share of the newest frame in what an object's likeness usually is."""


@dataclass
class TrackedObject:
    """One object. Its id never changes; everything that was last good stays while it is lost.

    Attributes:
        object_id: the annotation's label.
        target: (C,) target embedding, not normalised.
        annotated: the frame with its annotation.
        recent: the last frame with a good mask.
        past: good frames before it, the oldest first.
        mask: (h, w) last good soft mask at the model's low resolution; it spans what ``recent``
            spans.
        box: last good box (x0, y0, x1, y1) in frame pixels.
        weights: (2,) PerSAM-F's mask weights.
        velocity: (x, y) displacement of the box's centre between the last two good frames.
        likeness: what the likeness of its good masks usually is; ``None`` before the first.
        state: tracked or lost.
        streak: frames in a row in which a lost object was seen again.
        age: good frames since the newest of ``past``, or since the annotated one.
    """

    object_id: int
    target: Tensor
    annotated: Memory
    recent: Memory
    mask: Tensor
    box: Box
    weights: Tensor | None = None
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    likeness: float | None = None
    state: ObjectState = ObjectState.TRACKED
    streak: int = 0
    past: tuple[Memory, ...] = ()
    age: int = 0

    def usual_likeness(self, newest: float) -> float:
        """Return what the likeness of its good masks usually is; before the first, the newest."""
        return newest if self.likeness is None else self.likeness

    @property
    def tracked(self) -> bool:
        """Whether the object is being followed."""
        return self.state is ObjectState.TRACKED

    def lose(self) -> None:
        """Have no good mask in the newest frame."""
        self.state = ObjectState.LOST
        self.velocity = np.zeros(2)

    def see(self, box: Box, mask: Tensor, likeness: float) -> None:
        """Have a good mask in the newest frame."""
        if self.tracked:
            self.velocity = np.subtract(centre(box), centre(self.box))
        self.state = ObjectState.TRACKED
        self.streak = 0
        usual = self.usual_likeness(likeness)
        self.likeness = usual + _ADAPTATION * (likeness - usual)
        self.box = box
        self.mask = mask

    def remember(self, newest: Memory, score: float, settings: MemorySettings) -> None:
        """Read the newest good frame from now on, and now and then keep the one before it.

        Args:
            newest: the memory of a frame with a good mask.
            score: of that mask.
            settings: how many past frames are kept, and which.
        """
        self.age += 1
        if settings.frames and self.age > settings.every and score >= settings.score:
            self.past = (*self.past, self.recent)[-settings.frames :]
            self.age = 0
        self.recent = newest


@dataclass(frozen=True)
class TrackerState:
    """All that a tracker's later frames depend on.

    Attributes:
        frame_size: (height, width) of the frames; ``None`` before the first.
        steps: frames taken so far.
        objects: in order of id.
        picture: the newest frame as the detector of scene cuts keeps it; ``None`` without one.
    """

    frame_size: tuple[int, int] | None
    steps: int
    objects: tuple[TrackedObject, ...]
    picture: NDArray[np.uint8] | None = None
