"""Where PerSeg keeps its images and masks.

The layout is ``Images/<object>/NN.jpg`` and ``Annotations/<object>/NN.png``. Image 00 of an object
is its reference photo unless others are named; the rest is to be segmented. A mask's pixel belongs
to the object where any of its channels is above 0 (the published masks are RGB, the object 128 in
red).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import DatasetError
from persam_video.masks.image import open_mask
from persam_video.video.image_decoder import is_image, natural_key, read_image

REFERENCE = "00"


@dataclass(frozen=True)
class PerSegImage:
    """One image and its mask, on disk."""

    image: Path
    mask: Path

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read the image, uint8 RGB (H, W, 3), and its mask, bool (H, W).

        Raises:
            SourceError: the image cannot be read.
            AnnotationError: the mask cannot be read.
            DatasetError: they differ in size.
        """
        rgb = read_image(self.image)
        picture = open_mask(self.mask)
        if len(picture.getbands()) > 1:
            picture = picture.convert("RGB")  # alpha is not a channel of the mask
        mask = np.atleast_3d(np.array(picture)).max(axis=2) > 0
        if mask.shape != rgb.shape[:2]:
            raise DatasetError(
                f"{self.mask}: is {mask.shape[1]}x{mask.shape[0]} pixels where its image is "
                f"{rgb.shape[1]}x{rgb.shape[0]} (width x height); take the pair from one release"
            )
        return rgb, mask


@dataclass(frozen=True)
class PerSegObject:
    """The images of one object.

    Attributes:
        name: of its folder.
        references: the annotated images that a method is given; at least one.
        tests: the others, in natural order; at least one.
    """

    name: str
    references: tuple[PerSegImage, ...]
    tests: tuple[PerSegImage, ...]


class PerSegDataset:
    """The objects of a folder in PerSeg's layout.

    Iterating lists one object's files at a time; images are not opened.

    Attributes:
        root: the folder that holds ``Images`` and ``Annotations``.
        names: the objects, in order.
        references: names of the images that are reference photos.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        only: Sequence[str] = (),
        skip: Sequence[str] = (),
        references: Sequence[str] = (REFERENCE,),
    ) -> None:
        """List the objects.

        Args:
            root: the folder that holds ``Images`` and ``Annotations``.
            only: names of the objects to keep, all of them when empty.
            skip: names of objects to leave out.
            references: names of each object's reference photos, such as ``00`` and ``01``.

        Raises:
            DatasetError: the folder is not in the layout, has no object, or lacks one that is
                named; a name is not one of a folder; or no reference photo is named.
        """
        self.root = Path(root)
        self.references = tuple(dict.fromkeys(references))
        if not self.references:
            raise DatasetError("no reference photo is named: give one, such as 00")
        for name in (*only, *skip):
            if name in ("", ".", "..") or any(character in name for character in "/\\:\0"):
                raise DatasetError(f"{name!r} is not the name of an object's folder")
        present = [path.name for path in _listing(self.root / "Images") if path.is_dir()]
        unknown = [name for name in (*only, *skip) if name not in present]
        if unknown:
            raise DatasetError(f"{self.root / 'Images'}: has no object {', '.join(unknown)}")
        self.names = tuple(name for name in only or present if name not in skip)
        if not self.names:
            raise DatasetError(f"{self.root / 'Images'}: no object is left; each needs a folder")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[PerSegObject]:
        return map(self.object, self.names)

    def object(self, name: str) -> PerSegObject:
        """List the files of one object.

        Raises:
            DatasetError: there is no such object, it has no reference photo or nothing to segment,
                or an image has no mask.
        """
        if name not in self.names:
            raise DatasetError(f"{self.root}: has no object {name}")
        images = [path for path in _listing(self.root / "Images" / name) if is_image(path)]
        pairs = {
            path.stem: PerSegImage(path, self.root / "Annotations" / name / f"{path.stem}.png")
            for path in images
        }
        for pair in pairs.values():
            if not pair.mask.is_file():
                raise DatasetError(f"{pair.image}: has no mask {pair.mask}")
        missing = [f"reference photo {stem}.jpg" for stem in self.references if stem not in pairs]
        references = tuple(pairs.pop(stem) for stem in self.references if stem in pairs)
        if not pairs:
            missing.append("image to segment")
        if missing:
            raise DatasetError(f"{self.root / 'Images' / name}: has no {missing[0]}")
        return PerSegObject(name, references, tuple(pairs.values()))


def _listing(folder: Path) -> list[Path]:
    """Return what a folder holds, in natural order, without hidden files."""
    try:
        return sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")), key=natural_key
        )
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be listed ({error.strerror}); "
            "give the folder that holds Images and Annotations"
        ) from error
