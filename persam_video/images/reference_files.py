"""Annotated photos, in memory and on disk."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.masks import Annotation, MaskFile, load_annotation, read_annotation
from persam_video.masks.names import with_ids_of
from persam_video.util.inputs import ProtectedInputs
from persam_video.video.image_decoder import read_image


@dataclass(frozen=True, eq=False)
class Reference:
    """An annotated image.

    Attributes:
        rgb: uint8 (H, W, 3).
        annotation: of the same size; an ``Annotation``, or a bool or integer (H, W) label map.
    """

    rgb: NDArray[np.uint8]
    annotation: Annotation | NDArray[Any]

    @property
    def marked(self) -> Annotation:
        """The annotation.

        Raises:
            AnnotationError: it cannot be used, or has another size than the image.
        """
        return load_annotation(self.annotation, (self.rgb.shape[0], self.rgb.shape[1]))


@dataclass(frozen=True)
class ReferenceFiles:
    """An annotated image on disk.

    Attributes:
        image: the photo.
        mask: its annotation; see ``persam_video.masks.read_annotation``. In a file that annotates
            several frames, it is the one with the photo's name, unless one is chosen.
    """

    image: Path
    mask: Path | MaskFile

    @property
    def inputs(self) -> ProtectedInputs:
        """The files that are read, which must not be written to."""
        return ProtectedInputs((self.image,)) | MaskFile.of(self.mask).inputs

    def read(self) -> Reference:
        """Read both files.

        Raises:
            SourceError: the image cannot be read.
            AnnotationError: the mask cannot be used, or has another size.
        """
        rgb = read_image(self.image)
        size = (rgb.shape[0], rgb.shape[1])
        return Reference(rgb, read_annotation(self.mask, size=size, image=self.image))


def read_references(
    photos: Iterable[ReferenceFiles], known: Iterable[Annotation] = ()
) -> list[Reference]:
    """Read annotated photos; objects of the same name have the same id in all of them.

    Args:
        photos: the files.
        known: annotations of objects whose names and ids are known already.

    Raises:
        SourceError: an image cannot be read.
        AnnotationError: a mask cannot be used or has another size, or objects cannot be matched
            without ambiguity.
    """
    read: list[Reference] = []
    known = list(known)
    for photo in photos:
        found = photo.read()
        (annotation,) = with_ids_of(known, [found.marked])
        known.append(annotation)
        read.append(replace(found, annotation=annotation))
    return read
