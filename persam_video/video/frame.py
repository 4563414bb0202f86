"""One frame of a source."""

from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: position in the source, counted from 0 before ``start``/``stride`` are applied.
        rgb: uint8 array of shape (H, W, 3), display rotation applied.
        time: presentation time in seconds from the start of the source.
        name: file name of the image that the frame was read from, as ``00001.jpg``; ``None`` where
            frames are not files of their own, as in a video.
    """

    index: int
    rgb: NDArray[np.uint8]
    time: float
    name: str | None = field(default=None, kw_only=True)

    @property
    def stem(self) -> str:
        """What a file that belongs to the frame is called, without its suffix."""
        return frame_stem(self.index, self.name)


def frame_stem(index: int, name: str | None) -> str:
    """Return what files of a frame are called: after its image, else after its index.

    Args:
        index: of the frame in its source.
        name: file name of its image, if it has one.
    """
    return f"{index:05d}" if name is None else PurePath(name).stem
