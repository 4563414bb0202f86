from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.config import load_settings
from persam_video.masks.png import write_label_png
from persam_video.sam.build import load_model

SIZE = (64, 96)
LENGTH = 12


@dataclass(frozen=True)
class Squares:
    """A folder of frames in which two squares move, and their truth.

    Attributes:
        frames: the folder.
        truth: a label map for each frame.
        folder: for files of the test.
    """

    frames: Path
    truth: tuple[np.ndarray, ...]
    folder: Path

    def mask(self, index, *ids):
        """Write the mask of some objects in a frame."""
        labels = np.where(np.isin(self.truth[index], ids), self.truth[index], 0)
        path = self.folder / f"mask-{index}-{'-'.join(map(str, ids))}.png"
        write_label_png(path, labels.astype(np.uint8))
        return path


def draw(folder):
    """Draw the frames of the squares into a folder."""
    frames = folder / "frames"
    frames.mkdir()
    noise = np.random.default_rng(5).integers(60, 90, (*SIZE, 3))
    truth = []
    for index in range(LENGTH):
        rgb, labels = noise.astype(np.uint8), np.zeros(SIZE, np.uint8)
        for object_id, y, x, colour in (
            (1, 10, 10 + 3 * index, (230, 40, 30)),
            (2, 38, 60 - 3 * index, (30, 60, 240)),
        ):
            rgb[y : y + 18, x : x + 18] = colour
            labels[y : y + 18, x : x + 18] = object_id
        Image.fromarray(rgb).save(frames / f"{index:05d}.png")
        truth.append(labels)
    return Squares(frames, tuple(truth), folder)


@pytest.fixture
def squares(tmp_path):
    return draw(tmp_path)


@pytest.fixture(scope="session")
def settings():
    return load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})


@pytest.fixture(scope="session")
def loaded(settings):
    return load_model(settings)
