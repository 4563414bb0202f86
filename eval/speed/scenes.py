"""Synthetic clips for timing, the same on every machine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.synthetic import SyntheticClip
from persam_video.synthetic.bodies import Kind
from persam_video.synthetic.clip import SyntheticObject, Waypoint

_TINTS = ((0.93, 0.55, 0.12), (0.12, 0.30, 0.72), (0.75, 0.13, 0.10), (0.2, 0.6, 0.3))


@dataclass(frozen=True)
class Scene:
    """Decoded frames and the annotation of the first.

    Attributes:
        frames: uint8 RGB (H, W, 3) each.
        labels: uint8 (H, W), ids from 1.
    """

    frames: tuple[NDArray[np.uint8], ...]
    labels: NDArray[np.uint8]


def balls(
    count: int, length: int, size: tuple[int, int] = (854, 480), across: float = 0.25
) -> Scene:
    """Draw balls that roll to the right, side by side.

    Args:
        count: of the balls: 1 to 8, or 1 to 32 where they are half as large.
        length: frames.
        size: (width, height) in pixels.
        across: a ball's diameter, as a share of the height.
    """
    rows = max(2, round(0.5 / across))
    columns = -(-count // rows)
    things = []
    for number in range(count):
        x = 0.12 + 0.7 * (number // rows) / max(columns, 1)
        y = 0.5 + 0.8 * ((number % rows + 0.5) / rows - 0.5)
        path = (Waypoint(0, x, y), Waypoint(59, x + 0.15, y))
        tint = _TINTS[number % len(_TINTS)]
        things.append(SyntheticObject(number + 1, Kind.BALL, tint, across, path))
    clip = SyntheticClip(tuple(things), width=size[0], height=size[1], length=length)
    drawn = list(clip.frames())
    return Scene(tuple(rgb for rgb, _ in drawn), drawn[0][1])
