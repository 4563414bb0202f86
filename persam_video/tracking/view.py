"""The view: the part of a frame around the objects that the model sees.

Its input has about as many pixels as that of a whole frame, so that every frame takes the same
time: small objects are seen larger, and large ones with what is around them. While the model is
sure of all masks, it gets along with fewer pixels, and with less of what is around the objects.
Where several objects stay small all the same, the view is closer and has more pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from persam_video.config.settings import ZoomSettings
from persam_video.masks.boxes import Box, centred
from persam_video.sam.model import SamModel
from persam_video.sam.transform import View, scaled_size

_EASE = 0.5
"""Share of the margin around the objects that may be used up before the view follows them."""

_TIGHT = 0.2
"""Share of that margin that has to be left for a view that was planned before."""

_SLACK = 1.25
"""How much larger or smaller than it should be a view may be before it is chosen anew."""

_CROWD = 4
"""Number of objects from which small ones are seen closer and in more pixels."""

_Area = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in frame pixels."""


def choose_view(
    boxes: Sequence[Box],
    frame_size: tuple[int, int],
    model: SamModel,
    zoom: ZoomSettings,
    current: View | None = None,
    *,
    sure: bool = False,
) -> View | None:
    """Choose the part of a frame to show the model, and how large.

    The view lies within the frame, and is centred on the objects as far as possible. While they
    stay well within the current view, it is kept: then the next frames can be encoded before the
    objects are found.

    Args:
        boxes: boxes of the objects, (x0, y0, x1, y1), within the frame.
        frame_size: (height, width).
        model: the model; the shape of its input decides on that of the view.
        zoom: margin around the objects, and limits of the magnification.
        current: the view of the frame before; ``None`` for the whole frame.
        sure: whether the model is sure of the masks of all objects.

    Returns:
        The view, or ``None`` for the whole frame at its usual size: without objects, and where they
        are large, or need nearly all of it.
    """
    if not boxes or zoom.limit <= 1:
        return None
    height, width = frame_size
    whole = _whole_scale(frame_size, model)
    multiple = model.network.padding
    framing = _framing(boxes, frame_size, model, zoom, sure=sure)
    room, share = framing.room, framing.share
    pixels = share * whole**2 * height * width
    around = _around(boxes, frame_size, (room - 1) / 2)
    across, down = around[2] - around[0], around[3] - around[1]
    scale = _scale(boxes, frame_size, model, zoom, framing)
    if current is not None:
        near = _around(boxes, frame_size, _EASE * (room - 1) / 2)
        if _serves(current, near, scale, pixels if multiple is not None else None):
            return current
    if share >= 1 and scale * zoom.least < whole:
        return None
    if multiple is None:
        side = max(round(model.info.image_size / scale), math.ceil(max(across, down)))
        sides, long_side = (min(side, width), min(side, height)), model.info.image_size
    else:
        filled = _filled(across, down, pixels / scale**2, frame_size)
        sides, long_side = _fitted(filled, (across, down), scale, multiple, frame_size)
    input_size = scaled_size((sides[1], sides[0]), long_side)
    return View(centred(around, sides, frame_size), input_size)


def still_shows(
    view: View | None,
    boxes: Sequence[Box],
    frame_size: tuple[int, int],
    model: SamModel,
    zoom: ZoomSettings,
    *,
    sure: bool,
) -> bool:
    """Return whether objects are still well enough within a view that was planned for them.

    Args:
        view: the view; ``None`` for the whole frame.
        boxes: boxes of the objects, (x0, y0, x1, y1), within the frame.
        frame_size: (height, width).
        model: the model.
        zoom: margin around the objects.
        sure: whether the model is sure of the masks of all objects.
    """
    if view is None or not boxes:
        return view is None
    room = _framing(boxes, frame_size, model, zoom, sure=sure).room
    return _holds(view, _around(boxes, frame_size, _TIGHT * (room - 1) / 2))


@dataclass(frozen=True)
class _Framing:
    """How a view frames the objects.

    Attributes:
        room: what is to be seen around an object, box included, in longer sides of the box.
        share: pixels of the input, relative to those of the whole frame at its usual size.
    """

    room: float
    share: float


def _framing(
    boxes: Sequence[Box],
    frame_size: tuple[int, int],
    model: SamModel,
    zoom: ZoomSettings,
    *,
    sure: bool,
) -> _Framing:
    """Choose how to frame objects.

    Args:
        boxes: boxes of the objects, at least one, (x0, y0, x1, y1), within the frame.
        frame_size: (height, width).
        model: the model.
        zoom: the ways to choose from.
        sure: whether the model is sure of the masks of all objects.
    """
    usual = _Framing(zoom.room, zoom.pixels)
    if model.network.padding is None:  # a square input has its size anyway
        return usual
    if sure:
        return _Framing(zoom.sure_room, zoom.sure_pixels)
    if len(boxes) < _CROWD:
        return usual
    scale = _scale(boxes, frame_size, model, zoom, usual)
    limited = scale >= zoom.limit * _whole_scale(frame_size, model)
    if limited or scale * _usual_side(boxes) >= zoom.small:
        return usual
    room = min(zoom.room, zoom.small_room)
    x0, y0, x1, y1 = _around(boxes, frame_size, (room - 1) / 2)
    # at the limit of the magnification, more pixels would only show more around the objects
    useful = zoom.limit**2 * (x1 - x0) * (y1 - y0) / math.prod(frame_size)
    return _Framing(room, max(zoom.pixels, min(zoom.small_pixels, useful)))


