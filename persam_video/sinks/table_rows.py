"""The table of boxes, areas, centres, scores and states, whatever file it is written to."""

from collections.abc import Iterator

from persam_video.masks.boxes import centre
from persam_video.sinks.values import finite_score
from persam_video.tracking.result import FrameResult

COLUMNS = (
    "frame",
    "time",
    "object",
    "state",
    "score",
    "x0",
    "y0",
    "x1",
    "y1",
    "area",
    "centre_x",
    "centre_y",
)
"""Boxes are in pixels with the ends exclusive; the centre is that of the box, where whole
coordinates are centres of pixels."""

Cell = str | int | float | None


def table_rows(result: FrameResult) -> Iterator[tuple[Cell, ...]]:
    """Give a row of :data:`COLUMNS` for each object known in a frame.

    Boxes and centres of lost objects are ``None``.
    """
    for each in result.objects:
        box = (None,) * 4 if each.box is None else each.box
        middle = (None,) * 2 if each.box is None else centre(each.box)
        about = (result.index, result.time, each.object_id, each.state.value, finite_score(each))
        yield (*about, *box, each.area, *middle)
