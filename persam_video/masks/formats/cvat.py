"""CVAT's XML 1.1, for images and for video."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

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
from persam_video.masks.formats.values import number, points_of
from persam_video.masks.formats.xml import Element, read_xml
from persam_video.masks.rle import decode_runs
from persam_video.util.image_file import MAX_PIXELS

_SHAPES = ("polygon", "box", "mask", "ellipse", "polyline", "points", "cuboid", "skeleton")


def read_cvat(path: Path, file: Path) -> AnnotationFile:
    """Read the images or the tracks of a file.

    Shapes of an image with the same label and group are one object. If a track has key frames, only
    these are used. Shapes marked as outside are ignored.

    Args:
        path: path of the file, or of the archive or folder that contains it.
        file: the XML file.

    Raises:
        AnnotationError: the file is not from CVAT, or is damaged.
    """
    root = read_xml(file)
    if root.tag != "annotations":
        raise AnnotationError(f"{file}: is not from CVAT: its root element is <{root.tag}>")
    tracks = list(root.find("track"))
    if tracks:
        return AnnotationFile(path, list(_of_tracks(tracks, _original_size(root))), tracked=True)
    return AnnotationFile(path, [frame for image in root.find("image") for frame in _image(image)])


def _image(image: Element) -> Iterator[MarkedFrame]:
    """Yield the frame of an image if it has shapes."""
    elements = [child for child in image.children if child.tag in _SHAPES]
    if elements:
        yield MarkedFrame(
            lambda: [
                _shape(
                    element,
                    element["label"],
                    element.whole("group_id") if _grouped(element) else None,
                )
                for element in sorted(elements, key=_depth)
            ],
            name=image["name"],
            index=image.whole("id"),
            size=(image.whole("height"), image.whole("width")),
        )


def _of_tracks(tracks: list[Element], size: Size | None) -> Iterator[MarkedFrame]:
    """Yield the frames of tracks, in order."""
    by_frame: dict[int, list[tuple[Element, Element]]] = {}
    for track in tracks:
        shapes = [child for child in track.children if child.tag in _SHAPES]
        keys = [shape for shape in shapes if shape.attributes.get("keyframe") == "1"]
        for shape in keys or shapes:
            if shape.attributes.get("outside") != "1":
                by_frame.setdefault(shape.whole("frame"), []).append((track, shape))
    for index, here in sorted(by_frame.items()):
        yield MarkedFrame(
            lambda here=here: [  # type: ignore[misc]
                _shape(shape, track["label"], track.whole("id"))
                for track, shape in sorted(here, key=lambda pair: _depth(pair[1]))
            ],
            index=index,
            size=size,
        )


def _original_size(root: Element) -> Size | None:
    # in <task>, or in <job> since CVAT 2
    for sizes in (child for about in root.find("meta") for child in about.children):
        for original in sizes.find("original_size"):
            texts = {child.tag: child.text for child in original.children}
            if all(texts.get(side, "").isdecimal() for side in ("height", "width")):
                return int(texts["height"]), int(texts["width"])
    return None


def _grouped(element: Element) -> bool:
    return element.attributes.get("group_id", "0") != "0"


def _depth(element: Element) -> float:
    return number(element.attributes.get("z_order", 0), element.place)


def _shape(element: Element, label: str, group: int | None) -> Shape:
    return Shape(label, _draw(element), group, is_box=element.tag == "box")


def _draw(element: Element) -> Draw | None:
    if element.tag == "polygon":
        numbers = element["points"].replace(";", ",").split(",")
        return polygon_shape(points_of(numbers, element.place))
    turned = number(element.attributes.get("rotation", 0), element.place)
    if element.tag == "box":
        x0, y0, x1, y1 = _numbers(element, "xtl", "ytl", "xbr", "ybr")
        return box_shape(x0, y0, x1, y1, turned)
    if element.tag == "ellipse":
        x, y, across, down = _numbers(element, "cx", "cy", "rx", "ry")
        return ellipse_shape((x, y), (across, down), turned)
    return partial(_bitmap, element) if element.tag == "mask" else None


def _numbers(element: Element, *names: str) -> list[float]:
    return [number(element[name], element.place) for name in names]


def _bitmap(element: Element, size: Size) -> NDArray[np.bool_]:
    """Draw a run-length code, whose runs go along the rows of a part of the frame."""
    height, width = element.whole("height"), element.whole("width")
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"{element.place}: claims a mask of {width}x{height} pixels: too large"
        )
    try:
        runs = np.array([int(run) for run in element["rle"].split(",")], np.int64)
        # runs along the rows are runs along the columns of the transposed mask
        bitmap = decode_runs(runs, (width, height))
    except (ValueError, OverflowError) as error:
        raise AnnotationError(f"{element.place}: invalid rle ({error})") from error
    return bitmap_shape(bitmap, element.whole("left"), element.whole("top"))(size)
