"""Opening untrusted image files.

Every image of a user (frame, photo, mask, benchmark annotation) is opened here, so that there is
one list of decoders and one limit of size.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from persam_video.errors import PersamVideoError
from persam_video.util.names import why_missing

# Named, so that an untrusted file cannot choose a decoder that starts another program (EPS does).
FORMATS = ("PNG", "BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP")

# Four 8K frames, or the largest cameras; a few kilobytes can claim a hundred times more.
MAX_PIXELS = 2**27

_SUBFILE_TYPE = 254
_NO_PICTURE = 0b101  # bits of TIFF's subfile type: a smaller copy of another page, a page's mask

_VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
_FOREIGN_SUFFIXES = {
    ".avif": "AVIF",
    ".exr": "EXR",
    ".heic": "HEIC",
    ".heif": "HEIF",
    ".jp2": "JPEG 2000",
    ".jxl": "JPEG XL",
    ".psd": "PSD",
    ".svg": "SVG",
}


@contextmanager
def open_image(
    path: Path, error: type[PersamVideoError], *, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """Open an image file without decoding it; decoding errors inside the block are covered, too.

    Args:
        path: the file.
        error: the type of error to raise.
        formats: Pillow's names of the formats to try.

    Raises:
        PersamVideoError: of the kind ``error``: there is no such file, it is not an image of these
            formats, claims more pixels than ``MAX_PIXELS``, or decoding it fails within the block.
    """
    try:
        with (
            decoding(str(path), error),
            _open_file(path, error) as file,
            open_within_limit(file, str(path), error, formats) as image,
        ):
            yield image
    except UnidentifiedImageError as failure:
        raise error(f"{path}: {_not_an_image(path)}") from failure


@contextmanager
def open_within_limit(
    file: BinaryIO, name: str, error: type[PersamVideoError], formats: tuple[str, ...]
) -> Iterator[Image.Image]:
    """Open an image without decoding it, unless it claims more pixels than ``MAX_PIXELS``.

    Raises:
        PersamVideoError: of the kind ``error``: the image is too large.
        UnidentifiedImageError: it is no image of these formats.
    """
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise error(_too_large(name, f"{image.width}x{image.height}"))
            yield image
    except Image.DecompressionBombError as failure:
        raise error(_too_large(name, "far more than that many")) from failure


@contextmanager
def decoding(name: str, error: type[PersamVideoError]) -> Iterator[None]:
    """Turn whatever decoding an image raises in the block into an error for the user.

    Raises:
        PersamVideoError: of the kind ``error``: the image is damaged.
    """
    try:
        yield
    except (PersamVideoError, UnidentifiedImageError, Image.DecompressionBombError):
        raise
    except Exception as failure:
        # Decoders raise nearly anything on damaged data: OSError, SyntaxError, struct.error, ...
        reason = (str(failure).splitlines() or [type(failure).__name__])[0]
        raise error(
            f"{name}: cannot be read (damaged: {reason}); replace or remove it"
        ) from failure


def picture_count(image: Image.Image) -> int:
    """Return how many pictures of equal rank an opened image file holds.

    Previews and depth maps beside a photo (MPO), smaller copies and masks of a page (TIFF) are
    not counted.
    """
    return len(picture_places(image))


def picture_places(image: Image.Image) -> list[int]:
    """Return the positions of an image file's pictures for ``seek``; at least one."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format == "MPO":
        return [0]
    if image.format == "PNG" and image.info.get("default_image"):
        return list(range(1, count)) or [0]  # the first is for programs that know no animation
    if image.format != "TIFF":
        return list(range(count))
    places = []
    for place in range(count):
        image.seek(place)
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & _NO_PICTURE:  # type: ignore[attr-defined]
            places.append(place)
    image.seek(0)
    return places or [0]


def raw_mode(image: Image.Image) -> tuple[str, int | None]:
    """Return how the pixels of an undecoded image are stored, in Pillow's terms.

    Returns:
        The raw mode, such as ``L;2`` or ``RGB;16B``, empty once the image is decoded; and the value
        of white, for PGM and PPM only.
    """
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    if not isinstance(arguments, tuple):
        return str(arguments or ""), None
    mode = arguments[0] if arguments and isinstance(arguments[0], str) else ""
    white = arguments[1] if tiles[0][0].startswith("ppm") and len(arguments) > 1 else None
    return mode, white


def _open_file(path: Path, error: type[PersamVideoError]) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size > 0:
            return path.open("rb")
    except FileNotFoundError as failure:
        raise error(f"{path}: no such file; check the path{why_missing(path)}") from failure
    except (OSError, ValueError) as failure:  # ValueError: the path holds a null byte
        reason = getattr(failure, "strerror", None) or failure
        raise error(f"{path}: cannot be read ({reason}); check the path") from failure
    if stat.S_ISREG(status.st_mode):
        raise error(f"{path}: cannot be read (damaged: 0 bytes); replace or remove it")
    raise error(f"{path}: cannot be read (not a file); give an image file")


def _too_large(name: str, claimed: str) -> str:
    return (
        f"{name}: claims {claimed} pixels, too large to be read safely; "
        f"give images of at most {MAX_PIXELS // 1_000_000} million pixels"
    )


def _not_an_image(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _VIDEO_SUFFIXES:
        return "cannot be read (a video where an image is expected); save one frame as PNG"
    if suffix in _FOREIGN_SUFFIXES:
        return f"cannot be read ({_FOREIGN_SUFFIXES[suffix]}); save it as PNG or JPEG"
    return "cannot be read (damaged, or not an image); replace it, or save it as PNG or JPEG"
