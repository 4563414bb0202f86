"""The interface of styles: each makes a new picture from a frame and its result."""

from enum import IntEnum
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box
from persam_video.results import FrameResult


class Stage(IntEnum):
    """When a style is applied, whatever the order in which styles are given."""

    HIDING = 0
    """Hides something, which no later style may show."""
    GROUND = 1
    """Changes the background."""
    DRAWING = 2
    """Draws on the frame."""
    TAGS = 3
    """Writes on the drawing."""
    CAMERA = 4
    """Crops the picture."""


class Style:
    """One step from a frame to a finished picture.

    A style looks at no frame but the one that it is given, so that whatever an earlier style hid
    stays hidden.
    """

    stage: ClassVar[Stage] = Stage.DRAWING

    def observe(self, result: FrameResult) -> None:
        """See the next frame's result, whether the frame is drawn or not."""

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame as the style shows it.

        Args:
            rgb: C-contiguous uint8 array of shape (H, W, 3), which may be drawn on and returned.
            result: result of that frame, observed before; visible objects have boxes.

        Returns:
            C-contiguous uint8 array of shape (H, W, 3), or of the height and width that ``size``
            returns.
        """
        raise NotImplementedError

    def reach(self, result: FrameResult) -> list[Box] | None:
        """Return where ``draw`` reads and changes a picture; ``None`` if it may be anywhere.

        Args:
            result: as for ``draw``.

        Returns:
            Boxes, which may reach beyond the picture.
        """
        del result  # most styles change the background
        return None

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the picture for a frame of this size."""
        return width, height

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the style reads."""
        return ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the pictures drawn so far, one line each."""
        return ()

    def close(self) -> None:
        """Close the files that the style holds open."""
