"""Pascal VOC: images of classes and objects, as in CVAT's "Segmentation mask 1.1"."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.folder import mask_files
from persam_video.masks.formats.annotated import AnnotationFile, MarkedFrame, Shape
from persam_video.masks.formats.label_images import (
    label_frame,
    masks_of,
    picture_shape,
)
from persam_video.masks.image import open_mask
from persam_video.masks.labels import VOID
from persam_video.masks.palette import davis_palette
from persam_video.masks.values import label_values

CLASSES = "SegmentationClass"
OBJECTS = "SegmentationObject"

_LABELS = "labelmap.txt"
_BACKGROUND = "background"
# fmt: off
_NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on


def read_voc(path: Path, root: Path) -> AnnotationFile:
    """Read the images of a dataset.

    An object is named after the class of most of its pixels. If there are no images of objects,
    each class is one object.

    Args:
        path: path of the archive or folder.
        root: the folder that contains ``SegmentationClass`` or ``SegmentationObject``.

    Raises:
        AnnotationError: the list of labels is damaged.
    """
    classes, objects = (
        {picture.name: picture for picture in mask_files(root / folder)}
        for folder in (CLASSES, OBJECTS)
    )
    names = _class_names(root / _LABELS)
    frames = []
    for name in sorted({*classes, *objects}):
        of_class, of_object = classes.get(name), objects.get(name)
        if of_class is None and of_object is not None:
            frames.append(label_frame(of_object, {}))
        elif of_class is not None:
            frames.append(MarkedFrame(partial(_shapes, of_class, of_object, names), name))
    return AnnotationFile(path, frames)


def _shapes(of_class: Path, of_object: Path | None, names: dict[int, str]) -> list[Shape]:
    codes = _colours(of_class)
    void = _code(davis_palette()[VOID])
    known = {code: name for code, name in names.items() if name != _BACKGROUND}
    if unknown := set(np.unique(codes).tolist()) - {0, void, *names}:
        red, green, blue = _rgb(unknown.pop())
        raise AnnotationError(
            f"{of_class}: has the colour {red},{green},{blue}, which is of no class; add it to "
            f"{_LABELS}"
        )
    if of_object is None:
        return [
            picture_shape(name, codes == code, of_class)
            for code, name in known.items()
            if (codes == code).any()
        ]
    labels = label_values(open_mask(of_object), str(of_object))
    if labels.shape != codes.shape:
        raise AnnotationError(f"{of_object}: differs in size from {of_class}")
    shapes = []
    for mask in masks_of(labels).values():
        present, counts = np.unique(codes[mask], return_counts=True)
        name = names.get(int(present[counts.argmax()]), _BACKGROUND)
        if name == _BACKGROUND:
            raise AnnotationError(f"{of_object}: has an object without a class in {of_class}")
        shapes.append(picture_shape(name, mask, of_object))
    return shapes


def _class_names(file: Path) -> dict[int, str]:
    """Return the names of the classes by colour code."""
    if not file.is_file():
        return {_code(davis_palette()[i]): name for i, name in enumerate(_NAMES, start=1)}
    names = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{file}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        values = rest.split(":")[0].split(",")
        if len(values) != 3 or not all(v.strip().isdecimal() and int(v) < 256 for v in values):
            raise AnnotationError(
                f"{file}, line {number}: expected a label and its colour, as in cat:250,50,83::"
            )
        names[_code(np.array([int(value) for value in values]))] = name
    return names


def _colours(picture: Path) -> NDArray[np.int64]:
    """Return the colour code of each pixel."""
    rgb = np.asarray(open_mask(picture).convert("RGB"), np.int64)
    codes: NDArray[np.int64] = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    return codes


def _code(rgb: NDArray[np.integer]) -> int:
    red, green, blue = rgb.tolist()
    return int(red << 16 | green << 8 | blue)


def _rgb(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255
