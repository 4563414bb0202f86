"""Files on shared storage: folders that all machines have, and URLs that fsspec knows."""

import errno
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from persam_video.errors import ConfigError, OutputError, PersamVideoError, SourceError
from persam_video.fleet.options import NodeError
from persam_video.util.atomic import make_folder, unfinished, write_output, writing
from persam_video.util.lock import exclusive_folder
from persam_video.util.urls import local_path, scheme_of

_STREAMED = {"http", "https", "rtsp", "rtsps"}
"""Addresses that are read as they are, frame by frame."""

_MARK = ".fleet-"
"""Begins the name of the file by which machines see that a folder is the same."""

_SPARE_BYTES = 64 << 20
_log = logging.getLogger(__name__)


def is_remote(text: str) -> bool:
    """Return whether a text is a URL of a storage, such as ``s3://bucket/clip.mp4``."""
    return scheme_of(text) not in {None, "file", *_STREAMED}


def read_bytes(url: str) -> bytes:
    """Return the contents of a file on a storage.

    Raises:
        SourceError: it cannot be read.
    """
    with _reading(url) as (system, path):
        data: bytes = system.cat_file(path)
        return data


def size_of(url: str) -> int:
    """Return the bytes of a file on a storage, or of all files of a folder.

    Raises:
        SourceError: it is not there.
    """
    with _reading(url) as (system, path):
        return int(system.du(path))


def files_below(url: str) -> list[str]:
    """Return the paths of all files in a folder on a storage, from that folder on, with slashes.

    Raises:
        SourceError: there are none, it cannot be read, or a name leads out of it.
    """
    with _reading(url) as (system, path):
        system.invalidate_cache()
        found = [PurePosixPath(file).relative_to(path) for file in system.find(path)]
        if not found:
            raise FileNotFoundError
        for file in found:
            if ".." in file.parts:  # a storage has no folders, and lets keys have any name
                raise SourceError(f"{url}/{file}: leads out of the folder; rename it")
        return [file.as_posix() for file in found]


def fetch_files(files: Mapping[str, Path]) -> None:
    """Copy files from a storage, several at a time where the storage can.

    Args:
        files: where each goes, by its URL; all of one storage.

    Raises:
        SourceError: one cannot be read.
        NodeError: the local disk is full.
    """
    if not files:
        return
    for target in files.values():
        make_folder(target.parent)
    with _reading(next(iter(files))) as (system, _):
        sources = [_opened(url)[1] for url in files]
        try:
            system.get(sources, [str(target) for target in files.values()])
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise NodeError(f"{next(iter(files.values())).parent}: the disk is full") from error
            raise


def fetch(url: str, into: Path) -> Path:
    """Copy a file or a folder from a storage.

    Args:
        url: of the file or folder.
        into: a local folder, which is created.

    Returns:
        The copy, which has the name of the original.

    Raises:
        SourceError: it cannot be read.
        NodeError: the local disk has no room for it.
    """
    needed = size_of(url)
    make_folder(into)
    free = shutil.disk_usage(into).free
    if needed + _SPARE_BYTES > free:
        raise NodeError(
            f"{into}: has {free >> 20} MiB free, and {url} needs {needed >> 20}; free some space"
        )
    with _reading(url) as (system, path):
        copy = into / PurePosixPath(path).name
        if system.isdir(path):
            folder = url.rstrip("/")
            fetch_files({f"{folder}/{name}": copy / name for name in files_below(url)})
        else:
            system.get_file(path, str(copy))
        return copy


