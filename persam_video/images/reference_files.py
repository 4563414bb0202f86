"""Annotated photos, in memory and on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.masks import Annotation, read_annotation
from persam_video.video.image_decoder import read_image


@dataclass(frozen=True, eq=False)
class Reference:
    """An image whose objects are marked.

    Attributes:
        rgb: uint8 (H, W, 3).
        annotation: of the same size; an ``Annotation``, or a bool or integer (H, W) label map.
    """

    rgb: NDArray[np.uint8]
    annotation: Annotation | NDArray[Any]


@dataclass(frozen=True)
class ReferenceFiles:
    """An image whose objects are marked, on disk.

    Attributes:
        image: the photo.
        mask: its annotation; see ``persam_video.masks.read_annotation``.
    """

    image: Path
    mask: Path

    def read(self) -> Reference:
        """Read both files.

        Raises:
            SourceError: the image cannot be read.
            AnnotationError: the mask cannot be used, or has another size.
        """
        rgb = read_image(self.image)
        return Reference(rgb, read_annotation(self.mask, size=(rgb.shape[0], rgb.shape[1])))
