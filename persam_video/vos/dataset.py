"""Benchmarks whose annotations are label PNGs: YouTube-VOS, MOSE, LVOS and VOST.

All have ``JPEGImages/<sequence>/`` and ``Annotations/<sequence>/`` without a resolution, and
besides::

    youtube-vos   valid/meta.json                  objects, categories and annotated frames
                  valid_all_frames/JPEGImages      all frames; those of valid are submitted
                  train/meta.json                  its categories count as seen
    mose          (nothing: every folder of annotations is a sequence)
    lvos          valid/valid_meta.json            objects, and the scored frames of each
                  valid/unseen_videos.txt          sequences of categories not in train
                  valid/attributes.json            attributes by sequence, if the list has none
    vost          ImageSets/val.txt                one sequence per line

Opening a dataset reads only lists and folders, never an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.dataset import (
    IMAGE_SUFFIXES,
    Counted,
    DavisSequence,
    Identity,
    Task,
    checked_name,
    files_in,
    folders_in,
    images_of,
    listed,
    read_list,
    read_sequence,
)
from persam_video.davis.given import FirstPng, GivenFrame, GivenPng
from persam_video.errors import DatasetError
from persam_video.masks.labels import VOID
from persam_video.util.inputs import ProtectedInputs
from persam_video.vos.benchmarks import RULES, Benchmark, Rules
from persam_video.vos.meta import SequenceMeta, read_json, read_meta


@dataclass(frozen=True)
class ListedPng(GivenPng):
    """A label PNG that may show listed objects only.

    Attributes:
        object_ids: the listed objects.
        listing: the list.
    """

    object_ids: frozenset[int] = frozenset()
    listing: Path = Path()

    def _read(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        labels = super()._read(size)
        if unknown := set(np.unique(labels).tolist()) - {0, VOID} - self.object_ids:
            raise DatasetError(
                f"{self.path}: shows object {listed([str(one) for one in sorted(unknown)])}, "
                f"which {self.listing} does not list"
            )
        return labels


@dataclass(frozen=True)
class VosDataset:
    """One set of a benchmark whose annotations are label PNGs; ``open_vos`` makes one.

    Attributes:
        root: the folder that was given.
        benchmark: the benchmark.
        base: the folder that holds ``Annotations``.
        split: name of the set.
        names: the sequences.
        listing: the file that lists them and their objects, if the benchmark has one.
        meta: its contents.
    """

    root: Path
    benchmark: Benchmark
    base: Path
    split: str
    names: tuple[str, ...]
    listing: Path | None
    meta: Mapping[str, SequenceMeta]

    resolution = ""
    task = Task.SEMI_SUPERVISED
    single_object = False

    @property
    def rules(self) -> Rules:
        """How the benchmark is tracked, scored and submitted."""
        return RULES[self.benchmark]

    @property
    def title(self) -> str:
        """Name of the benchmark for display."""
        return self.rules.title

    @property
    def identity(self) -> Identity:
        """Identifies the set in records of runs."""
        return {"dataset": self.benchmark.value, "split": self.split}

    @property
    def later_objects(self) -> bool:
        """Whether objects may appear after the first annotated frame."""
        return self.rules.later_objects

    @property
    def counted(self) -> Counted:
        """Which annotated frames are scored."""
        return self.rules.counted

    @property
    def small_contours(self) -> bool:
        """Whether F is also computed with a tolerance that shrinks with the object."""
        return self.rules.small_contours

    @property
    def annotation_root(self) -> Path:
        """The folder of the sequences' annotations."""
        return self.base / "Annotations"

    @property
    def image_root(self) -> Path:
        """The folder of the sequences' images, with all frames if available."""
        every = self.base.with_name(f"{self.base.name}_all_frames") / "JPEGImages"
        return every if every.is_dir() else self.base / "JPEGImages"

    @property
    def inputs(self) -> ProtectedInputs:
        """The files of the dataset, which must not be overwritten."""
        files = () if self.listing is None else (self.listing,)
        trees = (self.annotation_root, self.base / "JPEGImages", self.image_root)
        return ProtectedInputs(files, trees=(*trees, self.root / "ImageSets"))

    def sequence(self, name: str) -> DavisSequence:
        """List the files of one sequence.

        Raises:
            DatasetError: the name is not in the set, or a folder cannot be listed.
        """
        if name not in self.names:
            raise DatasetError(f"{self.split} has no sequence {name}")
        return read_sequence(name, self.image_root, self.annotation_root)

    def images(self, name: str) -> tuple[Path, ...]:
        """Return the frames of a sequence, in order.

        Raises:
            DatasetError: there are none.
        """
        return images_of(self.sequence(name), self.image_root)

    def given(self, name: str) -> tuple[GivenFrame, ...]:
        """Return the annotations that may show new objects.

        Raises:
            DatasetError: there is none, or an object's first listed frame has none.
        """
        sequence = self.sequence(name)
        if not self.later_objects:
            return (FirstPng(sequence.first_annotation),)
        if not sequence.annotations:
            raise DatasetError(f"{self.annotation_root / name}: no annotations (*.png)")
        if self.listing is None:
            return tuple(GivenPng(path) for path in sequence.annotations)
        objects = self.meta[name].objects
        for label, entry in objects.items():
            if entry.frames and entry.frames[0] not in sequence.frames:
                raise DatasetError(
                    f"{self.listing}: object {label} of {name} begins in frame {entry.frames[0]}, "
                    f"which has no annotation in {self.annotation_root / name}"
                )
        known = frozenset(objects)
        return tuple(
            ListedPng(path, object_ids=known, listing=self.listing) for path in sequence.annotations
        )

    def counted_frames(self, name: str) -> Mapping[int, frozenset[str]] | None:
        """Return the scored frames of LVOS: an object's own, without the first and the last.

        Raises:
            DatasetError: one of them has no annotation.
        """
        if self.benchmark is not Benchmark.LVOS:
            return None
        counted = {
            label: frozenset(entry.frames[1:-1]) for label, entry in self.meta[name].objects.items()
        }
        annotated = set(self.sequence(name).frames)
        for label, frames in counted.items():
            if missing := sorted(frames - annotated):
                raise DatasetError(
                    f"{self.listing}: {len(missing)} frames of object {label} of {name} have no "
                    f"annotation ({listed(missing)}); the ground truth is incomplete"
                )
        return counted

    def submitted(self, name: str) -> tuple[str, ...]:
        """Return the frames of a sequence whose masks are submitted."""
        wanted = files_in(self.base / "JPEGImages" / name, IMAGE_SUFFIXES)
        return tuple(path.stem for path in wanted or self.images(name))

    def other_splits(self) -> dict[str, tuple[str, ...]]:
        """Return the sequences of the benchmark's other sets."""
        if self.benchmark is Benchmark.VOST:
            lists = sorted((self.root / "ImageSets").glob("*.txt"))
            return {one.stem: tuple(read_list(one)) for one in lists if one.stem != self.split}
        return {
            folder.name: tuple(one.name for one in folders_in(folder / "Annotations"))
            for folder in folders_in(self.base.parent)
            if folder != self.base and (folder / "Annotations").is_dir()
        }

    def subset(self, names: Sequence[str]) -> "VosDataset":
        """Return the same set with only some of its sequences.

        Raises:
            DatasetError: one is not in the set.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise DatasetError(f"{self.split} has no sequence {listed(unknown)}")
        return replace(self, names=tuple(names))

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the challenge attributes of a sequence, from its list or ``attributes.json``.

        Raises:
            DatasetError: ``attributes.json`` has another form.
        """
        if self.listing is not None and (known := self.meta[name].attributes):
            return known
        path = self.base / "attributes.json"
        if not path.is_file():
            return ()
        data = read_json(path)
        found = data.get(name, []) if isinstance(data, dict) else None
        if not isinstance(found, list):
            raise DatasetError(f"{path}: must hold a list of attributes by sequence")
        return tuple(map(str, found))


