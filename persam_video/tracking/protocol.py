"""The interface of all video trackers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.annotation import Annotation
from persam_video.masks.arrays import MaskArray
from persam_video.results import FrameResult
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.transform import View
from persam_video.tracking.objects import TrackerState
from persam_video.video.frame import Frame


class VideoTracker(Protocol):
    """Tracks one video, frame by frame."""

    @property
    def model(self) -> SamModel:
        """The SAM."""

    @property
    def view_ahead(self) -> View | None:
        """The part of the frame after the next one that is to be encoded; ``None`` for all."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects known so far, in order."""

    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | MaskArray | None = None,
    ) -> FrameResult:
        """Take the next frame.

        Args:
            frame: a ``Frame``, or a picture: uint8 RGB (H, W, 3).
            annotation: objects annotated in it, uint8 (H, W) label map.

        Raises:
            AnnotationError: the annotation does not fit the frame.
            SourceError: the frame is not such a picture, or differs in size from earlier ones.
        """

    def read_ahead(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """Do what a later frame needs and the frames in between are not likely to change.

        It may be called from other threads during ``step``.

        Args:
            embedding: of that frame.

        Returns:
            The embedding to use instead.
        """

    def state(self) -> TrackerState | None:
        """Return everything that later frames depend on; ``None`` if the tracker cannot resume."""

    def restore(self, state: TrackerState) -> None:
        """Continue from a state that a tracker with the same settings returned."""