def _scale(
    boxes: Sequence[Box],
    frame_size: tuple[int, int],
    model: SamModel,
    zoom: ZoomSettings,
    framing: _Framing,
) -> float:
    """Return how many input pixels one pixel of the frame gets."""
    whole = _whole_scale(frame_size, model)
    around = _around(boxes, frame_size, (framing.room - 1) / 2)
    across, down = around[2] - around[0], around[3] - around[1]
    if model.network.padding is None:
        most = model.info.image_size / max(across, down)
    else:
        pixels = framing.share * whole**2 * math.prod(frame_size)
        most = math.sqrt(pixels / (across * down))
    enough = zoom.size / _usual_side(boxes)
    return min(max(enough, whole * min(1, math.sqrt(framing.share))), zoom.limit * whole, most)


def _whole_scale(frame_size: tuple[int, int], model: SamModel) -> float:
    """Return how many input pixels one pixel of the frame gets in a view of all of it."""
    return model.info.image_size / max(frame_size)


def _around(boxes: Sequence[Box], frame_size: tuple[int, int], margin: float) -> _Area:
    """Return the area around all boxes, each with a margin in shares of its longer side."""
    margins = [margin * max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
    height, width = frame_size
    return (
        max(0, min(box[0] - by for box, by in zip(boxes, margins, strict=True))),
        max(0, min(box[1] - by for box, by in zip(boxes, margins, strict=True))),
        min(width, max(box[2] + by for box, by in zip(boxes, margins, strict=True))),
        min(height, max(box[3] + by for box, by in zip(boxes, margins, strict=True))),
    )


def _usual_side(boxes: Sequence[Box]) -> float:
    """Return the geometric mean of all sides, so that small boxes count as much as large ones."""
    sides = [side for x0, y0, x1, y1 in boxes for side in (x1 - x0, y1 - y0)]
    return math.exp(sum(map(math.log, sides)) / len(sides))


def _serves(view: View, near: _Area, scale: float, pixels: float | None) -> bool:
    """Whether a view still shows an area, about as large and with about as many pixels as wanted.

    Args:
        view: the view.
        near: the area.
        scale: input pixels for one pixel of the frame.
        pixels: of the input; ``None`` if any number will do.
    """
    x0, y0, x1, y1 = view.box
    used = max(view.input_size) / max(x1 - x0, y1 - y0)
    if not scale / _SLACK <= used <= scale * _SLACK:
        return False
    if pixels is not None and not 1 / _SLACK**2 <= math.prod(view.input_size) / pixels <= _SLACK**2:
        return False
    return _holds(view, near)


def _holds(view: View, area: _Area) -> bool:
    x0, y0, x1, y1 = view.box
    return x0 <= area[0] and y0 <= area[1] and area[2] <= x1 and area[3] <= y1


def _filled(
    across: float, down: float, area: float, frame_size: tuple[int, int]
) -> tuple[float, float]:
    """Enlarge a rectangle to an area, by the same length along both axes, within the frame."""
    height, width = frame_size
    # the positive root of (across + x) * (down + x) = area
    more = (math.sqrt((across - down) ** 2 + 4 * area) - (across + down)) / 2
    across, down = min(across + more, width), min(down + more, height)
    return min(max(across, area / down), width), min(max(down, area / across), height)


def _fitted(
    sides: tuple[float, float],
    needed: tuple[float, float],
    scale: float,
    multiple: int,
    frame_size: tuple[int, int],
) -> tuple[tuple[int, int], int]:
    """Round a rectangle so that it fills an input whose sides are multiples.

    Args:
        sides: its width and height.
        needed: what these are at least.
        scale: input pixels for one pixel of the frame.
        multiple: what the sides of the input are multiples of.
        frame_size: (height, width), what the sides are at most.

    Returns:
        Its width and height, and the long side of the input.
    """
    most = frame_size[1], frame_size[0]
    first = 0 if sides[0] >= sides[1] else 1  # the longer one
    side, other = (
        max(1, round(sides[axis] * scale / multiple)) * multiple for axis in (first, 1 - first)
    )
    # rather a little smaller than padded by what the shorter side needs
    scale = min(scale, side / needed[first], other / needed[1 - first])
    long = max(round(side / scale), math.ceil(needed[first]))
    needs = math.ceil(needed[1 - first])
    if math.floor(other * long / side) < needs:  # by rounding
        long += 1
    long = min(long, most[first])
    short = min(max(math.floor(other * long / side), needs), most[1 - first])
    return ((long, short) if first == 0 else (short, long)), side
