"""What is asked of a dataset by those who track its sequences and by those who score them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from persam_video.davis.dataset import Counted, DavisSequence, Identity, Task
from persam_video.davis.given import GivenFrame
from persam_video.util.inputs import ProtectedInputs


class TrackedDataset(Protocol):
    """A set of sequences to track."""

    @property
    def root(self) -> Path | str:
        """The folder of the dataset, or its URL."""

    @property
    def names(self) -> Sequence[str]:
        """The sequences."""

    @property
    def task(self) -> Task:
        """Whether the objects are given."""

    @property
    def identity(self) -> Identity:
        """What tells the set from others."""

    @property
    def inputs(self) -> ProtectedInputs:
        """The files of the dataset, which nothing may write to."""

    def images(self, name: str) -> tuple[Path, ...]:
        """Return the frames of a sequence, in order.

        Raises:
            DatasetError: there are none.
        """

    def given(self, name: str) -> tuple[GivenFrame, ...]:
        """Return the frames in which objects of a sequence may be given, in order.

        Raises:
            DatasetError: there are none.
        """


class ScoredDataset(TrackedDataset, Protocol):
    """A set of sequences whose annotations are label PNGs, to score masks against."""

    @property
    def title(self) -> str:
        """Name of the benchmark, for people."""

    @property
    def split(self) -> str:
        """Name of the list of sequences."""

    @property
    def annotation_root(self) -> Path:
        """The folder of the sequences' annotations."""

    @property
    def resolution(self) -> str:
        """The folder between those of masks and of sequences; empty for none."""

    @property
    def single_object(self) -> bool:
        """Whether all labels of an annotation are one object."""

    @property
    def later_objects(self) -> bool:
        """Whether objects may appear after the first annotated frame."""

    @property
    def counted(self) -> Counted:
        """Which annotated frames count."""

    @property
    def small_contours(self) -> bool:
        """Whether contours are compared with a tolerance that shrinks with the object, too."""

    def counted_frames(self, name: str) -> Mapping[int, frozenset[str]] | None:
        """Return the frames that count by object, where the benchmark lists them."""

    def sequence(self, name: str) -> DavisSequence:
        """List the files of one sequence.

        Raises:
            DatasetError: the name is not in the set, or a folder cannot be listed.
        """

    def other_splits(self) -> dict[str, tuple[str, ...]]:
        """Return the sequences of the other lists."""
