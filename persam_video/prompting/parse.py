"""Parsing boxes and points from the command line."""

import math
from collections.abc import Sequence

from persam_video.errors import AnnotationError
from persam_video.prompting.prompts import Coordinate, ObjectPrompts, Percent, Point


def parse_prompts(boxes: Sequence[str], points: Sequence[str]) -> tuple[ObjectPrompts, ...]:
    """Parse boxes and points, and group them by object.

    Args:
        boxes: texts like ``1:10,20,110,220``: the id, then x0,y0,x1,y1 in pixels, or in percent
            of the frame as in ``1:14%,35%,37%,66%``.
        points: texts like ``1:50,60`` or ``1:50,60,70,80``; an id with a minus before it, as in
            ``-1:5,6``, is for points that do not belong to object 1. Percent may be used, too.

    Returns:
        The prompts of each object, in order of id.

    Raises:
        AnnotationError: a text is of another form, or an object has two boxes.
    """
    found: dict[int, ObjectPrompts] = {}
    for text in boxes:
        object_id, numbers = _split(text, "box")
        if object_id < 1 or len(numbers) != 4:
            raise AnnotationError(f"box '{text}': write ID:x0,y0,x1,y1, as 1:10,20,110,220")
        if object_id in found:
            raise AnnotationError(f"box '{text}': object {object_id} already has a box")
        x0, y0, x1, y1 = numbers
        found[object_id] = ObjectPrompts(object_id, (x0, y0, x1, y1))
    for text in points:
        signed, numbers = _split(text, "point")
        if signed == 0 or len(numbers) % 2:
            raise AnnotationError(f"point '{text}': write ID:x,y or ID:x,y,x,y, as 1:50,60")
        pairs = tuple(zip(numbers[0::2], numbers[1::2], strict=True))
        found[abs(signed)] = _with_points(found.get(abs(signed)), signed, pairs)
    return tuple(found[object_id] for object_id in sorted(found))


def _with_points(
    known: ObjectPrompts | None, signed: int, pairs: tuple[Point, ...]
) -> ObjectPrompts:
    known = known or ObjectPrompts(abs(signed))
    on, beside = (pairs, ()) if signed > 0 else ((), pairs)
    return ObjectPrompts(known.object_id, known.box, known.points + on, known.background + beside)


def _split(text: str, kind: str) -> tuple[int, list[Coordinate]]:
    head, colon, tail = text.partition(":")
    form = "ID:x0,y0,x1,y1" if kind == "box" else "ID:x,y"
    try:
        object_id, numbers = int(head), [_coordinate(number) for number in tail.split(",")]
    except ValueError:
        what = "has no ID before a colon" if not colon else "is not of whole ID and numbers"
        raise AnnotationError(f"{kind} '{text}' {what}: write {form}") from None
    values = [n.value if isinstance(n, Percent) else n for n in numbers]
    if not all(math.isfinite(value) for value in values):
        raise AnnotationError(f"{kind} '{text}' has a number that is not finite: write {form}")
    return object_id, numbers


def _coordinate(text: str) -> Coordinate:
    text = text.strip()
    return Percent(float(text[:-1])) if text.endswith("%") else float(text)
