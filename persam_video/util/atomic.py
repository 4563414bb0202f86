"""Files that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from persam_video.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def unfinished(path: Path) -> Path:
    """Return the hidden sibling to which a file is written first.

    It does not keep the suffix of ``path``, so that one left over by a killed process is never
    taken for a result.
    """
    return path.parent / f".{path.name}.part"  # unlike with_name, also of "/" and "."


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file beside its destination and move it there at the end.

    The block writes to the hidden sibling that is yielded; ``path`` changes only when the block
    ends without an error, in one step.

    Args:
        path: the destination; its folder must exist.

    Yields:
        The path to write to, on the same file system.

    Raises:
        OutputError: the file cannot be written there.
    """
    sibling = unfinished(path)
    try:
        with writing(path):
            yield sibling
            sibling.replace(path)
    except BaseException:
        discard(sibling)
        raise


@contextmanager
def staged(place: Path) -> Iterator[Path]:
    """Write a file, or a folder of files, that appears when the block ends without an error.

    Until then it is kept in a hidden folder beside the destination. An existing folder
    keeps its other files.

    Args:
        place: the destination; its parent folder is created.

    Yields:
        The path to write to, which has the same name as ``place``.

    Raises:
        OutputError: it cannot be written there.
    """
    hidden = unfinished(place)
    written = hidden / place.name
    with writing(place):
        _remove(hidden)
        hidden.mkdir(parents=True)
    try:
        with writing(place):
            yield written
            if written.is_dir() and place.is_dir():
                for file in sorted(written.iterdir()):
                    file.replace(place / file.name)
            else:
                written.replace(place)
    finally:
        with suppress(OSError):  # what comes before is the error to report
            _remove(hidden)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class GrowingFile:
    """A file written incrementally, beside its destination until it is complete.

    Attributes:
        path: the destination.
        binary: the open file to write to.
    """

    def __init__(self, path: Path) -> None:
        """Open the hidden sibling, creating its folder.

        Raises:
            OutputError: the file cannot be written there.
        """
        self.path = path
        self._sibling = unfinished(path)
        self._is_done = False
        make_parent(path)
        with writing(path):
            self.binary: IO[bytes] = self._sibling.open("wb")

    @property
    def is_closed(self) -> bool:
        """Whether it was committed or aborted."""
        return self._is_done

    @contextmanager
    def write_errors(self) -> Iterator[None]:
        """Guard the writes in the block; a system error aborts the file.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            yield
        except OSError as error:
            self.abort()
            raise output_error(self.path, error) from error

    def commit(self) -> None:
        """Finish the file and move it to its destination; call within ``write_errors``."""
        self.binary.close()
        self._sibling.replace(self.path)
        self._is_done = True

    def abort(self) -> None:
        """Discard what was written so far; does nothing once the file is committed."""
        if self._is_done:
            return
        self._is_done = True
        with suppress(OSError):  # what is left in its buffer cannot be written either
            self.binary.close()
        discard(self._sibling)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all.

    Raises:
        OutputError: the file cannot be written there.
    """
    with atomic_path(path) as sibling:
        sibling.write_bytes(data)


def write_output(path: Path, data: bytes) -> None:
    """Write a file where the user wants it, whole or not at all, creating its folder.

    Raises:
        OutputError: the file cannot be written there.
    """
    make_parent(path)
    write_bytes(path, data)


def check_suffix(path: Path, *suffixes: str) -> None:
    """Check that a file has a suffix that matches its contents.

    Args:
        path: path of the file.
        suffixes: allowed suffixes, in lower case with the dot, the usual one first.

    Raises:
        OutputError: it has another suffix.
    """
    if path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path}: such a file ends in {' or '.join(suffixes)}; "
            f"call it {Path(path.name or 'output').with_suffix(suffixes[0])}"
        )


def check_free(*places: Path, overwrite: bool) -> None:
    """Check that no output is there already; an empty folder may be.

    Raises:
        OutputError: one is, and may not be replaced.
    """
    for place in places:
        if not overwrite and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
            raise OutputError(f"{place} already exists: pass --overwrite, or choose another name")


def make_folder(folder: Path) -> Path:
    """Create a folder and its parents, and return it.

    Raises:
        OutputError: the folder cannot be created.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_parent(path: Path) -> None:
    """Create the folder of a file that is to be written, and its parents.

    Raises:
        OutputError: the file cannot be written there.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def empty_folder(folder: Path, *patterns: str) -> None:
    """Create a folder, or remove the files in it that match one of the patterns.

    Raises:
        OutputError: the folder cannot be written.
    """
    make_folder(folder)
    with writing(folder):
        for pattern in patterns:
            for stale in folder.glob(pattern):
                stale.unlink()


def check_writable(folder: Path) -> None:
    """Check that files in a folder may be written and removed.

    Raises:
        OutputError: they may not.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise output_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a system error in the block into one for the user, who wants ``path`` to be written.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the error for a user when writing to ``path`` failed with ``error``."""
    advice = "free some space" if error.errno in _FULL else "choose another place for the output"
    return OutputError(f"{_wanted(path)}: cannot be written ({error.strerror or error}); {advice}")


def _wanted(path: Path) -> Path:
    """Return the place that the user asked for, of a path within a hidden folder of ``staged``."""
    following = (*path.parts[1:], "")
    pairs = zip(path.parts, following, strict=True)
    return Path(*(part for part, after in pairs if part != f".{after}.part"))


def is_full(error: OutputError) -> bool:
    """Return whether what is said to be unwritable found no room."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def discard(sibling: Path) -> None:
    """Remove an unfinished file, if possible."""
    # what comes before is the error to report, whatever happens to the left-over
    with suppress(OSError):
        sibling.unlink(missing_ok=True)
