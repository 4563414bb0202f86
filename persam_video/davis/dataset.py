"""The layout of DAVIS: images, annotations and lists of sequences.

Three layouts are read:

* DAVIS 2017, and 2019 which added the unsupervised test sets::

      JPEGImages/480p/<sequence>/00000.jpg          (480p or Full-Resolution)
      Annotations/480p/<sequence>/00000.png         (values are objects, 255 is void)
      Annotations_unsupervised/480p/<sequence>/00000.png
      ImageSets/2017/val.txt                        (a sequence a line)

* DAVIS 2016, with the same folders and masks of 0 and 255. Its lists are ``ImageSets/2016/val.txt``
  or ``ImageSets/480p/val.txt``, a sequence a line or the image and annotation of a frame a line.
* Folders laid out like YouTube-VOS, without a resolution (``JPEGImages/<sequence>/``,
  ``Annotations/<sequence>/``): only some frames are annotated and objects may appear later. Where
  there is no list, every folder of annotations is a sequence.

Reading a dataset opens lists and folders only, never an image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from persam_video.davis.given import FirstPng, GivenFrame, GivenPng
from persam_video.errors import DatasetError
from persam_video.util.inputs import ProtectedInputs

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


class Task(str, Enum):
    """Whether the objects of the first frame are given or must be discovered."""

    SEMI_SUPERVISED = "semi-supervised"
    UNSUPERVISED = "unsupervised"


class Counted(Enum):
    """Which annotated frames of a sequence count."""

    ALL = "all"
    BETWEEN_ENDS = "all but the first and the last"
    AFTER_APPEARANCE = "those after the one that first shows the object"


Identity = Mapping[str, str | int]
"""What tells one set from another, by the names of the options that choose it."""


@dataclass(frozen=True)
class DavisSequence:
    """The files of one sequence, each list in the order of the frames.

    Attributes:
        name: the sequence's name.
        images: paths of the frames; empty where the dataset has no images.
        annotations: paths of the label PNGs; only the first frame's in the sets for testing.
    """

    name: str
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the annotated frames, such as ``00000``."""
        return tuple(path.stem for path in self.annotations)

    @property
    def first_annotation(self) -> Path:
        """The annotation of the first annotated frame: all that a semi-supervised method is given.

        Raises:
            DatasetError: the sequence has no annotation.
        """
        if not self.annotations:
            raise DatasetError(f"{self.name}: no annotation; check the dataset's Annotations")
        return self.annotations[0]


