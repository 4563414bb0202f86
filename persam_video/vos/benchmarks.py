"""The supported benchmarks, their rules, and their detection by files."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from persam_video.davis.dataset import Counted, folders_in
from persam_video.errors import DatasetError
from persam_video.vos.meta import read_json

_DAVIS_SIZES = ("480p", "1080p", "Full-Resolution")


class Benchmark(str, Enum):
    """A benchmark of video object segmentation."""

    DAVIS = "davis"
    YOUTUBE_VOS = "youtube-vos"
    MOSE = "mose"
    LVOS = "lvos"
    VOST = "vost"
    VOTS = "vots"


@dataclass(frozen=True)
class Rules:
    """How a benchmark with label PNGs is tracked, scored and submitted.

    Attributes:
        title: its name for display.
        splits: possible names of its validation set.
        later_objects: whether objects may appear after the first annotated frame.
        counted: which annotated frames are scored.
        small_contours: whether F is also computed with a tolerance that shrinks with the object.
        zip_folder: folder of the sequences in the archive for its server.
    """

    title: str
    splits: tuple[str, ...]
    later_objects: bool
    counted: Counted
    small_contours: bool
    zip_folder: str


RULES = {
    Benchmark.YOUTUBE_VOS: Rules(
        "YouTube-VOS", ("valid",), True, Counted.AFTER_APPEARANCE, False, "Annotations/"
    ),
    Benchmark.MOSE: Rules("MOSE", ("valid",), True, Counted.BETWEEN_ENDS, True, ""),
    Benchmark.LVOS: Rules("LVOS", ("valid", "val"), True, Counted.ALL, False, "Annotations/"),
    Benchmark.VOST: Rules("VOST", ("val",), False, Counted.BETWEEN_ENDS, False, ""),
}


def detect(root: Path, split: str | None = None) -> Benchmark:
    """Detect by its files which benchmark a folder holds.

    Raises:
        DatasetError: it is none, or ambiguous.
    """
    found = candidates(root, split)
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(one.value for one in found)
        raise DatasetError(f"{root} could be {names}: pass the right one as --dataset")
    if any((base / "Annotations").is_dir() for base in _bases(root, split)):
        raise DatasetError(
            f"{root} could be mose, or youtube-vos or lvos without their JSON: pass --dataset"
        )
    raise DatasetError(
        f"{root} holds no known benchmark: give the folder with JPEGImages and Annotations, with "
        "train and valid, or with list.txt"
    )


def candidates(root: Path, split: str | None = None) -> tuple[Benchmark, ...]:
    """Return the benchmarks that the files of a folder match."""
    try:
        return tuple(dict.fromkeys(_candidates(root, split)))
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _candidates(root: Path, split: str | None) -> Iterator[Benchmark]:
    if any((folder / "list.txt").is_file() for folder in (root, root / "sequences")):
        yield Benchmark.VOTS
    if any((root / "Annotations" / size).is_dir() for size in _DAVIS_SIZES):
        yield Benchmark.DAVIS
    elif (root / "Annotations").is_dir() and any((root / "ImageSets").glob("*.txt")):
        yield Benchmark.VOST
    for base in _bases(root, split):
        if not (base / "Annotations").is_dir():
            continue
        if any(base.glob("*_meta.json")):
            yield Benchmark.LVOS
        elif (base / "meta.json").is_file():
            yield _by_meta(base / "meta.json")


def _bases(root: Path, split: str | None) -> tuple[Path, ...]:
    folders = [root, *folders_in(root)] if split is None else [root, root / split]
    return tuple(folders)


def _by_meta(path: Path) -> Benchmark:
    """Tell MOSE, whose list has sequence lengths, from YouTube-VOS."""
    data = read_json(path)
    videos = data.get("videos") if isinstance(data, dict) else None
    video = next(iter(videos.values()), None) if isinstance(videos, dict) else None
    lengths = isinstance(video, dict) and "length" in video
    return Benchmark.MOSE if lengths else Benchmark.YOUTUBE_VOS
