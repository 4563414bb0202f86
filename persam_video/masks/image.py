"""Opening the image file of a mask."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from persam_video.errors import AnnotationError
from persam_video.util.image_file import open_image, picture_count, raw_mode


def open_mask(path: Path) -> Image.Image:
    """Return the decoded image of a mask file, rotated as its EXIF data says.

    Grey values of fewer than 8 bits are the stored ones, where Pillow spreads them over 0 to 255;
    only a mask of black and white alone keeps 255 for white.

    Raises:
        AnnotationError: there is no such file, or it is not one still image of a sensible size.
    """
    with open_image(path, AnnotationError) as image:
        if (pictures := picture_count(image)) > 1:
            raise AnnotationError(
                f"{path}: holds {pictures} pictures; save the mask of one frame as a still PNG"
            )
        white = _stored_white(image)
        image.load()
        stored = image if white is None else _unscaled(image, white)
        upright = ImageOps.exif_transpose(stored)
        upright.format = image.format
    return upright


def _stored_white(image: Image.Image) -> int | None:
    """Return an undecoded image's value for white, or ``None`` if it is Pillow's."""
    mode, maximum = raw_mode(image)
    if image.mode == "L" and mode.startswith("L;"):  # PNG and TIFF of 2 and 4 bits
        bits = mode[2:3]
        return 2 ** int(bits) - 1 if bits.isdecimal() else None
    if image.format == "PPM" and maximum not in (None, 255, 65535):
        return maximum
    return None


def _unscaled(image: Image.Image, white: int) -> Image.Image:
    top = 255 if image.mode == "L" else 65535
    values = np.asarray(image).astype(np.int64)
    if not np.isin(values, (0, top)).all():
        values = (values * white + top // 2) // top
    unscaled = Image.fromarray(values.astype(np.uint8 if image.mode == "L" else np.int32))
    unscaled.getexif().update(image.getexif())
    return unscaled
