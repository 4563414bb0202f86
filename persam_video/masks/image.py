"""Opening the image file of a mask."""

import stat
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from persam_video.errors import AnnotationError

# Named, so that an untrusted file cannot choose a decoder that starts another program (EPS does).
_FORMATS = ("PNG", "BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP")
_VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
# Twice an 8K frame; a few kilobytes of PNG can claim a hundred times more.
_MAX_PIXELS = 2**26


def open_mask(path: Path) -> Image.Image:
    """Return the decoded image of a mask file, turned upright when it says how.

    Raises:
        AnnotationError: there is no such file, or it is not one still image of a sensible size.
    """
    try:
        with _open_file(path) as file, Image.open(file, formats=_FORMATS) as image:
            _check_header(path, image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            upright: Image.Image = image
            return upright
    except AnnotationError:
        raise
    except UnidentifiedImageError as error:
        raise AnnotationError(f"{path}: {_not_an_image(path)}") from error
    except Image.DecompressionBombError as error:
        raise AnnotationError(_too_large(path)) from error
    except Exception as error:
        # Decoders raise nearly anything on damaged data: OSError, SyntaxError, struct.error, ...
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise AnnotationError(
            f"{path}: is damaged and cannot be decoded ({reason}); save the mask again as PNG"
        ) from error


def _open_file(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size > 0:
            return path.open("rb")
    except FileNotFoundError as error:
        raise AnnotationError(f"{path}: there is no such mask file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: the path holds a null byte
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"{path}: cannot be opened ({reason}); check the path") from error
    if stat.S_ISREG(status.st_mode):
        raise AnnotationError(f"{path}: is an empty file (0 bytes); save the mask again")
    raise AnnotationError(f"{path}: is not a file; give the image file of one mask")


def _check_header(path: Path, image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise AnnotationError(_too_large(path))
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1:
        raise AnnotationError(
            f"{path}: holds {pictures} pictures; save the mask of one frame as a still PNG"
        )


def _too_large(path: Path) -> str:
    return (
        f"{path}: claims more than {_MAX_PIXELS // 1_000_000} million pixels; "
        "give a mask of the size of the frame"
    )


def _not_an_image(path: Path) -> str:
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return "is a video where a mask is expected; save the mask of one frame as PNG"
    return "is not an image that can be read; save the mask as PNG"
