"""Benchmarks on a storage: their sequences, and the folder of their results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from persam_video.benchmark.tracking import BenchmarkFolder
from persam_video.davis.dataset import Identity, Task
from persam_video.davis.given import GivenFrame
from persam_video.davis.protocol import TrackedDataset
from persam_video.fleet.mirror import Mirror
from persam_video.fleet.storage import Shelf, is_remote, read_bytes, scratch_folder
from persam_video.util.inputs import ProtectedInputs


@dataclass(frozen=True)
class StoredDataset:
    """A data set that lies on a storage.

    Attributes:
        dataset: the set, as its mirror has it.
        mirror: the local folder that stands for it.
    """

    dataset: TrackedDataset
    mirror: Mirror

    @property
    def root(self) -> str:
        """The URL of the data set."""
        return self.mirror.url

    @property
    def names(self) -> Sequence[str]:
        """The sequences."""
        return self.dataset.names

    @property
    def task(self) -> Task:
        """Whether the objects are given."""
        return self.dataset.task

    @property
    def identity(self) -> Identity:
        """What tells the set from others."""
        return self.dataset.identity

    @property
    def inputs(self) -> ProtectedInputs:
        """None: the mirror is removed anyway."""
        return ProtectedInputs()

    def images(self, name: str) -> tuple[Path, ...]:
        """Return the frames of a sequence, in order; only the first one is fetched.

        Raises:
            PersamVideoError: there are none, or they cannot be read.
        """
        images = self.dataset.images(name)
        self.mirror.fetch(images[:1])
        return images

    def given(self, name: str) -> tuple[GivenFrame, ...]:
        """Return the frames in which objects may be given; only the first one is fetched.

        Raises:
            PersamVideoError: there are none, or they cannot be read.
        """
        given = self.dataset.given(name)
        self.mirror.fetch(given[0].files)
        return given


@dataclass(frozen=True)
class StoredFolder(BenchmarkFolder):
    """Results on a storage; the local folder has the record, and what is looked at.

    Attributes:
        url: of the results.
    """

    url: str = ""

    @property
    def place(self) -> str:
        """The URL of the results."""
        return self.url

    def has_masks(self, name: str) -> bool:
        """Return whether there are masks of a sequence."""
        return name in self._shelf.names()

    @contextmanager
    def read_masks(self, name: str) -> Iterator[Path]:
        """Give a folder with the masks of a sequence, which is empty if there are none.

        Raises:
            SourceError: they cannot be read.
        """
        with TemporaryDirectory(dir=self.folder) as place:
            if self.has_masks(name):
                self._shelf.take(name, Path(place))
            yield Path(place, name)

    def publish(self) -> None:
        """Write the record to the storage.

        Raises:
            OutputError: it cannot be written.
        """
        if self.record.exists():
            self._shelf.write(self.record.name, self.record.read_bytes())

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.url, "")


@contextmanager
def results_in(place: str) -> Iterator[BenchmarkFolder]:
    """Give the folder of results while the block runs, or what stands for one on a storage.

    Raises:
        SourceError: the storage cannot be read.
        OutputError: there is no place on this machine.
    """
    if not is_remote(place):
        yield BenchmarkFolder(Path(place))
        return
    with scratch_folder() as scratch:
        folder = StoredFolder(scratch / "results", place.rstrip("/"))
        folder.folder.mkdir()
        if folder.has_masks(folder.record.name):
            folder.record.write_bytes(read_bytes(f"{folder.url}/{folder.record.name}"))
        yield folder
