"""Folders of label maps, as in DAVIS and as written by SAM 2, XMem and Cutie."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.annotation import check_mask_size
from persam_video.masks.folder import mask_files
from persam_video.masks.formats.annotated import AnnotationFile, MarkedFrame, Shape, Size
from persam_video.masks.image import open_mask
from persam_video.masks.labels import MAX_OBJECT_ID, UNNAMED, VOID
from persam_video.masks.values import label_values


def read_label_folder(path: Path) -> AnnotationFile:
    """Read a folder of PNGs in one of three layouts.

    - ``NNNNN.png``: label maps of one video.
    - ``OBJECT/NNNNN.png``: masks of single objects in folders named by number, as SAM 2 writes them
      with ``--per_obj_png_file``.
    - ``VIDEO/NNNNN.png``: label maps of several videos.

    Raises:
        AnnotationError: a file cannot be read.
    """
    pictures = mask_files(path)
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
    of_objects = {int(f.name): f for f in folders if _is_object(f.name)}
    if pictures:
        frames = [label_frame(picture, {}) for picture in pictures]
    elif of_objects:
        frames = list(_of_objects(of_objects))
    else:
        frames = [
            label_frame(picture, {}, name=f"{folder.name}/{picture.name}")
            for folder in folders
            for picture in mask_files(folder)
        ]
    return AnnotationFile(path, frames, tracked=True)


def label_frame(picture: Path, names: Mapping[int, str], *, name: str | None = None) -> MarkedFrame:
    """Return the frame of a label map, whose values are ids.

    Args:
        picture: the file.
        names: names of objects by id.
        name: name of the frame; the file name by default.
    """
    return MarkedFrame(partial(_label_shapes, picture, names), name or picture.name)


def masks_of(labels: NDArray[np.uint8]) -> dict[int, NDArray[np.bool_]]:
    """Return the masks of a label map by id; void is ignored if there are other labels."""
    ids = [int(i) for i in np.unique(labels) if i]
    if ids == [VOID]:
        return {1: labels == VOID}
    return {i: labels == i for i in ids if i <= MAX_OBJECT_ID}


def picture_shape(
    label: str, mask: NDArray[np.bool_], picture: Path, number: int | None = None
) -> Shape:
    """Return the mask (H, W) of a picture as a shape, which only fits frames of its size."""
    own = (mask.shape[0], mask.shape[1])

    def draw(size: Size) -> NDArray[np.bool_]:
        check_mask_size(own, size, str(picture))
        return mask

    return Shape(label, draw, number, size=own)


def _label_shapes(picture: Path, names: Mapping[int, str]) -> list[Shape]:
    labels = label_values(open_mask(picture), str(picture))
    return [
        picture_shape(names.get(i, UNNAMED), mask, picture, i)
        for i, mask in masks_of(labels).items()
    ]


def _of_objects(folders: Mapping[int, Path]) -> Iterator[MarkedFrame]:
    """Yield the frames of folders that each contain the masks of one object."""
    names = sorted({picture.name for folder in folders.values() for picture in mask_files(folder)})
    for name in names:
        there = {i: folder / name for i, folder in folders.items() if (folder / name).is_file()}
        yield MarkedFrame(partial(_object_shapes, there), name)


def _object_shapes(pictures: Mapping[int, Path]) -> list[Shape]:
    shapes = []
    for object_id, picture in sorted(pictures.items()):
        mask = label_values(open_mask(picture), str(picture)) > 0
        if mask.any():
            shapes.append(picture_shape(UNNAMED, mask, picture, object_id))
    return shapes


def _is_object(name: str) -> bool:
    return name.isdecimal() and 1 <= int(name) <= MAX_OBJECT_ID
