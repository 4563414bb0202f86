"""Draw results over a frame: coloured masks, contours and the names of the objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.drawing.background import blur_background, dim_background
from persam_video.drawing.colours import overlay_palette
from persam_video.drawing.tags import draw_tags
from persam_video.errors import ConfigError
from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.results import ObjectResult, ObjectState
from persam_video.util.atomic import atomic_path

_NOMINAL_HEIGHT = 480  # the short side for which sizes in pixels are given
# A shadow on both sides parts a contour from a background of like colour.
_CASING = 0.45  # in widths of the contour
_CASING_OPACITY = 0.45


class Look(str, Enum):
    """What an overlay shows of the objects.

    ``fill``: coloured masks with contours. ``contour``: contours only. ``box``: the boxes around
    the masks. ``spotlight``: contours, and the background dark and nearly grey. ``blur``: the
    background out of focus. ``side-by-side``: the frame as it is, and ``fill`` to its right.
    """

    FILL = "fill"
    CONTOUR = "contour"
    BOX = "box"
    SPOTLIGHT = "spotlight"
    BLUR = "blur"
    SIDE_BY_SIDE = "side-by-side"


_FILLED = (Look.FILL, Look.SIDE_BY_SIDE)


@dataclass(frozen=True)
class OverlayStyle:
    """How results are drawn.

    Attributes:
        look: what is shown.
        alpha: opacity of coloured masks, 0 (contours only) to 1 (flat colour).
        contour: width of contours and boxes in pixels of a picture whose short side is 480 pixels;
            it grows and shrinks with the picture. 0 draws none.
        tags: whether the names, or ids, of objects and the list of those lost are shown.
    """

    look: Look = Look.FILL
    alpha: float = 0.42
    contour: float = 2.0
    tags: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"overlay alpha is {self.alpha}; give a value from 0 to 1.")
        if not 0 <= self.contour <= 100:
            raise ConfigError(f"overlay contour is {self.contour}; give 0 to 100 pixels.")

    def canvas(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the drawn picture for a frame of this size."""
        return (2 * width if self.look is Look.SIDE_BY_SIDE else width), height


def draw_overlay(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    objects: Sequence[ObjectResult] = (),
    *,
    style: OverlayStyle | None = None,
) -> NDArray[np.uint8]:
    """Draw masks, contours and names over a copy of a frame.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        labels: uint8 array of shape (H, W); 0 is background, other values are object ids.
        objects: results of the same frame, for the names of objects, and for those that are lost,
            which are named in a corner. What is visible is taken from ``labels``.
        style: how to draw; the default style when not given.

    Returns:
        A new uint8 array of shape (H, W, 3), or (H, 2 * W, 3) for ``side-by-side``.

    Raises:
        ValueError: the arrays are not of these types or their sizes differ.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"the frame is {rgb.dtype} {rgb.shape}; give uint8 (H, W, 3).")
    if labels.dtype != np.uint8 or labels.shape != rgb.shape[:2]:
        raise ValueError(
            f"the label map is {labels.dtype} {labels.shape}; give uint8 {rgb.shape[:2]}."
        )
    style = style or OverlayStyle()
    canvas = _canvas(rgb, labels, style.look)
    width = style.contour * max(0.6, min(labels.shape) / _NOMINAL_HEIGHT)
    palette = overlay_palette().astype(np.float32)
    boxes = boxes_of_labels(labels, range(1, 256))
    regions = [_Region(i, box, palette[i]) for i, box in boxes.items() if box is not None]
    # All fills come before all contours, so that a neighbour's fill does not cut a contour.
    if style.look in _FILLED:
        for region in regions:
            _fill(canvas, labels, region, style.alpha)
    if style.contour > 0 and style.look is not Look.BLUR:
        for region in regions:
            if style.look is Look.BOX:  # a straight line needs whole pixels on both of its sides
                _contour(canvas, _box_map(labels, region), region, max(2.0, width))
            else:
                _contour(canvas, labels, region, width)
    if style.tags:
        anchors = {region.object_id: _anchor(labels, region, style.look) for region in regions}
        lost = [o.object_id for o in objects if o.state is ObjectState.LOST]
        names = {o.object_id: o.name for o in objects if o.name is not None}
        draw_tags(canvas, anchors, lost, names)
    if style.look is Look.SIDE_BY_SIDE:
        return np.concatenate((rgb, canvas), axis=1)
    return canvas


def _canvas(rgb: NDArray[np.uint8], labels: NDArray[np.uint8], look: Look) -> NDArray[np.uint8]:
    """A copy of the frame, with the background as the look wants it."""
    if look is Look.SPOTLIGHT:
        return dim_background(rgb, labels)
    if look is Look.BLUR:
        return blur_background(rgb, labels)
    canvas: NDArray[np.uint8] = rgb.copy(order="C")
    return canvas


@dataclass(frozen=True)
class _Region:
    """Where one object is, and its colour as float32 RGB, 0 to 255."""

    object_id: int
    box: Box
    colour: NDArray[np.float32]

    def area(self, margin: int = 0) -> tuple[slice, slice]:
        """The box, grown by a margin, as an index into the picture."""
        x0, y0, x1, y1 = self.box
        return (
            slice(max(0, y0 - margin), y1 + margin),
            slice(max(0, x0 - margin), x1 + margin),
        )


def _fill(
    canvas: NDArray[np.uint8], labels: NDArray[np.uint8], region: _Region, alpha: float
) -> None:
    """Blend one object's colour over its pixels, in place."""
    area = region.area()
    levels = np.arange(256, dtype=np.float32)[:, None]
    blend = np.rint(levels + alpha * (region.colour - levels)).astype(np.uint8)
    mask = (labels[area] == region.object_id).view(np.uint8)
    cv2.copyTo(cv2.LUT(canvas[area], blend[:, None]), mask, canvas[area])


