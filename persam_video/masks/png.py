"""Label maps as indexed PNG files."""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks.image import open_mask
from persam_video.masks.palette import davis_palette
from persam_video.util.atomic import atomic_path

# Nearly all pixels equal the one before, so that zlib's search for other repetitions takes twice
# the time and finds nothing: files are as small without it, or smaller.
_COMPRESSION = zlib.Z_RLE


def write_label_png(path: str | Path, labels: NDArray[np.uint8]) -> None:
    """Write a label map as an indexed PNG with the DAVIS palette.

    The file appears whole or not at all, and equal label maps give equal bytes.

    Args:
        path: the file, which is replaced if it exists; its folder must exist.
        labels: uint8 array of shape (H, W); its values become the pixel values.

    Raises:
        OutputError: the file cannot be written.
        ValueError: ``labels`` is not a label map.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.size == 0:
        raise ValueError(
            f"labels must be a uint8 array of shape (H, W), not {labels.dtype} of {labels.shape}"
        )
    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(davis_palette().tobytes())
    with atomic_path(Path(path)) as sibling:
        image.save(sibling, format="PNG", compress_type=_COMPRESSION)


def read_label_png(path: str | Path) -> NDArray[np.uint8]:
    """Read the label map of an indexed PNG.

    Returns:
        uint8 array of shape (H, W), the palette indices.

    Raises:
        AnnotationError: the file cannot be read or is not an indexed PNG.
    """
    path = Path(path)
    image = open_mask(path)
    if image.format != "PNG" or image.mode != "P":
        raise AnnotationError(
            f"{path}: is a {image.format} image of mode {image.mode}, not an indexed PNG; "
            "save label maps as PNG with a palette"
        )
    return np.array(image, np.uint8)
