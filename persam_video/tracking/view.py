"""The view: the part of a frame around the objects that fills the model's input."""

from collections.abc import Iterable

from persam_video.config.settings import ZoomSettings
from persam_video.masks.boxes import Box


def choose_view(
    boxes: Iterable[Box], frame_size: tuple[int, int], zoom: ZoomSettings
) -> Box | None:
    """Choose the part of a frame to show the model.

    The view has the frame's aspect ratio, so that the input always has the same size, and lies
    within the frame. It is centred on the objects as far as possible.

    Args:
        boxes: boxes of the objects, (x0, y0, x1, y1), within the frame.
        frame_size: (height, width).
        zoom: margin around the objects, and limit of the magnification.

    Returns:
        (x0, y0, x1, y1), or ``None`` for the whole frame: without objects, and where they need
        nearly all of it.
    """
    known = list(boxes)
    if not known or zoom.limit <= 1:
        return None
    height, width = frame_size
    x0, y0 = min(box[0] for box in known), min(box[1] for box in known)
    x1, y1 = max(box[2] for box in known), max(box[3] for box in known)
    # as a share of the frame, the same along both sides
    share = max(1 / zoom.limit, zoom.room * (x1 - x0) / width, zoom.room * (y1 - y0) / height)
    if share > zoom.least:
        return None
    across, down = max(1, round(share * width)), max(1, round(share * height))
    left = min(max((x0 + x1 - across) // 2, 0), width - across)
    top = min(max((y0 + y1 - down) // 2, 0), height - down)
    return left, top, left + across, top + down