class DavisDataset:
    """The sequences of one set of DAVIS.

    Attributes:
        root, year, split, task, resolution: as given.
        names: the sequences in the list's order.
        annotation_root: the folder of the sequences' annotations.
        image_root: the folder of the sequences' images, which need not exist.
        sparse: whether this is a YouTube-VOS-like folder, where objects may appear later.
        small_contours: never asked for by DAVIS.
    """

    small_contours = False

    def __init__(
        self,
        root: str | Path,
        year: int = 2017,
        split: str = "val",
        *,
        task: Task | str = Task.SEMI_SUPERVISED,
        resolution: str = "480p",
        only: Sequence[str] = (),
    ) -> None:
        """Read the list of sequences.

        Args:
            root: the folder that holds ``Annotations`` and ``ImageSets``.
            year: 2016 (one object a sequence), 2017, or 2019 (the unsupervised test sets).
            split: ``train``, ``val``, ``test-dev`` and so on: the list in ``ImageSets``.
            task: which annotations to use.
            resolution: ``480p``, ``1080p`` or ``Full-Resolution``: the folder in ``Annotations``.
            only: names of the sequences to keep, all of them when empty.

        Raises:
            DatasetError: the folder is not in one of the layouts, or the list of sequences is
                missing, empty, or names a sequence by a path that leaves the dataset.
        """
        if year not in (2016, 2017, 2019):
            raise DatasetError(f"there is no DAVIS {year}; choose 2016, 2017 or 2019")
        for name in (split, resolution, *only):
            checked_name(name, "the arguments")
        self.root, self.year, self.split = Path(root), year, split
        self.task, self.resolution = Task(task), resolution
        try:
            self._locate()
            names = self._listed_names()
        except OSError as error:
            raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from None
        unknown = [name for name in only if name not in names]
        if unknown:
            where = [
                f"; {name} has {found[0]}: pass --split {name}"
                for name, listed in self.other_splits().items()
                if (found := [one for one in unknown if one in listed])
            ]
            raise DatasetError(
                f"{split} has no sequence {', '.join(unknown)}{where[0] if where else ''}"
            )
        self.names = tuple(only) or names

    @property
    def single_object(self) -> bool:
        """Whether all labels of an annotation are one object (DAVIS 2016)."""
        return self.year == 2016

    @property
    def title(self) -> str:
        """Name of the benchmark, for people."""
        return "YouTube-VOS layout" if self.sparse else f"DAVIS {self.year}"

    @property
    def identity(self) -> Identity:
        """What tells the set from others."""
        return {"year": self.year, "split": self.split, "resolution": self.resolution}

    @property
    def later_objects(self) -> bool:
        """Whether objects may appear after the first annotated frame."""
        return self.sparse

    @property
    def counted(self) -> Counted:
        """Which annotated frames count."""
        if self.task is Task.UNSUPERVISED:
            return Counted.ALL
        return Counted.AFTER_APPEARANCE if self.sparse else Counted.BETWEEN_ENDS

    def counted_frames(self, name: str) -> None:
        """DAVIS lists none."""

    @property
    def inputs(self) -> ProtectedInputs:
        """The files of the dataset, which outputs must not overwrite."""
        folders: dict[Path, Sequence[str]] = {}
        folders |= {self.image_root / name: IMAGE_SUFFIXES for name in self.names}
        folders |= {self.annotation_root / name: (".png",) for name in self.names}
        trees = (self.annotation_root, self.image_root, self.root / "ImageSets")
        return ProtectedInputs(folders=folders, trees=trees)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[DavisSequence]:
        return map(self.sequence, self.names)

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
        """Return the first annotation; in a YouTube-VOS-like folder every one.

        Raises:
            DatasetError: there is none.
        """
        sequence = self.sequence(name)
        if self.sparse and sequence.annotations:
            return tuple(GivenPng(path, self.single_object) for path in sequence.annotations)
        return (FirstPng(sequence.first_annotation, self.single_object),)

    def _locate(self) -> None:
        """Find the folders and determine the layout."""
        unsupervised = self.task is Task.UNSUPERVISED and not self.single_object
        annotations = self.root / ("Annotations_unsupervised" if unsupervised else "Annotations")
        images = self.root / "JPEGImages"
        self.sparse = not (annotations / self.resolution).is_dir() and any(
            files_in(folder, (".png",)) for folder in folders_in(annotations)
        )
        self.annotation_root = annotations if self.sparse else annotations / self.resolution
        self.image_root = images if self.sparse else images / self.resolution
        if not self.annotation_root.is_dir():
            raise DatasetError(f"{self.annotation_root}: no such folder; {self._other_root()}")

    def _other_root(self) -> str:
        """Return advice for a missing folder of annotations."""
        kind = self.annotation_root.relative_to(self.root).parts[0]
        sizes = [folder.name for folder in folders_in(self.root / kind)]
        if sizes:
            return f"there is {listed(sizes)}: pass --resolution {sizes[0]}"
        other, task = (
            ("Annotations", Task.SEMI_SUPERVISED)
            if kind == "Annotations_unsupervised"
            else ("Annotations_unsupervised", Task.UNSUPERVISED)
        )
        if (self.root / other).is_dir():
            return f"there is {other}: pass --task {task.value}"
        # one folder too high, or too deep
        for folder in (*folders_in(self.root), *self.root.absolute().parents[:2]):
            if (folder / kind).is_dir():
                return f"give {folder}, which holds {kind}"
        return f"give the folder that holds {kind}"

    def _listed_names(self) -> tuple[str, ...]:
        if self.sparse:
            folders: tuple[str, ...] = (str(self.year), "")
        elif self.single_object:
            folders = ("2016", self.resolution)
        elif self.task is Task.UNSUPERVISED and self.split.startswith("test-"):
            folders = ("2019",)
        else:
            folders = (str(self.year),)
        lists = [self.root / "ImageSets" / folder / f"{self.split}.txt" for folder in folders]
        found = next((path for path in lists if path.is_file()), None)
        if found is not None:
            names = read_list(found)
        elif self.sparse:
            names = [folder.name for folder in folders_in(self.annotation_root)]
        else:
            raise DatasetError(
                f"{lists[0]}: no such file; it lists the sequences of {self.split}"
                f"{self._other_lists()}"
            )
        if not names:
            raise DatasetError(f"{found}: names no sequence; write one per line")
        return tuple(dict.fromkeys(names))

    def _other_lists(self) -> str:
        """Describe which lists exist instead, and how to select them."""
        lists = self.root / "ImageSets"
        years = {"2016": 2016, "2017": 2017, "2019": 2019}
        if not self.single_object:
            years["480p"] = 2016
        for folder, year in years.items():
            if year != self.year and (lists / folder / f"{self.split}.txt").is_file():
                return f"; there is {folder}/{self.split}.txt: pass --year {year}"
        if splits := sorted(self.other_splits()):
            return f"; there is {listed(splits)}: pass --split {splits[0]}"
        others = [folder.name for folder in folders_in(lists) if folder.name in years]
        if others:
            return f"; there is {listed(others)}: pass --year {years[others[0]]}"
        return ""

    def other_splits(self) -> dict[str, tuple[str, ...]]:
        """Return the sequences of the year's other readable lists."""
        folders = ("2016", self.resolution) if self.single_object else (str(self.year),)
        found: dict[str, tuple[str, ...]] = {}
        for folder in folders:
            for path in sorted((self.root / "ImageSets" / folder).glob("*.txt")):
                if path.stem == self.split:
                    continue
                try:
                    found[path.stem] = tuple(read_list(path))
                except DatasetError:
                    found[path.stem] = ()
        return found

    def subset(self, names: Sequence[str]) -> "DavisDataset":
        """Return the same set, limited to some of its sequences.

        Raises:
            DatasetError: one is not in the set.
        """
        return DavisDataset(
            self.root,
            self.year,
            self.split,
            task=self.task,
            resolution=self.resolution,
            only=names,
        )


