"""Miniature sets of every benchmark: black images, boxes for objects."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import write_label_png

SHAPE = (240, 320)

Box = tuple[int, int, int, int]


def boxes(objects: Mapping[int, Box], shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A label map with a filled box (x0, y0, x1, y1) for each label."""
    labels = np.zeros(shape, np.uint8)
    for label, (x0, y0, x1, y1) in objects.items():
        labels[y0:y1, x0:x1] = label
    return labels


def always(objects: Mapping[int, Box], frames: Sequence[str]) -> dict[str, Mapping[int, Box]]:
    """The same objects in each frame."""
    return dict.fromkeys(frames, objects)


class MiniatureSet:
    """A set on disk, written sequence by sequence."""

    def __init__(self, folder: Path) -> None:
        self.base, self.results = folder / "root", folder / "results"
        self.results.mkdir()

    def add(
        self,
        name: str,
        truth: Mapping[str, Mapping[int, Box]],
        results: Mapping[str, Mapping[int, Box]] | None = None,
        *,
        split: str = "",
        images: Sequence[str] | None = None,
    ) -> Path:
        """Write annotations by frame, images (by default of the same frames) and results."""
        base = self.base / split
        for frame, objects in truth.items():
            write(base / "Annotations" / name / f"{frame}.png", boxes(objects))
        for frame in truth if images is None else images:
            path = base / "JPEGImages" / name / f"{frame}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", SHAPE[::-1]).save(path)
        for frame, objects in (truth if results is None else results).items():
            write(self.results / name / f"{frame}.png", boxes(objects))
        return base


def write(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_label_png(path, labels)


def write_json(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def miniature(tmp_path) -> MiniatureSet:
    return MiniatureSet(tmp_path)
