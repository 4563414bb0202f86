"""COCO: a JSON file for many images, with polygons and run-length codes."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.formats.annotated import AnnotationFile, Draw, MarkedFrame, Shape, Size
from persam_video.masks.formats.shapes import box_shape, polygons_shape
from persam_video.masks.formats.values import Value
from persam_video.masks.labels import UNNAMED
from persam_video.masks.rle import Rle, decode, decode_runs


def is_coco(document: Value) -> bool:
    """Return whether a JSON document is in COCO format."""
    return isinstance(document.value, dict) and {"images", "annotations"} <= document.value.keys()


def read_coco(path: Path, document: Value) -> AnnotationFile:
    """Read the annotated images of a file.

    Every annotation is an object, named after its category. Annotations with the same ``track_id``
    (a key of the annotation or of its ``attributes``) are one object in several images.

    Args:
        path: path of the file, or of the archive or folder that contains it.
        document: its content.

    Raises:
        AnnotationError: the file is damaged.
    """
    names = category_names(document)
    of_image: dict[Any, list[Value]] = {}
    tracked = True
    for annotation in document["annotations"]:
        of_image.setdefault(annotation["image_id"].whole, []).append(annotation)
        tracked = tracked and _track(annotation) is not None
    frames = [
        _frame(image, of_image[image["id"].whole], names)
        for image in document["images"]
        if image["id"].whole in of_image
    ]
    return AnnotationFile(path, frames, tracked)


def category_names(document: Value) -> dict[int, str]:
    """Return the names of the categories by id."""
    categories = document.get("categories")
    return {category["id"].whole: category["name"].text for category in categories or ()}


def category_name(annotation: Value, names: dict[int, str]) -> str:
    """Return the name of an annotation's category.

    Raises:
        AnnotationError: there is no such category.
    """
    category = annotation.get("category_id")
    if category is None:
        return UNNAMED
    if category.whole not in names:
        category.refuse(f"is {category.whole}; there is no such category")
    return names[category.whole]


def segmentation_shape(segmentation: Value) -> Draw:
    """Return the shape of polygons or a run-length code.

    Raises:
        AnnotationError: it is neither.
    """
    if isinstance(segmentation.value, list):
        return polygons_shape([part.points for part in segmentation])
    height, width = _size(segmentation["size"])
    return partial(_decoded, segmentation, (height, width))


def _frame(image: Value, annotations: list[Value], names: dict[int, str]) -> MarkedFrame:
    index = image.get("frame_index")
    sides = [image.get("height"), image.get("width")]
    # datumaro writes 0 for what it does not know
    height, width = (None if side is None else side.whole or None for side in sides)
    return MarkedFrame(
        lambda: [_shape(annotation, names) for annotation in annotations],
        name=image["file_name"].text,
        index=None if index is None else index.whole,
        size=None if height is None or width is None else (height, width),
    )


def _shape(annotation: Value, names: dict[int, str]) -> Shape:
    label, number = category_name(annotation, names), _track(annotation)
    segmentation = annotation.get("segmentation")
    if segmentation is not None and segmentation.value:
        return Shape(label, segmentation_shape(segmentation), number)
    box = annotation.get("bbox")
    if box is None:
        return Shape(label, None, number)
    corner, sides = _pairs(box)
    return Shape(label, box_shape(*corner, *(corner + sides)), number, is_box=True)


def _track(annotation: Value) -> int | None:
    attributes = annotation.get("attributes")
    track = annotation.get("track_id") or (attributes and attributes.get("track_id"))
    return None if track is None else track.whole


def _pairs(box: Value) -> NDArray[np.float64]:
    if len(box.points) != 2:
        box.refuse("expected x, y, width and height")
    return box.points


def _size(size: Value) -> Size:
    sides = [side.whole for side in size]
    if len(sides) != 2:
        size.refuse("expected height and width")
    return sides[0], sides[1]


def _decoded(code: Value, size: Size, wanted: Size) -> NDArray[np.bool_]:
    """Decode a run-length code, after checking that it has the wanted size."""
    # checked before decoding, because a short code can claim any number of pixels
    if size != wanted:
        code.refuse(
            f"is a run-length code of {size[1]}x{size[0]} pixels in a frame of "
            f"{wanted[1]}x{wanted[0]}"
        )
    counts = code["counts"]
    try:
        if isinstance(counts.value, str):
            return decode(Rle(size=[*size], counts=counts.text))
        runs = np.array([run.whole for run in counts], np.int64)
        mask: NDArray[np.bool_] = decode_runs(runs, (size[0], size[1])).T
        return mask
    except (ValueError, OverflowError) as error:
        raise AnnotationError(f"{code.place}: {error}") from error
