from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def save_labels(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value for index in range(256) for value in (index, 255 - index, index)])
    image.save(path)


@dataclass
class WrittenSet:
    """A dataset and results on disk, written sequence by sequence."""

    root: Path
    results: Path

    def list_sequences(self, text: str, name: str = "2017/val.txt") -> Path:
        path = self.root / "ImageSets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def add(
        self,
        sequence: str,
        truth: Iterable[np.ndarray],
        predicted: Iterable[np.ndarray] = (),
        folder: str = "Annotations/480p",
    ) -> None:
        for position, labels in enumerate(truth):
            save_labels(self.annotation(sequence, position, folder), labels)
        for position, labels in enumerate(predicted):
            save_labels(self.result(sequence, position), labels)

    def annotation(self, sequence: str, frame: int, folder: str = "Annotations/480p") -> Path:
        return self.root / folder / sequence / f"{frame:05d}.png"

    def result(self, sequence: str, frame: int) -> Path:
        return self.results / sequence / f"{frame:05d}.png"


@pytest.fixture
def written_set(tmp_path: Path) -> WrittenSet:
    results = tmp_path / "results"
    results.mkdir()
    return WrittenSet(tmp_path / "DAVIS", results)


@pytest.fixture
def boxes():
    """Give a maker of label maps: a background with a filled box for each label."""

    def make(*labelled: tuple[int, int, int, int, int], shape=(24, 32)) -> np.ndarray:
        labels = np.zeros(shape, np.uint8)
        for label, x0, y0, x1, y1 in labelled:
            labels[y0:y1, x0:x1] = label
        return labels

    return make
