"""Writing a drawn picture."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.atomic import atomic_path


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write uint8 RGB (H, W, 3) as a PNG, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as sibling:
        Image.fromarray(rgb).save(sibling, format="PNG")
