import numpy as np
import pytest
from PIL import Image

from persam_video.synthetic import Kind, SyntheticClip, SyntheticObject, Waypoint

OBJECTS = {
    "gold_koi": (Kind.KOI, (0.93, 0.55, 0.12), 0.6),
    "blue": (Kind.BALL, (0.1, 0.3, 0.7), 0.45),
}
PLACES = {"00": (0.5, 0.5, 0), "01": (0.3, 0.4, 40), "02": (0.6, 0.6, 200)}


@pytest.fixture(scope="session")
def make_perseg(tmp_path_factory):
    """Build a miniature of PerSeg: two objects, a reference and two images each."""

    def make():
        root = tmp_path_factory.mktemp("perseg")
        for seed, (name, (kind, tint, size)) in enumerate(OBJECTS.items()):
            for number, (stem, (x, y, angle)) in enumerate(PLACES.items()):
                thing = SyntheticObject(1, kind, tint, size, (Waypoint(0, x, y, angle),))
                clip = SyntheticClip((thing,), 384, 288, length=1, seed=10 * seed + number)
                rgb, labels = next(clip.frames())
                for folder in ("Images", "Annotations"):
                    (root / folder / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(rgb).save(root / "Images" / name / f"{stem}.jpg", quality=95)
                painted = np.zeros_like(rgb)  # as the published masks are
                painted[labels == 1, 0] = 128
                Image.fromarray(painted).save(root / "Annotations" / name / f"{stem}.png")
        (root / "Images" / ".DS_Store").touch()  # as the published archive has
        return root

    return make


@pytest.fixture(scope="session")
def perseg(make_perseg):
    return make_perseg()
