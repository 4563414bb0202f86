"""Reading a sequence of images."""

import glob
import re
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from persam_video.errors import SourceError
from persam_video.video.frame import Frame
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo, SourceKind

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)

# Named, so that an untrusted file cannot choose a decoder that starts another program (EPS does).
_FORMATS = ("PNG", "BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP")

# Images have no rate of their own; DAVIS, whose layout this follows, has 24 frames per second.
IMAGE_RATE = Fraction(24)

_DIGITS = re.compile(r"(\d+)")

# Four 8K frames, or the largest cameras; a few kilobytes can claim a hundred times more.
_MAX_PIXELS = 2**27


class ImageDecoder:
    """A folder, glob or single image, in natural order (``img2`` before ``img10``).

    EXIF orientation is applied, transparency is dropped, 16-bit images are scaled to 8 bits, and
    of an animated image the first picture is taken. Image n is shown at n / 24 seconds.
    """

    def __init__(self, location: Location) -> None:
        """Find the images and read the first.

        Raises:
            SourceError: there are none, or the first cannot be read.
        """
        self.warnings: list[str] = []
        self._paths = find_images(location)
        self._first = read_image(self._paths[0])
        height, width = self._first.shape[:2]
        count = len(self._paths)
        self.info = SourceInfo(
            name=location.name,
            kind=location.kind,
            width=width,
            height=height,
            fps=IMAGE_RATE,
            variable_frame_rate=False,
            frame_count=count,
            duration=float(count / IMAGE_RATE),
            has_audio=False,
            path=location.path,
        )
        suffixes = sorted({path.suffix.lower() for path in self._paths})
        if len(suffixes) > 1:
            self.warnings.append(f"{location.name}: images of several types: {', '.join(suffixes)}")

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Read the wanted images, in order.

        Raises:
            SourceError: an image cannot be read, or differs in size from the first.
        """
        for index in selection.within(len(self._paths)):
            rgb = self._first if index == 0 else self._read(self._paths[index])
            yield Frame(index, rgb, float(index / IMAGE_RATE))

    def close(self) -> None:
        """Release the source; a second call does nothing."""

    def _read(self, path: Path) -> NDArray[np.uint8]:
        rgb = read_image(path)
        height, width = rgb.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise SourceError(
                f"{path}: is {width}x{height}, but the images before it are "
                f"{self.info.width}x{self.info.height}; make all images the same size"
            )
        return rgb


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
        raise SourceError(f"{location.name}: cannot be listed ({error.strerror})") from error
    if not images:
        what = "matches" if location.kind is SourceKind.GLOB else "holds"
        others = ", ".join(sorted(path.name for path in found)[:3])
        raise SourceError(
            f"{location.name}: {what} no images (found: {others or 'nothing'}); "
            "give a video file, or frames as JPEG or PNG"
        )
    return sorted(images, key=natural_key)


def is_image(path: Path) -> bool:
    """Return whether a path counts as an image, by its name."""
    # macOS leaves "._frame.jpg" beside "frame.jpg" on foreign disks; it holds no picture.
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers inside of names by value."""
    parts = _DIGITS.split(path.as_posix().casefold())
    return [int(part) if part.isdecimal() else part for part in parts], str(path)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return one image as uint8 RGB (H, W, 3), turned upright, without transparency, in 8 bits.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise SourceError(
                    f"{path}: claims {image.width}x{image.height} pixels, too large to be read "
                    f"safely; give images of at most {_MAX_PIXELS // 1_000_000} million pixels"
                )
            upright = ImageOps.exif_transpose(image)
            if upright.mode == "F":
                raise SourceError(f"{path}: has floating-point pixels; give 8- or 16-bit images")
            if upright.mode.startswith("I"):
                return _from_16_bit(upright)
            return np.array(upright.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise SourceError(f"{path}: too large to be read safely ({error})") from error
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        problem = getattr(error, "strerror", None) or "damaged, or not an image"
        raise SourceError(f"{path}: cannot be read ({problem}); replace or remove it") from error


def _from_16_bit(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image).astype(np.int64)
    grey = ((values.clip(0, 65535) + 128) // 257).astype(np.uint8)  # 65535 becomes 255
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
