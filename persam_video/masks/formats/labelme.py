"""labelme: a JSON file per image."""

import base64
import io
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.formats.annotated import AnnotationFile, Draw, MarkedFrame, Shape, Size
from persam_video.masks.formats.shapes import (
    bitmap_shape,
    box_shape,
    ellipse_shape,
    polygon_shape,
)
from persam_video.masks.formats.values import Value
from persam_video.util.image_file import open_within_limit

_POLYGONS = ("polygon", "oriented_rectangle")


def is_labelme(document: Value) -> bool:
    """Return whether a JSON document is from labelme."""
    return isinstance(document.value, dict) and "shapes" in document.value


def read_labelme(path: Path, documents: Sequence[Value]) -> AnnotationFile:
    """Read the files of one or more frames.

    As in labelme's own converters, shapes with the same label and group are one object, and a shape
    without a group is a separate object.

    Args:
        path: path of the file or folder.
        documents: contents of the files.

    Raises:
        AnnotationError: a file is damaged.
    """
    return AnnotationFile(path, [_frame(document) for document in documents])


def _frame(document: Value) -> MarkedFrame:
    image = document.get("imagePath")
    # may have been written on Windows
    name = PureWindowsPath(image.text if image else Path(document.place).name).name
    sides = [document.get("imageHeight"), document.get("imageWidth")]
    height, width = (None if side is None else side.whole for side in sides)
    size = None if height is None or width is None else (height, width)
    return MarkedFrame(partial(_shapes, document["shapes"]), name, size=size)


def _shapes(shapes: Value) -> list[Shape]:
    return [_shape(shape) for shape in shapes]


def _shape(shape: Value) -> Shape:
    named, group = shape.get("shape_type"), shape.get("group_id")
    kind = "polygon" if named is None else named.text
    number = None if group is None else group.whole
    return Shape(shape["label"].text, _draw(kind, shape), number, is_box=kind == "rectangle")


def _draw(kind: str, shape: Value) -> Draw | None:
    points = shape["points"].points
    if kind in _POLYGONS:
        return polygon_shape(points)
    if kind not in ("rectangle", "circle", "mask"):
        return None
    if len(points) != 2:
        shape.refuse(f"is a {kind} with {len(points)} points; expected 2")
    (x0, y0), (x1, y1) = points.tolist()
    if kind == "rectangle":
        return box_shape(x0, y0, x1, y1)
    if kind == "circle":
        radius = math.hypot(x1 - x0, y1 - y0)
        return ellipse_shape((x0, y0), (radius, radius))
    return partial(_bitmap, shape["mask"], (round(x0), round(y0)))


def _bitmap(mask: Value, corner: tuple[int, int], size: Size) -> NDArray[np.bool_]:
    """Draw a mask, a base64-encoded PNG whose upper left pixel is at ``corner`` (x, y)."""
    try:
        data = base64.b64decode(mask.text, validate=True)
        with open_within_limit(io.BytesIO(data), mask.place, AnnotationError, ("PNG",)) as image:
            bitmap = np.asarray(image.convert("L")) > 0
    except AnnotationError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise AnnotationError(f"{mask.place}: is not a valid base64-encoded PNG") from error
    return bitmap_shape(bitmap, *corner)(size)
