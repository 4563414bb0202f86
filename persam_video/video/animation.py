"""Multi-picture image files as videos: multi-page TIFF, animated WebP and PNG."""

import struct
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import SourceError
from persam_video.util.image_file import open_image, picture_count, picture_places
from persam_video.video.frame import Frame
from persam_video.video.image_decoder import IMAGE_RATE
from persam_video.video.pixels import bits_warning, decode_image
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo

_UNTIMED = Fraction(1, 10)
"""Seconds for which browsers show a picture that says none."""


class AnimationDecoder:
    """A multi-picture image file, one frame per picture.

    The pictures of an animation are shown as long as it says, the pages of a TIFF for 1/24 second
    each. Pictures are as in ``persam_video.video.image_decoder.ImageDecoder`` otherwise.
    """

    def __init__(self, location: Location) -> None:
        """Open a file and read its first picture.

        Raises:
            SourceError: it cannot be read.
        """
        self._path = Path(location.address)
        self._name = location.name
        self.warnings: list[str] = []
        with open_image(self._path, SourceError) as image:
            self._places = picture_places(image)
            durations = _durations(self._path, image, len(self._places))
            image.seek(self._places[0])
            first = decode_image(image, self._name)
        self._bits = first.bits
        if warning := bits_warning(self._name, first.bits):
            self.warnings.append(warning)
        self._times = list(accumulate(durations, initial=Fraction(0)))
        total = self._times[-1]
        height, width = first.rgb.shape[:2]
        even = len(set(durations)) == 1
        self.info = SourceInfo(
            name=location.name,
            kind=location.kind,
            width=width,
            height=height,
            fps=1 / durations[0] if even else len(durations) / total,
            variable_frame_rate=not even,
            frame_count=len(durations),
            duration=float(total),
            path=location.path,
        )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Read the selected pictures, in order.

        Raises:
            SourceError: a picture cannot be read, or differs in size from the first.
        """
        wanted = selection.within(len(self._places))
        if not wanted:
            return
        with open_image(self._path, SourceError) as image:
            for index in wanted:
                image.seek(self._places[index])
                rgb = self._decode(image, index)
                yield Frame(index, rgb, float(self._times[index]))

    def close(self) -> None:
        """Release the source; a second call does nothing."""

    def _decode(self, image: Image.Image, index: int) -> NDArray[np.uint8]:
        decoded = decode_image(image, f"{self._name}, picture {index}", self._bits)
        height, width = decoded.rgb.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise SourceError(
                f"{self._path}: picture {index} is {width}x{height}, the first one is "
                f"{self.info.width}x{self.info.height}; make all pictures the same size"
            )
        if decoded.overflow is not None:
            self.warnings.append(
                f"{self._name}: picture {index} has values up to {decoded.overflow}, beyond the "
                f"{decoded.bits} bits of the first; they are white"
            )
        return decoded.rgb


def holds_pictures(path: Path) -> bool:
    """Return whether an image file holds more than one picture.

    Raises:
        SourceError: it cannot be read.
    """
    with open_image(path, SourceError) as image:
        return picture_count(image) > 1


def _durations(path: Path, image: Image.Image, count: int) -> list[Fraction]:
    """Return for how many seconds each picture is shown, from the headers of an animation."""
    if image.format == "WEBP":
        found = list(_webp_durations(path.read_bytes()))
    elif image.format == "PNG":
        found = list(_png_durations(path.read_bytes()))
    else:
        found = [1 / IMAGE_RATE] * count
    found = [duration or _UNTIMED for duration in found[:count]]
    return found + [_UNTIMED] * (count - len(found))


def _webp_durations(data: bytes) -> Iterator[Fraction]:
    """Read the durations of the ANMF chunks, 24-bit milliseconds; see RFC 9649, section 2.7.1.1."""
    place = 12
    while place + 24 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"ANMF":
            yield Fraction(int.from_bytes(data[place + 20 : place + 23], "little"), 1000)
        place += 8 + size + size % 2


def _png_durations(data: bytes) -> Iterator[Fraction]:
    """Read the delays of the fcTL chunks; see the PNG specification, third edition, 11.3.6.2."""
    place = 8
    while place + 34 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if name == b"fcTL":
            numerator, denominator = struct.unpack_from(">HH", data, place + 28)
            yield Fraction(numerator, denominator or 100)
        place += 12 + size
