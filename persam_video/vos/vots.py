"""VOTS: sequences of images whose masks are lines of text.

A folder has ``list.txt`` (itself, or in ``sequences/``) and, for each sequence listed there::

    <sequence>/color/00000001.jpg      (or as the file ``sequence`` says)
    <sequence>/groundtruth_<object>.txt   one line per frame; in test sets only the first
    <sequence>/groundtruth__ignore.txt    pixels that are not scored, if any
    <sequence>/evaluation.tag             1 for each scored frame, if not all are

The objects get the labels 1, 2 and so on, in the order of their names.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.dataset import (
    IMAGE_SUFFIXES,
    Identity,
    Task,
    checked_name,
    files_in,
    listed,
    read_list,
)
from persam_video.davis.given import GivenFrame
from persam_video.errors import DatasetError
from persam_video.util.inputs import ProtectedInputs
from persam_video.vos.regions import VotMask, parse_mask

_IGNORE = "_ignore"
_MOST_OBJECTS = 254


@dataclass(frozen=True)
class Trajectory:
    """The ground truth of an object.

    Attributes:
        path: the file.
        lines: one per frame, from the first on; later frames are unknown.
    """

    path: Path
    lines: tuple[str, ...]

    def at(self, index: int) -> VotMask | None:
        """Return the mask in a frame; ``None`` if unknown.

        Raises:
            DatasetError: the line is not a mask.
        """
        if index >= len(self.lines):
            return None
        try:
            return parse_mask(self.lines[index])
        except ValueError as error:
            raise DatasetError(f"{self.path}: line {index + 1} {error}; VOTS has masks") from None

    def begin(self) -> int:
        """Return the first frame that shows the object.

        Raises:
            DatasetError: none does.
        """
        for index in range(len(self.lines)):
            mask = self.at(index)
            if mask is not None and mask.pixels.any():
                return index
        raise DatasetError(f"{self.path}: no frame shows the object")


@dataclass(frozen=True)
class GivenMasks:
    """The objects that begin in a frame.

    Attributes:
        frame: its name.
        index: its position.
        trajectories: the objects, by label.
    """

    frame: str
    index: int
    trajectories: Mapping[int, Trajectory]

    @property
    def place(self) -> str:
        """The first of the files."""
        return str(next(iter(self.trajectories.values())).path)

    files = ()  # they have been read

    def moved(self, move: Callable[[Path], Path]) -> "GivenMasks":
        """See ``GivenFrame``."""
        return self

    def labels(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the label map (H, W); where objects overlap, the smaller one is in front.

        Raises:
            DatasetError: an object lies outside of the frame, or others cover all of it.
        """
        masks = {
            label: mask.on_frame(size)
            for label, one in self.trajectories.items()
            if (mask := one.at(self.index)) is not None
        }
        labels = np.zeros(size, np.uint8)
        for label in sorted(masks, key=lambda one: -int(masks[one].sum())):
            labels[masks[label]] = label
        for label in masks:
            if not (labels == label).any():
                raise DatasetError(
                    f"{self.trajectories[label].path}: other objects cover the object in frame "
                    f"{self.frame}, or it lies outside"
                )
        return labels


