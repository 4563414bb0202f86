"""Annotated photos on disk."""

from dataclasses import dataclass
from pathlib import Path

from persam_video.images.one_shot import Reference
from persam_video.masks.annotation import read_annotation
from persam_video.video.image_decoder import read_image


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
