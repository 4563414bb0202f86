"""Measure the detector of scene cuts.

    python -m eval.cuts --data ../shared/data

No sequence of the data has a cut: what is found within one is a false alarm. Recall is measured at
the cuts that arise where one sequence follows another.
"""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval import common
from persam_video.errors import DatasetError
from persam_video.video import FrameStream
from persam_video.video.cuts import PICTURE_SHAPE, CutDetector
from persam_video.video.picture import small_of

Pictures = list[NDArray[np.uint8]]


def sequences(data: Path) -> Iterator[tuple[str, Path]]:
    """Give the parts of the data and the sources that they consist of."""
    for part in ("davis", "multi"):
        folder = data / part / "JPEGImages/480p"
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder; give the development data")
        yield from ((part, path) for path in sorted(folder.iterdir()))
    yield from (("train", path / "*.webp") for path in sorted((data / "train/video").iterdir()))
    yield "clips", data / "clips/schoolgirls.mp4"


def small(source: Path) -> Pictures:
    """Read a source in the size in which frames are compared."""
    height, width = PICTURE_SHAPE[:2]
    with FrameStream(source) as frames:
        return [small_of(frame.pixels, width, height) for frame in frames]


def cuts(pictures: Pictures) -> int:
    """Count the cuts of a sequence."""
    detector = CutDetector()
    return sum(detector.sees_cut(picture) for picture in pictures)


def measure(data: Path) -> str:
    """Count false alarms of each part of the data, and the cuts between any two that are found."""
    parts: dict[str, list[Pictures]] = {}
    for part, source in sequences(data):
        parts.setdefault(part, []).append(small(source))
    rows = []
    for part, read in parts.items():
        pairs, alarms = sum(map(len, read)) - len(read), sum(map(cuts, read))
        name = f"{part}, {len(read)} sequence{'s' * (len(read) > 1)}"
        rows.append((name, str(pairs), str(alarms)))
    every = [pictures for read in parts.values() for pictures in read]
    joined = [[one[-1], other[0]] for one, other in permutations(every, 2)]
    found = sum(map(cuts, joined))
    rows.append(("from one sequence to another", str(len(joined)), str(found)))
    return common.table(("frames of", "pairs", "cuts found"), rows)


def main() -> None:
    """Print the table."""
    parser = common.parser(__doc__)
    common.add_data(parser)
    print(measure(parser.parse_args().data))


if __name__ == "__main__":
    common.run(main)