@dataclass(frozen=True)
class VotsDataset:
    """The sequences of a folder of VOTS; ``open_vots`` makes one.

    Attributes:
        root: the folder that holds ``list.txt``.
        names: the sequences.
    """

    root: Path
    names: tuple[str, ...]

    task = Task.SEMI_SUPERVISED
    title = "VOTS"

    @property
    def identity(self) -> Identity:
        """Identifies the set in records of runs."""
        return {"dataset": "vots"}

    @property
    def inputs(self) -> ProtectedInputs:
        """The files of the dataset, which must not be overwritten."""
        return ProtectedInputs(trees=tuple(self.root / name for name in self.names))

    def images(self, name: str) -> tuple[Path, ...]:
        """Return the frames of a sequence, in order.

        Raises:
            DatasetError: there are none.
        """
        folder = self._folder(name)
        place = PurePosixPath(_properties(folder / "sequence").get("channels.color", "color"))
        place = place.parent if "%" in place.name else place
        if place.is_absolute() or ".." in place.parts:
            raise DatasetError(f"{folder / 'sequence'}: its images lie outside of the sequence")
        images = files_in(folder / place, IMAGE_SUFFIXES)
        if not images:
            raise DatasetError(f"{folder / place}: no images (*.jpg, *.png)")
        return images

    def trajectories(self, name: str) -> dict[str, Trajectory]:
        """Return the ground truth of each object, by name.

        Raises:
            DatasetError: there is none, or it cannot be read.
        """
        folder = self._folder(name)
        found = {
            path.stem.removeprefix("groundtruth_"): path
            for path in files_in(folder, (".txt",))
            if path.name.startswith("groundtruth_")
        }
        found.pop(_IGNORE, None)
        if not found and (single := folder / "groundtruth.txt").is_file():
            found = {"object": single}
        if not found:
            raise DatasetError(f"{folder}: has no groundtruth_OBJECT.txt")
        if len(found) > _MOST_OBJECTS:
            raise DatasetError(
                f"{folder}: has {len(found)} objects; {_MOST_OBJECTS} can be tracked"
            )
        return {one: _trajectory(found[one]) for one in sorted(found, key=_natural)}

    def given(self, name: str) -> tuple[GivenFrame, ...]:
        """Return the frames in which objects begin.

        Raises:
            DatasetError: an object is never shown, or only in a missing frame.
        """
        frames = [image.stem for image in self.images(name)]
        starts: dict[int, dict[int, Trajectory]] = {}
        for label, trajectory in enumerate(self.trajectories(name).values(), start=1):
            starts.setdefault(trajectory.begin(), {})[label] = trajectory
            if len(trajectory.lines) > len(frames):
                raise DatasetError(
                    f"{trajectory.path}: has {len(trajectory.lines)} lines for {len(frames)} images"
                )
        return tuple(GivenMasks(frames[at], at, starts[at]) for at in sorted(starts))

    def ignored(self, name: str) -> Trajectory | None:
        """Return the ignored pixels of a sequence, if any."""
        path = self._folder(name) / f"groundtruth_{_IGNORE}.txt"
        return _trajectory(path) if path.is_file() else None

    def tagged(self, name: str) -> frozenset[int] | None:
        """Return the scored frames of a sequence, if not all are."""
        path = self._folder(name) / "evaluation.tag"
        if not path.is_file():
            return None
        return frozenset(at for at, line in enumerate(_lines(path)) if line.strip() == "1")

    def subset(self, names: Sequence[str]) -> "VotsDataset":
        """Return the same set with only some of its sequences.

        Raises:
            DatasetError: one is not in the set.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise DatasetError(f"{self.root / 'list.txt'}: has no sequence {listed(unknown)}")
        return replace(self, names=tuple(names))

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        if not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder; list.txt names it")
        return folder


def open_vots(root: str | Path, only: Sequence[str] = ()) -> VotsDataset:
    """Read the list of sequences of a folder of VOTS.

    Args:
        root: the folder with ``list.txt``, or the one that holds it as ``sequences``.
        only: names of the sequences to keep, all of them when empty.

    Raises:
        DatasetError: there is no list, or it names no sequence.
    """
    root = Path(root)
    if not (root / "list.txt").is_file() and (root / "sequences" / "list.txt").is_file():
        root = root / "sequences"
    path = root / "list.txt"
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; it lists the sequences")
    names = tuple(dict.fromkeys(read_list(path)))
    if not names:
        raise DatasetError(f"{path}: names no sequence; write one a line")
    for name in only:
        checked_name(name, "the arguments")
    dataset = VotsDataset(root, names)
    return dataset.subset(only) if only else dataset


def _trajectory(path: Path) -> Trajectory:
    return Trajectory(path, tuple(line for line in _lines(path) if line.strip()))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not a text file; VOTS has a line for each frame") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None


def _properties(path: Path) -> dict[str, str]:
    lines = _lines(path) if path.is_file() else []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort ``2`` before ``10``."""
    return [
        (int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)
    ]
