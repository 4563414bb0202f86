"""Where the visible objects of a frame are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box
from persam_video.results import FrameResult


@dataclass(frozen=True)
class Region:
    """Where one object is.

    Attributes:
        object_id: its id.
        box: (x0, y0, x1, y1) in pixels, x1 and y1 exclusive.
    """

    object_id: int
    box: Box

    def area(self, margin: int = 0) -> tuple[slice, slice]:
        """Return the box, enlarged by a margin in pixels, as an index into the picture."""
        x0, y0, x1, y1 = self.box
        return (
            slice(max(0, y0 - margin), y1 + margin),
            slice(max(0, x0 - margin), x1 + margin),
        )

    def mask(self, labels: NDArray[np.uint8], margin: int = 0) -> NDArray[np.bool_]:
        """Return the object's mask within its box."""
        mask: NDArray[np.bool_] = labels[self.area(margin)] == self.object_id
        return mask


def regions_of(result: FrameResult) -> list[Region]:
    """Return the visible objects of a frame, in order of id."""
    return [Region(object_id, box) for object_id, box in result.visible.items()]