def open_vos(
    root: str | Path, benchmark: Benchmark, split: str | None = None, only: Sequence[str] = ()
) -> VosDataset:
    """Read the list of sequences of a benchmark whose annotations are label PNGs.

    Args:
        root: the folder of the benchmark, or of one of its sets.
        benchmark: YouTube-VOS, MOSE, LVOS or VOST.
        split: name of the set; by default that for validation.
        only: names of the sequences to keep, all of them when empty.

    Raises:
        DatasetError: the folder is not in the benchmark's layout.
    """
    for name in (*only, *([] if split is None else [split])):
        checked_name(name, "the arguments")
    root = Path(root)
    try:
        dataset = _opened(root, benchmark, split)
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return dataset.subset(only) if only else dataset


def _opened(root: Path, benchmark: Benchmark, split: str | None) -> VosDataset:
    splits = RULES[benchmark].splits if split is None else (split,)
    if benchmark is Benchmark.VOST:
        base, split = root, splits[0]
    else:
        base = next((root / one for one in splits if (root / one / "Annotations").is_dir()), root)
        split = split or base.absolute().name
    if not (base / "Annotations").is_dir():
        raise DatasetError(f"{base / 'Annotations'}: no such folder; {_what_else(root)}")
    meta, file = _listed_sequences(root, base, benchmark, split)
    names = tuple(sorted(meta)) if meta else _names(root, base, benchmark, split)
    return VosDataset(root, benchmark, base, split, names, file, meta)


def _what_else(root: Path) -> str:
    sets = [one.name for one in folders_in(root) if (one / "Annotations").is_dir()]
    if sets:
        return f"there is {listed(sets)}: pass --split {sets[0]}"
    return "give the folder that holds it, or the sets"


def _listed_sequences(
    root: Path, base: Path, benchmark: Benchmark, split: str
) -> tuple[Mapping[str, SequenceMeta], Path | None]:
    """Return the contents of the benchmark's JSON and its path, if it has one."""
    if benchmark is Benchmark.YOUTUBE_VOS:
        file = base / "meta.json"
    elif benchmark is Benchmark.LVOS:
        lists = [*sorted(base.glob("*_meta.json")), *sorted(root.glob("*_meta.json"))]
        lists = [one for one in lists if "expression" not in one.name]
        # the file is named differently in every archive
        own = [one for one in lists if one.name == f"{split}_meta.json"]
        file = (own or lists or [base / f"{split}_meta.json"])[0]
    else:
        return {}, None
    meta = read_meta(file)
    there = {one.name for one in folders_in(base / "Annotations")}
    if missing := sorted(meta.keys() - there):
        raise DatasetError(
            f"{file}: lists sequences that {base / 'Annotations'} lacks ({listed(missing)})"
        )
    return meta, file


def _names(root: Path, base: Path, benchmark: Benchmark, split: str) -> tuple[str, ...]:
    if benchmark is Benchmark.VOST:
        file = root / "ImageSets" / f"{split}.txt"
        if not file.is_file():
            others = [one.stem for one in sorted((root / "ImageSets").glob("*.txt"))]
            hint = f"; there is {listed(others)}: pass --split {others[0]}" if others else ""
            raise DatasetError(f"{file}: no such file; it lists the sequences of {split}{hint}")
        names = read_list(file)
    else:
        file = base / "Annotations"
        names = [folder.name for folder in folders_in(file)]
    if not names:
        raise DatasetError(f"{file} names no sequence")
    return tuple(dict.fromkeys(names))