def _contour(
    canvas: NDArray[np.uint8], labels: NDArray[np.uint8], region: _Region, width: float
) -> None:
    """Draw an anti-aliased line along one object's edge, in place.

    The line is a level band of the mask's smoothed signed distance, which gives any width in
    fractions of a pixel, no staircase, and a dot where an object is a single pixel.
    """
    shadow = max(1.0, _CASING * width)
    reach = int(np.ceil(width / 2 + shadow)) + 2
    area = region.area(margin=reach)
    inside = labels[area] == region.object_id
    # From pixel centre to the edge between pixels: half a pixel less than to the next centre.
    outwards = _distance(~inside) - 0.5
    inwards = _distance(inside) - 0.5
    distance = np.where(inside, -inwards, outwards)
    distance = cv2.GaussianBlur(distance, (0, 0), max(0.7, 0.3 * width))
    beyond = np.abs(distance) - width / 2
    rows, columns = np.nonzero(beyond < shadow + 0.5)
    beyond = beyond[rows, columns][:, None]
    line = np.clip(0.5 - beyond, 0, 1)
    casing = np.clip(shadow + 0.5 - beyond, 0, 1) * _CASING_OPACITY
    pixels = canvas[area][rows, columns].astype(np.float32) * (1 - casing)
    canvas[area][rows, columns] = np.rint(pixels + line * (region.colour - pixels))


def _box_map(labels: NDArray[np.uint8], region: _Region) -> NDArray[np.uint8]:
    """A label map where the object is its whole box."""
    whole = np.zeros_like(labels)
    whole[region.area()] = region.object_id
    return whole


def _anchor(labels: NDArray[np.uint8], region: _Region, look: Look) -> tuple[int, int]:
    """The pixel (x, y) above which an object's tag belongs."""
    if look is Look.BOX:
        x0, y0, x1, _ = region.box
        return (x0 + x1) // 2, y0
    return _crest(labels, region)


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance in pixels from each pixel of the mask to the nearest one outside it."""
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance, np.float32)


def _crest(labels: NDArray[np.uint8], region: _Region) -> tuple[int, int]:
    """The uppermost pixel (x, y) of an object in its column nearest to its centre of area.

    Unlike the middle of the box's upper side, it always belongs to the object.
    """
    mask = labels[region.area()] == region.object_id
    columns = np.flatnonzero(mask.any(axis=0))
    centre = np.average(columns, weights=mask[:, columns].sum(axis=0))
    x = int(columns[np.abs(columns - centre).argmin()])
    return region.box[0] + x, region.box[1] + int(mask[:, x].argmax())


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write uint8 RGB (H, W, 3) as a PNG, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as sibling:
        Image.fromarray(rgb).save(sibling, format="PNG")
