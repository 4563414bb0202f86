from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.studio import InteractiveSession
from persam_video.studio.model import SharedModel

SIZE = (64, 96)
LENGTH = 12


@dataclass(frozen=True)
class Squares:
    """A folder of frames in which two squares move.

    Attributes:
        frames: the folder.
        boxes: (x0, y0, x1, y1) of each square by id, for each frame.
    """

    frames: Path
    boxes: tuple[dict[int, tuple[int, int, int, int]], ...]

    def centre(self, frame, object_id):
        x0, y0, x1, y1 = self.boxes[frame][object_id]
        return (x0 + x1) / 2, (y0 + y1) / 2


def draw(folder, length=LENGTH):
    folder.mkdir(parents=True)
    noise = np.random.default_rng(5).integers(60, 90, (*SIZE, 3))
    boxes = []
    for index in range(length):
        rgb, found = noise.astype(np.uint8), {}
        for object_id, y, x, colour in (
            (1, 10, 10 + 3 * index % 60, (230, 40, 30)),
            (2, 38, 60 - 3 * index % 50, (30, 60, 240)),
        ):
            rgb[y : y + 18, x : x + 18] = colour
            found[object_id] = (x, y, x + 18, y + 18)
        Image.fromarray(rgb).save(folder / f"{index:05d}.png")
        boxes.append(found)
    return Squares(folder, tuple(boxes))


@pytest.fixture
def squares(tmp_path):
    return draw(tmp_path / "frames")


@pytest.fixture(scope="session")
def settings():
    return load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})


@pytest.fixture(scope="session")
def loaded(settings):
    return load_model(settings)


@pytest.fixture
def shared(settings, loaded):
    return SharedModel(settings, loaded)


@pytest.fixture
def session(squares, tmp_path, settings, shared):
    with InteractiveSession(
        squares.frames, tmp_path / "session", settings=settings, model=shared
    ) as opened:
        opened.add_object("red")
        opened.add_object("blue")
        yield opened
