"""Draw the boxes and points that a user gave, to compare them with the masks made from them."""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import overlay_colour

_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)
_SHORT_SIDE = 480  # shorter side of the picture at which sizes are in pixels
_RADIUS = 6  # radius of a point, in pixels


class Prompts(Protocol):
    """The part of ``persam_video.prompting.prompts.PixelPrompts`` that is drawn."""

    @property
    def object_id(self) -> int:
        """The label of the object."""

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The edges (x0, y0, x1, y1), x1 and y1 exclusive."""

    @property
    def points(self) -> Sequence[tuple[float, float]]:
        """Points (x, y) on the object."""

    @property
    def background(self) -> Sequence[tuple[float, float]]:
        """Points (x, y) on the background."""


def draw_prompts(rgb: NDArray[np.uint8], prompts: Sequence[Prompts]) -> NDArray[np.uint8]:
    """Draw boxes as rectangles, points on an object as dots and background points as crosses.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        prompts: boxes and points in pixels of that picture, each in the colour of its object.

    Returns:
        A new uint8 array of shape (H, W, 3).
    """
    canvas: NDArray[np.uint8] = rgb.copy(order="C")
    scale = max(0.5, min(rgb.shape[:2]) / _SHORT_SIDE)
    line, radius = max(1, round(2 * scale)), max(2, round(_RADIUS * scale))
    for prompt in prompts:
        colour = overlay_colour(prompt.object_id)
        if prompt.box is not None:
            x0, y0, x1, y1 = (round(edge) for edge in prompt.box)
            for tint, width in ((_BLACK, line + 2), (_WHITE, line)):
                cv2.rectangle(canvas, (x0, y0), (max(x0, x1 - 1), max(y0, y1 - 1)), tint, width)
        for x, y in prompt.points:
            centre = round(x), round(y)
            for tint, size in ((_BLACK, radius + 1), (_WHITE, radius), (colour, radius - 1)):
                cv2.circle(canvas, centre, size, tint, cv2.FILLED, cv2.LINE_AA)
        for x, y in prompt.background:
            centre = round(x), round(y)
            for tint, width in ((_BLACK, line + 2), (_WHITE, line)):
                cv2.drawMarker(
                    canvas, centre, tint, cv2.MARKER_TILTED_CROSS, 2 * radius, width, cv2.LINE_AA
                )
    return canvas
