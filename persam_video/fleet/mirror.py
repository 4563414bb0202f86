"""A local folder that stands for one on a storage, in which files arrive when they are needed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import PersamVideoError
from persam_video.fleet.storage import fetch_files, files_below, scratch_folder

_LATER = {".jpg", ".jpeg", ".png"}
"""Suffixes of files that are many and large, of which most are for a worker to fetch."""


@dataclass(frozen=True)
class Mirror:
    """A folder with the names of all files of a folder on a storage.

    Lists and other texts have their contents, too; images are empty until they are fetched.

    Attributes:
        url: the folder on the storage.
        folder: the local one.
    """

    url: str
    folder: Path

    def fetch(self, files: Iterable[Path], into: Path | None = None) -> None:
        """Fetch files that are not there yet.

        Args:
            files: in the mirror.
            into: another folder that gets them, at the same places, than the mirror itself.

        Raises:
            SourceError: one cannot be read.
            NodeError: the local disk is full.
        """
        wanted = {self._url(file): self.moved(file, into or self.folder) for file in files}
        fetch_files({url: to for url, to in wanted.items() if not _has_contents(to)})

    def moved(self, file: Path, into: Path) -> Path:
        """Return the place of a file of the mirror in another folder."""
        return into / file.relative_to(self.folder)

    @contextmanager
    def named_in_errors(self, folder: Path | None = None) -> Iterator[None]:
        """Let errors name the storage instead of the mirror, or of another folder of its files."""
        try:
            yield
        except PersamVideoError as error:
            text = str(error).replace(str(folder or self.folder), self.url)
            raise type(error)(text) from error

    def _url(self, file: Path) -> str:
        return f"{self.url}/{file.relative_to(self.folder).as_posix()}"


@contextmanager
def mirrored(url: str) -> Iterator[Mirror]:
    """Mirror a folder on a storage while the block runs.

    Raises:
        SourceError: it is not there, or cannot be read.
        NodeError: the local disk is full.
        OutputError: there is no place for it.
    """
    with scratch_folder() as scratch:
        mirror = Mirror(url.rstrip("/"), scratch / "mirror")
        files = [mirror.folder / name for name in files_below(mirror.url)]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        mirror.fetch(file for file in files if file.suffix.lower() not in _LATER)
        with mirror.named_in_errors():
            yield mirror


def _has_contents(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
