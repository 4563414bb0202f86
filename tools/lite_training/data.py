"""Stills and video frames, decoded once and kept in memory as uint8."""

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.masks.labels import VOID


@dataclass(frozen=True)
class LabelledImage:
    """One picture with its objects.

    Attributes:
        rgb: uint8 (H, W, 3).
        labels: uint8 (H, W); 0 background, 255 ignore, other values are objects.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class TrainingData:
    """All data that training draws from.

    Attributes:
        stills: photographs, each by itself.
        videos: sequences of frames in order.
    """

    stills: list[LabelledImage]
    videos: list[list[LabelledImage]]

    @cached_property
    def groups(self) -> list[LabelledImage]:
        """The stills with several objects."""
        return [still for still in self.stills if _objects(still.labels) > 1]


HELD_OUT = Path(__file__).with_name("held_out.txt")
"""Names of the held-out stills that clicks are scored on, one per line."""


def load_training_data(root: Path, limit: int | None = None) -> TrainingData:
    """Read ``root/images``, ``root/masks`` and ``root/video``, but not what is held out.

    Args:
        root: the training folder.
        limit: read only that many stills and a fifth as many videos, for a quick trial.
    """
    with (root / "index.csv").open(newline="") as index:
        names = [row["name"] for row in csv.DictReader(index)]
    held_out = set(HELD_OUT.read_text(encoding="utf-8").splitlines())
    names = [name for name in names if name not in held_out]
    sequences = sorted(folder for folder in (root / "video").iterdir() if folder.is_dir())
    if limit is not None:
        names = names[:: max(1, len(names) // limit)][:limit]
        sequences = sequences[: max(1, limit // 5)]
    with ThreadPoolExecutor(2) as pool:
        stills = list(
            pool.map(
                lambda name: read_labelled(
                    root / "images" / f"{name}.webp", root / "masks" / f"{name}.png"
                ),
                names,
            )
        )
        videos = [
            list(pool.map(lambda image: read_labelled(image, image.with_suffix(".png")), frames))
            for frames in (sorted(folder.glob("*.webp")) for folder in sequences)
        ]
    return TrainingData([still for still in stills if _objects(still.labels)], videos)


def read_labelled(image: Path, mask: Path) -> LabelledImage:
    """Read one picture and its labels; a mask of one value besides void is one object.

    Raises:
        FileNotFoundError: one of them cannot be read.
        ValueError: the mask has several channels.
    """
    bgr = cv2.imread(str(image), cv2.IMREAD_COLOR)
    labels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    if bgr is None or labels is None:
        raise FileNotFoundError(f"cannot read {image} or {mask}")
    if labels.ndim == 3:
        raise ValueError(f"{mask} is not a single-channel mask")
    if set(np.unique(labels)) <= {0, VOID}:
        labels = (labels > 0).astype(np.uint8)
    return LabelledImage(np.ascontiguousarray(bgr[:, :, ::-1]), labels.astype(np.uint8))


def _objects(labels: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(np.bincount(labels.ravel(), minlength=256)[1:VOID]))