class Shelf:
    """The place for the results of many jobs, a folder for each.

    A folder of results appears whole: on a file system it is copied beside its destination and
    moved; on a storage, which has no folders, ``last`` is written when everything else is there.

    Args:
        place: a folder, or a URL.
        last: name of the file without which a folder of results counts for nothing.
    """

    def __init__(self, place: str, last: str) -> None:
        self._last = last
        self.remote = is_remote(place)
        self.place = place.rstrip("/") if self.remote else str(Path(local_path(place)).absolute())

    def of(self, name: str) -> str:
        """The path or URL of a folder of results, or of a file beside them."""
        return f"{self.place}/{name}" if self.remote else str(Path(self.place) / name)

    def names(self) -> set[str]:
        """Return the names of the folders of results that are there.

        Raises:
            SourceError: the storage cannot be read.
        """
        if not self.remote:
            folder = Path(self.place)
            found = folder.iterdir() if folder.is_dir() else iter(())
            return {path.name for path in found if not path.name.startswith(".")}
        with _reading(self.place) as (system, path):
            system.invalidate_cache()
            if not system.exists(path):
                return set()
            return {PurePosixPath(entry).name for entry in system.ls(path, detail=False)}

    def has(self, name: str) -> bool:
        """Return whether a folder holds results, finished or not."""
        if not self.remote:
            return Path(self.of(name)).is_dir()
        with _reading(self.of(name)) as (system, path):
            system.invalidate_cache()
            return bool(system.exists(f"{path}/{self._last}"))

    def take(self, name: str, into: Path) -> None:
        """Copy a folder of results to a local folder, in which it gets the same name.

        Raises:
            SourceError: it cannot be read.
            OutputError: it cannot be copied.
        """
        if self.remote:
            fetch(self.of(name), into)
            return
        with writing(into):
            shutil.copytree(self.of(name), into / name, dirs_exist_ok=True)

    def put(self, folder: Path) -> None:
        """Let a local folder of results appear under its name, in the place of an earlier one.

        Raises:
            OutputError: it cannot be written there.
        """
        if self.remote:
            self._upload(folder)
        else:
            self._move(folder)

    def write(self, name: str, data: bytes) -> None:
        """Write a file beside the folders of results, whole or not at all.

        Raises:
            OutputError: it cannot be written there.
        """
        if not self.remote:
            write_output(Path(self.of(name)), data)
            return
        with _writing(self.of(name)) as (system, path):
            _make_parents(system, [path])
            system.pipe_file(path, data)

    def sweep(self) -> None:
        """Remove what killed workers and commands have left; nobody else may write here."""
        if not self.remote and Path(self.place).is_dir():
            for left in Path(self.place).glob(".*.part-*"):
                shutil.rmtree(left, ignore_errors=True)
            for mark in Path(self.place).glob(f"{_MARK}*"):
                mark.unlink(missing_ok=True)

    def _move(self, folder: Path) -> None:
        place = Path(self.of(folder.name))
        beside, old = (
            place.parent / f"{unfinished(place).name}-{uuid.uuid4().hex[:8]}" for _ in range(2)
        )
        with writing(place):
            try:
                shutil.copytree(folder, beside)
                if place.exists():
                    place.rename(old)
                beside.rename(place)
            finally:
                for left in (beside, old):
                    shutil.rmtree(left, ignore_errors=True)

    def _upload(self, folder: Path) -> None:
        url = self.of(folder.name)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        files.sort(key=lambda path: path.name == self._last)
        with _writing(url) as (system, path):
            system.invalidate_cache()
            if system.exists(path):
                system.rm(path, recursive=True)
            targets = [f"{path}/{file.relative_to(folder).as_posix()}" for file in files]
            _make_parents(system, targets)
            # the last one when all others are there; these together, since storage takes its time
            system.put([str(file) for file in files[:-1]], targets[:-1])
            system.put_file(str(files[-1]), targets[-1])


@contextmanager
def shared_mark(folder: Path) -> Iterator[Path]:
    """Mark a folder while the block runs, so that other machines can tell that it is the same.

    Raises:
        OutputError: the folder cannot be written to.
    """
    mark = make_folder(folder) / f"{_MARK}{uuid.uuid4().hex}"
    with writing(mark):
        mark.touch()
    try:
        yield mark
    finally:
        with suppress(OSError):
            mark.unlink()


def check_mark(mark: Path) -> None:
    """Check that a folder is the one that ``shared_mark`` has marked.

    Raises:
        NodeError: it is missing, or another one.
    """
    if not mark.exists():
        raise NodeError(f"{mark.parent} is not the shared folder: mount it on all machines alike")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for unfinished work, and remove those of processes that were killed.

    It is where ``TMPDIR`` says. The folder is locked as long as the process lives.

    Raises:
        OutputError: it cannot be made.
    """
    home = Path(tempfile.gettempdir())
    for left in home.glob("persam-video-*.work"):
        with suppress(PersamVideoError, OSError), exclusive_folder(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = home / f"persam-video-{uuid.uuid4().hex}.work"
    try:
        with exclusive_folder(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reading(url: str) -> Iterator[tuple[Any, str]]:
    system, path = _opened(url)
    try:
        yield system, path
    except FileNotFoundError:
        raise SourceError(f"{url}: no such file or folder; check the URL") from None
    except PersamVideoError:
        raise
    except Exception as error:  # each storage has its own
        raise SourceError(
            f"{url}: cannot be read ({_words(error)}); check the URL and who may read it"
        ) from error


@contextmanager
def _writing(url: str) -> Iterator[tuple[Any, str]]:
    system, path = _opened(url)
    try:
        yield system, path
    except Exception as error:  # each storage has its own
        raise OutputError(
            f"{url}: cannot be written ({_words(error)}); check the URL and who may write there"
        ) from error


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        ConfigError: what the kind of URL needs is not installed.
    """
    try:
        # imported late: those who have plain folders need not have it
        import fsspec  # noqa: PLC0415

        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        scheme = scheme_of(url) or ""
        package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}.get(scheme)
        what = f"pip install {package}" if package else "give a path or a URL that fsspec knows"
        raise ConfigError(f"{url}: {_words(error)}; {what}") from error
    return system, str(path).rstrip("/")


def _make_parents(system: Any, files: Iterable[str]) -> None:
    """Make the folders of files on storages that have folders."""
    for folder in sorted({file.rpartition("/")[0] for file in files}):
        with suppress(Exception):  # writing says what is wrong; a bucket may not be ours to look at
            system.makedirs(folder, exist_ok=True)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
