"""What every style offers: it makes a new picture from a frame and its result."""

from enum import IntEnum
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from persam_video.results import FrameResult


class Stage(IntEnum):
    """When a style has its turn, whatever the order in which styles are given."""

    HIDING = 0
    """It hides something, which no later style may show."""
    GROUND = 1
    """It changes what is not an object."""
    DRAWING = 2
    """It draws on the frame."""
    TAGS = 3
    """It writes on what is drawn."""
    CAMERA = 4
    """It chooses what of the picture is shown."""


class Style:
    """One step from a frame to a finished picture.

    A style never looks at a frame but the one that it is given, so that what an earlier style hid
    stays hidden.
    """

    stage: ClassVar[Stage] = Stage.DRAWING

    def observe(self, result: FrameResult) -> None:
        """Take note of the next frame's result, whether the frame is drawn or not."""

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return a new picture.

        Args:
            rgb: uint8 array of shape (H, W, 3), which stays as it is.
            result: of that frame, observed before; its objects have boxes where they are visible.

        Returns:
            uint8 array of shape (H, W, 3), or of the height and width that ``size`` tells.
        """
        raise NotImplementedError

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the picture for a frame of this size."""
        return width, height

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the style reads."""
        return ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the pictures drawn so far, a line each."""
        return ()

    def close(self) -> None:
        """Release what the style holds."""
