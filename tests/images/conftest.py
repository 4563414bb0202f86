from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import write_label_png
from persam_video.sam import load_sam
from persam_video.synthetic import Kind, SyntheticClip, SyntheticObject, Waypoint

TINTS = {Kind.KOI: (0.93, 0.55, 0.12), Kind.BALL: (0.12, 0.3, 0.72), Kind.LEAF: (0.75, 0.13, 0.1)}
SIZES = {Kind.KOI: 0.5, Kind.BALL: 0.3, Kind.LEAF: 0.32}


@dataclass(frozen=True)
class Photo:
    rgb: np.ndarray
    labels: np.ndarray

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write NAME.jpg and NAME_mask.png, and give their paths."""
        image, mask = folder / f"{name}.jpg", folder / f"{name}_mask.png"
        Image.fromarray(self.rgb).save(image, quality=95)
        write_label_png(mask, self.labels)
        return image, mask


def photo(*things, seed=0, width=480, height=320):
    """Draw a photo of (kind, x, y, angle), labelled from 1 in their order."""
    objects = tuple(
        SyntheticObject(n, kind, TINTS[kind], SIZES[kind], (Waypoint(0, x, y, angle),))
        for n, (kind, x, y, angle) in enumerate(things, start=1)
    )
    clip = SyntheticClip(objects, width=width, height=height, length=1, seed=seed)
    return Photo(*next(clip.frames()))


@pytest.fixture(scope="session")
def model():
    return load_sam("lite", image_size=384, device="cpu")


@pytest.fixture(scope="session")
def three():
    """A koi (1), a ball (2) and a leaf (3)."""
    return photo((Kind.KOI, 0.25, 0.3, 10), (Kind.BALL, 0.7, 0.3, 0), (Kind.LEAF, 0.5, 0.75, 0))


@pytest.fixture(scope="session")
def moved():
    """The same three elsewhere, in another place and in a photo of another size."""
    return photo(
        (Kind.KOI, 0.7, 0.7, 60),
        (Kind.BALL, 0.3, 0.7, 30),
        (Kind.LEAF, 0.4, 0.25, 90),
        seed=5,
        width=400,
        height=400,
    )


@pytest.fixture(scope="session")
def shoal():
    """Four balls, of which none is in one piece with another."""
    places = ((0.2, 0.25), (0.75, 0.25), (0.3, 0.75), (0.8, 0.7))
    return photo(*((Kind.BALL, x, y, 40 * n) for n, (x, y) in enumerate(places)), seed=2)


@pytest.fixture(scope="session")
def one_ball():
    return photo((Kind.BALL, 0.5, 0.5, 20), seed=1)
