"""The view: the part of a frame around the objects that fills the model's input."""

from collections.abc import Iterable

from persam_video.config.settings import ZoomSettings
from persam_video.masks.boxes import Box

_EASE = 0.5
"""Share of the margin around the objects that may be used up before the view follows them."""

_SLACK = 1.25
"""How much larger than necessary, along each side, a view may be before it is made smaller."""


def choose_view(
    boxes: Iterable[Box],
    frame_size: tuple[int, int],
    zoom: ZoomSettings,
    current: Box | None = None,
) -> Box | None:
    """Choose the part of a frame to show the model.

    The view has the frame's aspect ratio, so that the input always has the same size, and lies
    within the frame. It is centred on the objects as far as possible. While they stay well within
    the current view, it is kept: then the next frames can be encoded before the objects are found.

    Args:
        boxes: boxes of the objects, (x0, y0, x1, y1), within the frame.
        frame_size: (height, width).
        zoom: margin around the objects, and limit of the magnification.
        current: the view of the frame before; ``None`` for the whole frame.

    Returns:
        (x0, y0, x1, y1), or ``None`` for the whole frame: without objects, and where they need
        nearly all of it.
    """
    known = list(boxes)
    if not known or zoom.limit <= 1:
        return None
    around = _around(known)
    share = _needed_share(around, frame_size, zoom)
    if current is not None and _serves(current, around, share, frame_size, zoom):
        return current
    if share > zoom.least:
        return None
    x0, y0, x1, y1 = around
    height, width = frame_size
    across, down = max(1, round(share * width)), max(1, round(share * height))
    left = min(max((x0 + x1 - across) // 2, 0), width - across)
    top = min(max((y0 + y1 - down) // 2, 0), height - down)
    return left, top, left + across, top + down


def _around(boxes: list[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _needed_share(around: Box, frame_size: tuple[int, int], zoom: ZoomSettings) -> float:
    """Return the side of the view as a share of the frame's, the same along both."""
    x0, y0, x1, y1 = around
    height, width = frame_size
    return max(1 / zoom.limit, zoom.room * (x1 - x0) / width, zoom.room * (y1 - y0) / height)


def _serves(
    view: Box, around: Box, share: float, frame_size: tuple[int, int], zoom: ZoomSettings
) -> bool:
    """Whether a view still has room around the objects, and not too much of it."""
    height, width = frame_size
    if view[2] - view[0] > _SLACK * share * width:
        return False
    for begin, end, length in ((0, 2, width), (1, 3, height)):
        margin = _EASE * (zoom.room - 1) / 2 * (around[end] - around[begin])
        low, high = max(around[begin] - margin, 0), min(around[end] + margin, length)
        if not view[begin] <= low <= high <= view[end]:
            return False
    return True
