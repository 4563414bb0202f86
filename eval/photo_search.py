"""Measure how well the match score separates videos that show the object of a photo from others.

    python -m eval.photo_search --data ../shared/data

The photo is the first annotated frame of a video. Its object is searched for in later frames of the
same video, where the mask must have an IoU above 0.5, and in frames of all other videos, where it
is absent, though some of them show another dog, car or dancer. Thresholds are chosen on the
training videos and checked on the six development videos. Prints precision and recall by threshold,
and writes ``eval/results/photo_search.json``.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval import common
from persam_video.images import OneShotSegmenter, Reference, Search
from persam_video.images.search import SEEN
from persam_video.masks.labels import VOID
from persam_video.sam import load_sam
from persam_video.util.table import Table

THRESHOLDS = (0.5, 0.6, 0.65, 0.68, 0.7, 0.72, 0.75, 0.8)
GOOD = 0.5


@dataclass(frozen=True)
class Video:
    """Frames and masks of one object, in order."""

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]

    def read(self, place: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a frame (H, W, 3) and its mask (H, W)."""
        rgb = np.array(Image.open(self.frames[place]).convert("RGB"))
        labels = np.array(Image.open(self.masks[place]))
        return rgb, (labels > 0) & ((labels != VOID) | (not np.isin(labels, range(1, VOID)).any()))


@dataclass(frozen=True)
class Pair:
    """A photo and a frame: whether they are of one video, the score, and the IoU of the mask."""

    photo: str
    frame: str
    same: bool
    score: float
    iou: float


@dataclass(frozen=True)
class Rates:
    """What a threshold accepts of the pairs that hold the object, and of those that do not."""

    threshold: float
    precision: float
    recall: float
    found: int
    present: int
    wrong: int
    absent: int


def training_videos(data: Path) -> list[Video]:
    """Return the videos that the embedded model is trained on."""
    found = []
    for folder in sorted((data / "train" / "video").iterdir()):
        masks = tuple(sorted(folder.glob("*.png")))
        found.append(Video(folder.name, tuple(m.with_suffix(".webp") for m in masks), masks))
    return found


def development_videos(data: Path) -> list[Video]:
    """Return the videos that nothing is trained on."""
    found = []
    for folder in sorted((data / "davis" / "Annotations" / "480p").iterdir()):
        masks = tuple(sorted(folder.glob("*.png")))
        images = data / "davis" / "JPEGImages" / "480p" / folder.name
        found.append(Video(folder.name, tuple(images / f"{m.stem}.jpg" for m in masks), masks))
    return found


def search(videos: list[Video], shares: tuple[float, ...]) -> Iterator[Pair]:
    """Search for the object of every video in frames of all, at these shares of their length."""
    model = load_sam(device="cpu", precision="fp32")
    segmenters = {}
    for video in videos:
        rgb, mask = video.read(0)
        segmenters[video.name] = OneShotSegmenter(
            model, [Reference(rgb, mask)], search=Search(score=0)
        )
    for video in videos:
        for share in shares:
            rgb, truth = video.read(int(share * len(video.frames)))
            if not truth.any():
                continue
            embedding = model.encode(rgb)
            for name, segmenter in segmenters.items():
                segments = segmenter.segment_encoded(embedding)
                mask = segments[0].mask if segments else np.zeros_like(truth)
                yield Pair(
                    name,
                    video.name,
                    name == video.name,
                    segments[0].score if segments else 0.0,
                    common.iou(mask, truth),
                )


def rates(pairs: list[Pair], threshold: float) -> Rates:
    """Count what a threshold accepts; the object found in the wrong place counts as missed."""
    present = [pair for pair in pairs if pair.same]
    absent = [pair for pair in pairs if not pair.same]
    found = sum(pair.score >= threshold and pair.iou > GOOD for pair in present)
    wrong = sum(pair.score >= threshold for pair in absent)
    precision = found / max(found + wrong, 1)
    recall = found / len(present)
    return Rates(threshold, precision, recall, found, len(present), wrong, len(absent))


def main() -> None:
    """Run the search, print the tables and write the results."""
    parser = common.parser(__doc__)
    common.add_data(parser)
    data = parser.parse_args().data
    record: dict[str, Any] = {}
    for name, videos, shares in (
        ("development", development_videos(data), (1 / 3, 2 / 3)),
        ("training", training_videos(data), (2 / 3,)),
    ):
        pairs = list(search(videos, shares))
        lines = [rates(pairs, threshold) for threshold in THRESHOLDS]
        record[name] = {
            "videos": len(videos),
            "rates": [asdict(line) for line in lines],
            "mistakes": [asdict(pair) for pair in pairs if not pair.same and pair.score >= SEEN],
        }
        heads = ("score", "precision", "recall", "found", "of", "wrong", "of")
        rows = tuple(tuple(asdict(line).values()) for line in lines)
        print(Table(f"{name} videos", heads, rows, digits=2).text(), flush=True)
        common.write_results("photo_search", record)


if __name__ == "__main__":
    common.run(main)
