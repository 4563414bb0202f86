"""Reading a sequence of images."""

import glob
import logging
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import SourceError
from persam_video.util.image_file import open_image, picture_count
from persam_video.util.names import folded_name
from persam_video.video.frame import Frame
from persam_video.video.masks_beside import masks_beside, refuse_masks_beside
from persam_video.video.pixels import DecodedImage, bits_warning, decode_image
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo, SourceKind

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)

# Images have no rate of their own; DAVIS, whose layout this follows, has 24 frames per second.
IMAGE_RATE = Fraction(24)

_DIGITS = re.compile(r"(\d+)")

# Not JPEG, with which motion JPEG begins, too. FFmpeg reads only the first picture of these.
_UNNAMED_IMAGE = re.compile(rb"\x89PNG|II\*\0|MM\0\*|RIFF....WEBP", re.DOTALL)

_SAMPLES = 8
"""Images of a sequence that are looked at to tell how many bits are in use."""

_log = logging.getLogger(__name__)


class ImageDecoder:
    """A folder, glob or single image, in natural order (``img2`` before ``img10``).

    EXIF orientation is applied and transparency is dropped. 16-bit images are scaled to 8 bits, by
    the range that they use; only the first picture of a file is read, with a warning. Image
    n is shown at n / 24 seconds.
    """

    def __init__(self, location: Location) -> None:
        """Find the images and read the first.

        Raises:
            SourceError: there are none, the first cannot be read, or there are masks among the
                images of a folder.
        """
        self.warnings: list[str] = []
        self._paths = find_images(location)
        refuse_masks_beside(location, self._paths)
        if message := masks_beside(location, self._paths):
            self.warnings.append(message)  # a glob names what it wants
        self._names = frame_names(self._paths)
        count = len(self._paths)
        self._name = location.name
        self._several = 0
        self._bits: int | None = None
        first = self._decode(self._paths[0])
        if first.bits is not None:
            # A dark first image would make white of all that is bright later.
            samples = {*range(0, count, -(-count // _SAMPLES)), count - 1} - {0}
            others = [self._decode(self._paths[place]).bits or 8 for place in sorted(samples)]
            self._bits = max(first.bits, *others, 8)
            first = self._decode(self._paths[0])
        if warning := bits_warning(location.name, self._bits):
            self.warnings.append(warning)
        self._first = first.rgb
        height, width = self._first.shape[:2]
        self.info = SourceInfo(
            name=location.name,
            kind=location.kind,
            width=width,
            height=height,
            fps=IMAGE_RATE,
            frame_count=count,
            duration=float(count / IMAGE_RATE),
            path=location.path,
        )
        if self._names is None:
            self.warnings.append(
                f"{location.name}: several images have the same name: outputs are named after the "
                "index of the frame instead"
            )
        suffixes = sorted({path.suffix.lower() for path in self._paths})
        if len(suffixes) > 1:
            self.warnings.append(f"{location.name}: images of several types: {', '.join(suffixes)}")

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Read the selected images, in order.

        Raises:
            SourceError: an image cannot be read, or differs in size from the first.
        """
        for index in selection.within(len(self._paths)):
            rgb = self._first if index == 0 else self._read(self._paths[index])
            name = None if self._names is None else self._names[index]
            yield Frame(index, rgb, float(index / IMAGE_RATE), name=name)

    def close(self) -> None:
        """Release the source; a second call does nothing."""

    def _read(self, path: Path) -> NDArray[np.uint8]:
        decoded = self._decode(path)
        rgb = decoded.rgb
        height, width = rgb.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise SourceError(
                f"{path}: is {width}x{height}, but the images before it are "
                f"{self.info.width}x{self.info.height}; make all images the same size"
            )
        if self._bits is None and decoded.bits is not None:
            self._bits = decoded.bits
            if warning := bits_warning(str(path), decoded.bits):
                self.warnings.append(warning)
        if decoded.overflow is not None:
            self.warnings.append(
                f"{path}: has values up to {decoded.overflow}, beyond the {decoded.bits} bits of "
                "the images before it; they are white"
            )
        return rgb

    def _decode(self, path: Path) -> DecodedImage:
        with open_image(path, SourceError) as image:
            if picture_count(image) > 1 and not self._several:
                self._several = picture_count(image)
                self.warnings.append(
                    f"{path}: holds {self._several} pictures; only the first of each is used"
                )
            return decode_image(image, str(path), self._bits)


def find_images(location: Location) -> Sequence[Path]:
    """Return the images of a folder, glob or single file, in natural order.

    Everything that is not an image by its suffix is ignored, and so are hidden files.

    Raises:
        SourceError: there is no image, or the folder cannot be listed.
    """
    try:
        if location.kind is SourceKind.GLOB:
            # Unlike glob, Path.glob takes no absolute patterns.
            names = glob.glob(location.address, recursive=True)  # noqa: PTH207
            found = [Path(name) for name in names]
        elif location.kind is SourceKind.FOLDER:
            found = list(Path(location.address).iterdir())
        else:
            return [Path(location.address)]
        images = [path for path in found if is_image(path) and path.is_file()]
    except OSError as error:
        raise SourceError(
            f"{location.name}: cannot be listed ({error.strerror}); check that it may be read"
        ) from error
    if not images:
        what = "matches" if location.kind is SourceKind.GLOB else "holds"
        others = ", ".join(sorted(path.name for path in found)[:3])
        raise SourceError(
            f"{location.name}: {what} no images (found: {others or 'nothing'}); "
            "give a video file, or frames as JPEG or PNG"
        )
    return sorted(images, key=natural_key)


def frame_names(images: Sequence[Path]) -> list[str] | None:
    """Return the names that the frames of a sequence of images have.

    Returns:
        The file names, or ``None`` if two differ at most in folder, suffix or case: outputs that
        are named after them would then overwrite one another.
    """
    stems = {folded_name(path.stem) for path in images}
    return [path.name for path in images] if len(stems) == len(images) else None


def is_image(path: Path) -> bool:
    """Return whether a path has the suffix of an image and is not hidden."""
    # macOS leaves "._frame.jpg" beside "frame.jpg" on foreign disks; it holds no picture.
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def is_image_file(path: Path) -> bool:
    """Return whether a file is an image, by its suffix or, if it has none, by its first bytes."""
    if path.suffix:
        return is_image(path)
    with suppress(OSError):  # for whoever reads it to report
        if path.is_file():  # devices are not read
            with path.open("rb") as file:
                return _UNNAMED_IMAGE.match(file.read(12)) is not None
    return False


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers inside of names by value."""
    parts = _DIGITS.split(path.as_posix().casefold())
    return [int(part) if part.isdecimal() else part for part in parts], str(path)


def read_image(path: Path, warn: Callable[[str], None] = _log.warning) -> NDArray[np.uint8]:
    """Return one image as uint8 RGB (H, W, 3), turned upright, without transparency, in 8 bits.

    Args:
        path: the file.
        warn: called with one line for each part of the file that is ignored or guessed.

    Raises:
        SourceError: it cannot be read.
    """
    with open_image(path, SourceError) as image:
        if (count := picture_count(image)) > 1:
            warn(f"{path}: holds {count} pictures; only the first is used")
        decoded = decode_image(image, str(path))
    if warning := bits_warning(str(path), decoded.bits):
        warn(warning)
    return decoded.rgb
