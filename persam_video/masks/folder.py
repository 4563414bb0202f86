"""The mask files of a video, one per frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.image import open_mask
from persam_video.masks.labels import VOID
from persam_video.masks.values import label_values


def mask_files(folder: Path) -> list[Path]:
    """Return the PNGs of a folder by name, except hidden ones; none where there is no folder."""
    found = (path for path in folder.glob("*") if path.suffix.lower() == ".png")
    return sorted(path for path in found if not path.name.startswith("."))


class MaskFiles:
    """The mask files of one video, read like ``read_annotation``, with consistent ids.

    255 is object 1 if no file has another label, and void otherwise: the rule of
    single annotations, applied to all files at once, as a frame may have void and no object.
    Colours outside the palette are rejected, because their numbers would depend on
    what else a file shows.

    Args:
        paths: the files, at least one.

    Raises:
        AnnotationError: a file cannot be read as a mask, or none shows an object.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        present = np.zeros(VOID + 1, np.bool_)
        for path in paths:
            present |= np.bincount(_labels(path).ravel(), minlength=VOID + 1) > 0
        self._void = 0 if present[1:VOID].any() else 1
        if not present[1:].any():
            raise AnnotationError(
                f"{paths[0].parent}: has no object in any of {len(paths)} masks, every pixel is "
                "background; give masks with labels from 1"
            )

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Return the label map of one of the files, uint8 (H, W): 0 and object ids, 1 to 254."""
        labels = _labels(path)
        return np.where(labels == VOID, np.uint8(self._void), labels)


def _labels(path: Path) -> NDArray[np.uint8]:
    return label_values(open_mask(path), str(path), number_colours=False)
