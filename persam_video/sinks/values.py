"""An object's result in the plain values that text formats hold."""

import math

from persam_video.masks.boxes import Box
from persam_video.tracking.result import ObjectResult


def coco_box(box: Box | None) -> list[int] | None:
    """Return a box (x0, y0, x1, y1) as [x, y, width, height], ``None`` for an empty mask."""
    if box is None:
        return None
    x0, y0, x1, y1 = map(int, box)
    return [x0, y0, x1 - x0, y1 - y0]


def finite_score(each: ObjectResult) -> float:
    """Return the score of an object with six decimals, 0 for one that JSON has no number for."""
    return round(float(each.score), 6) if math.isfinite(each.score) else 0.0
