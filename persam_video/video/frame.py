"""One frame of a source."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from persam_video.video.picture import Pixels, rgb_of, size_of


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: position in the source, counted from 0 before ``start``/``stride`` are applied.
        pixels: uint8 RGB of shape (H, W, 3), display rotation applied; or a picture whose colours
            are converted where they are needed, as of large videos.
        time: presentation time in seconds from the start of the source.
        name: file name of the image that the frame was read from, as ``00001.jpg``; ``None`` where
            frames are not files of their own, as in a video.
    """

    index: int
    pixels: Pixels
    time: float
    name: str | None = field(default=None, kw_only=True)

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """The whole frame, uint8 array of shape (H, W, 3)."""
        return rgb_of(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return size_of(self.pixels)

    @property
    def stem(self) -> str:
        """The stem for files that belong to the frame."""
        return frame_stem(self.index, self.name)


def frame_stem(index: int, name: str | None) -> str:
    """Return the stem for files of a frame: that of its image, or else its index.

    Args:
        index: index of the frame in its source.
        name: file name of its image, if it has one.
    """
    return f"{index:05d}" if name is None else PurePath(name).stem
