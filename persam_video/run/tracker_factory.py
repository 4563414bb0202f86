"""The tracker that the settings ask for."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings
from persam_video.masks.annotation import Annotation
from persam_video.results import FrameResult
from persam_video.sam.model import SamModel
from persam_video.tracking.tracker import Tracker
from persam_video.upstream.tracker import UpstreamTracker
from persam_video.util.timing import StageClock
from persam_video.video.frame import Frame


class VideoTracker(Protocol):
    """Holds one video and is given its frames one by one."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects known so far, in order."""

    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | NDArray[np.uint8] | None = None,
    ) -> FrameResult:
        """Take the next frame; see ``persam_video.tracking.tracker.Tracker.step``."""


def make_tracker(
    model: SamModel, settings: Settings, clock: StageClock | None = None
) -> VideoTracker:
    """Make the tracker of ``settings.procedure``.

    Args:
        model: the SAM.
        settings: all of them.
        clock: is told of the tracker's stages; the procedure ``upstream`` has none.

    Raises:
        ConfigError: the procedure does not take a setting that was made.
    """
    if settings.procedure == "upstream":
        return UpstreamTracker(model, settings)
    return Tracker(model, settings, clock)