def read_sequence(name: str, image_root: Path, annotation_root: Path) -> DavisSequence:
    """List the files of a sequence, in the folders of its name below the two.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    try:
        return DavisSequence(
            name,
            images=files_in(image_root / name, IMAGE_SUFFIXES),
            annotations=files_in(annotation_root / name, (".png",)),
        )
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from None


def images_of(sequence: DavisSequence, image_root: Path) -> tuple[Path, ...]:
    """Return the frames of a sequence, of which there must be some.

    Raises:
        DatasetError: there are none.
    """
    if not sequence.images:
        raise DatasetError(f"{image_root / sequence.name}: no images (*.jpg, *.png)")
    return sequence.images


def listed(names: Sequence[str]) -> str:
    """Name a few, for a message."""
    return ", ".join(names[:5]) + (" …" if names[5:] else "")


def read_list(path: Path) -> list[str]:
    """Return the sequences that a list names, one a line.

    Raises:
        DatasetError: it is no text, or names a path.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not a text file; it must name one sequence per line") from None
    return [_sequence_of(line.strip(), path) for line in lines if line.strip()]


def _sequence_of(entry: str, source: Path) -> str:
    """Return the sequence that an entry of a list names, directly or by a frame's image."""
    image = PurePosixPath(entry.split(maxsplit=1)[0])
    if image.suffix in IMAGE_SUFFIXES and "JPEGImages" in image.parts[:2]:
        entry = image.parent.name
    return checked_name(entry, str(source))


def checked_name(name: str, source: str) -> str:
    """Reject names that would lead out of the folder they are looked up in."""
    if not name or name in (".", "..") or any(character in name for character in "/\\:\0"):
        raise DatasetError(f"{source}: {name!r} is not the name of a folder")
    return name


def folders_in(parent: Path) -> list[Path]:
    """Return the folders in a folder, which need not exist, in order."""
    if not parent.is_dir():
        return []
    return sorted(path for path in _visible(parent) if path.is_dir())


def files_in(folder: Path, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files of these suffixes in a folder, which need not exist, in order."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in _visible(folder) if path.suffix.lower() in suffixes))


def _visible(folder: Path) -> Iterator[Path]:
    """Skip hidden files, such as the ``._00000.png`` that macOS adds."""
    return (path for path in folder.iterdir() if not path.name.startswith("."))
