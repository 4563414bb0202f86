"""Objects as coloured areas, contours and boxes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import Colour, Palette
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.regions import Region, regions_of
from persam_video.drawing.style import Style
from persam_video.masks.boxes import Box, grow
from persam_video.results import FrameResult

_REFERENCE_HEIGHT = 480  # the short side for which sizes in pixels are given
# A shadow on both sides sets a contour off from a background of similar colour.
_CASING = 0.45  # as a share of the contour's width
_CASING_OPACITY = 0.45


def fill(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style of coloured masks with contours."""
    return [Fill(style.alpha, style.palette), *contour(value, style)]


def contour(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that draws contours, if they have a width."""
    return [Outlines(style.contour, style.palette)] if style.contour else []


def box(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that draws boxes, if their lines have a width."""
    return [Outlines(style.contour, style.palette, boxes=True)] if style.contour else []


def line_width(width: float, shape: tuple[int, ...]) -> float:
    """Return the width of a line in pixels of a picture of shape (H, W, …).

    Args:
        width: in pixels of a picture whose short side is 480 pixels.
        shape: of the picture.
    """
    return width * max(0.6, min(shape[:2]) / _REFERENCE_HEIGHT)


@dataclass(frozen=True)
class Fill(Style):
    """Blends the colour of every object over its pixels.

    Attributes:
        alpha: opacity of the colour, 0 to 1.
        palette: the colours.
    """

    alpha: float
    palette: Palette

    def reach(self, result: FrameResult) -> list[Box] | None:
        """Return the boxes of the objects."""
        return [region.box for region in regions_of(result)]

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with coloured objects; see ``Style.draw``."""
        levels = np.arange(256, dtype=np.float32)[:, None]
        for region in regions_of(result):
            colour = np.array(self.palette.colour(region.object_id), np.float32)
            tint = np.rint(levels + self.alpha * (colour - levels)).astype(np.uint8)
            part = rgb[region.area()]
            mask = region.mask(result.labels).view(np.uint8)
            cv2.copyTo(cv2.LUT(part, tint[:, None]), mask, part)
        return rgb


@dataclass(frozen=True)
class Outlines(Style):
    """Draws a line along the edge of every object, or around its box.

    Attributes:
        width: of the line, in pixels of a picture whose short side is 480 pixels.
        palette: the colours.
        boxes: whether boxes are drawn instead of contours.
    """

    width: float
    palette: Palette
    boxes: bool = False

    def reach(self, result: FrameResult) -> list[Box] | None:
        """Return the boxes of the objects with the width of the lines around them."""
        height, width = result.labels.shape
        margin = _contour_reach(self._line_width(result.labels.shape))
        boxes = (grow(region.box, margin, (height, width)) for region in regions_of(result))
        return [box for box in boxes if box is not None]

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with outlines; see ``Style.draw``."""
        width = self._line_width(rgb.shape)
        for region in regions_of(result):
            labels = result.labels
            if self.boxes:
                labels = np.zeros_like(labels)
                labels[region.area()] = region.object_id
            draw_contour(rgb, labels, region, width, self.palette.colour(region.object_id))
        return rgb

    def _line_width(self, shape: tuple[int, ...]) -> float:
        # a straight line needs whole pixels on both of its sides
        return max(2.0 if self.boxes else 0.0, line_width(self.width, shape))


def draw_contour(
    canvas: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    region: Region,
    width: float,
    colour: Colour,
) -> None:
    """Draw an anti-aliased line along one object's edge, in place.

    The line is a level band of the mask's smoothed signed distance, which gives any width in
    fractions of a pixel, no staircase, and a dot where an object is a single pixel.

    Args:
        canvas: C-contiguous uint8 array of shape (H, W, 3).
        labels: uint8 array of shape (H, W).
        region: where the object is in it.
        width: of the line in pixels.
        colour: RGB, 0 to 255.
    """
    shadow = _shadow(width)
    reach = _contour_reach(width)
    inside = region.mask(labels, margin=reach)
    # From pixel centre to the edge between pixels: half a pixel less than to the next centre.
    distance = _distance(~inside) - _distance(inside)
    distance += np.where(inside, np.float32(0.5), np.float32(-0.5))
    smooth = cv2.GaussianBlur(distance, (0, 0), max(0.7, 0.3 * width))
    beyond = np.abs(smooth) - width / 2
    near = np.flatnonzero(beyond < shadow + 0.5)
    beyond = beyond.ravel()[near][:, None]
    line = np.clip(0.5 - beyond, 0, 1)
    casing = np.clip(shadow + 0.5 - beyond, 0, 1) * _CASING_OPACITY
    rows, columns = np.divmod(near, inside.shape[1])
    top, left = (side.start for side in region.area(margin=reach))
    places = (rows + top) * canvas.shape[1] + columns + left
    flat = canvas.reshape(-1, 3)
    pixels = flat[places].astype(np.float32) * (1 - casing)
    flat[places] = np.rint(pixels + line * (np.array(colour, np.float32) - pixels))


def _shadow(width: float) -> float:
    """Return the width in pixels of the shadow on either side of a contour."""
    return max(1.0, _CASING * width)


def _contour_reach(width: float) -> int:
    """Return how many pixels beyond an object its contour may change."""
    return int(np.ceil(width / 2 + _shadow(width))) + 2


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance in pixels from each pixel of the mask to the nearest one outside it."""
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance, np.float32)
