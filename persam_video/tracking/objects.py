"""The tracker's state of each object."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config.settings import MemorySettings
from persam_video.masks.boxes import Box, centre
from persam_video.persam.matching import Memory
from persam_video.results import ObjectState
from persam_video.sam.transform import View

_ADAPTATION = 0.1
"""Weight of the newest frame in the running average of an object's likeness."""


@dataclass
class TrackedObject:
    """One object. Its id never changes; the last good values are kept while it is lost.

    Attributes:
        object_id: the annotation's label.
        target: (C,) target embedding, not normalised.
        annotated: memory of the annotated frame.
        recent: memory of the last frame with a good mask.
        past: memories of earlier good frames, the oldest first.
        mask: (h, w) last good soft mask at the model's low resolution; it covers the same
            area as ``recent``.
        box: last good box (x0, y0, x1, y1) in frame pixels.
        weights: (2,) PerSAM-F's mask weights.
        velocity: (x, y) displacement of the box's centre between the last two good frames.
        likeness: running average over its good masks; ``None`` before the first.
        state: tracked or lost.
        streak: frames in a row in which a lost object was seen again.
        age: good frames since the newest of ``past``, or since the annotated one.
        sure: frames in a row in which the model was sure of its mask.
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
    sure: int = 0

    def usual_likeness(self, newest: float) -> float:
        """Return the running average of its likeness; before the first good mask, the newest."""
        return newest if self.likeness is None else self.likeness

    @property
    def tracked(self) -> bool:
        """Whether the object is tracked, not lost."""
        return self.state is ObjectState.TRACKED

    def lose(self) -> None:
        """Update the state: no good mask in the newest frame."""
        self.state = ObjectState.LOST
        self.velocity = np.zeros(2)
        self.sure = 0

    def see(self, box: Box, mask: Tensor, likeness: float, *, sure: bool = False) -> None:
        """Update the state: a good mask in the newest frame, of which the model may be sure."""
        self.sure = self.sure + 1 if sure else 0
        if self.tracked:
            self.velocity = np.subtract(centre(box), centre(self.box))
        self.state = ObjectState.TRACKED
        self.streak = 0
        usual = self.usual_likeness(likeness)
        self.likeness = usual + _ADAPTATION * (likeness - usual)
        self.box = box
        self.mask = mask

    def remember(self, newest: Memory, score: float, settings: MemorySettings) -> None:
        """Store the memory of a good frame, and now and then keep the previous one.

        Args:
            newest: the memory of a frame with a good mask, or of any where the model remembers
                absence, too.
            score: score of that mask.
            settings: how many past frames are kept, and which.
        """
        self.age += 1
        due = self.age > settings.every and score >= settings.score
        # the annotated frame is remembered anyway
        if settings.frames and due and self.recent.step != self.annotated.step:
            self.past = (*self.past, self.recent)[-settings.frames :]
            self.age = 0
        self.recent = newest


@dataclass(frozen=True)
class TrackerState:
    """Everything that later frames of a tracker depend on.

    Attributes:
        frame_size: (height, width) of the frames; ``None`` before the first.
        steps: frames taken so far.
        objects: in order of id.
        picture: the newest frame as the detector of scene cuts keeps it; ``None`` without
            a detector.
        planned: the parts of the next frame, and of the one after it, that the model is to see;
            ``None`` for all.
        image_size: of the model; ``None`` before the first frame.
    """

    frame_size: tuple[int, int] | None
    steps: int
    objects: tuple[TrackedObject, ...]
    picture: NDArray[np.uint8] | None = None
    planned: tuple[View | None, View | None] = (None, None)
    image_size: int | None = None
