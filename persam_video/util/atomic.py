"""Files that appear whole or not at all."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from persam_video.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def unfinished(path: Path) -> Path:
    """Return the hidden sibling of a file that is written first.

    It does not keep the suffix of ``path``, so that one left over by a killed process is never
    taken for a result.
    """
    return path.with_name(f".{path.name}.part")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file beside its final place and move it there at the end.

    The block writes to the hidden sibling that it is given; ``path`` changes only when the block
    ends without an error, in one step.

    Args:
        path: where the file is to appear; its folder must exist.

    Yields:
        The path to write to, on the same file system.

    Raises:
        OutputError: the file cannot be written there.
    """
    sibling = unfinished(path)
    try:
        yield sibling
        sibling.replace(path)
    except OSError as error:
        discard(sibling)
        raise output_error(path, error) from error
    except BaseException:
        discard(sibling)
        raise


class GrowingFile:
    """A file that is written bit by bit, beside its final place until it is whole.

    Attributes:
        path: where it is to appear.
        binary: what to write to.
    """

    def __init__(self, path: Path) -> None:
        """Open the hidden sibling; the folder is made.

        Raises:
            OutputError: the file cannot be written there.
        """
        self.path = path
        self._sibling = unfinished(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.binary: IO[bytes] = self._sibling.open("wb")
        except OSError as error:
            raise output_error(path, error) from error

    @property
    def is_closed(self) -> bool:
        """Whether it has appeared, or was given up."""
        return self.binary.closed

    @contextmanager
    def told(self) -> Iterator[None]:
        """Write in the block; when the system refuses, the file is given up.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            yield
        except OSError as error:
            with suppress(OSError):  # what is left in its buffer cannot be written either
                self.binary.close()
            discard(self._sibling)
            raise output_error(self.path, error) from error

    def appear(self) -> None:
        """Finish the file and move it to its place; within ``told``."""
        self.binary.close()
        self._sibling.replace(self.path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all.

    Raises:
        OutputError: the file cannot be written there.
    """
    with atomic_path(path) as sibling:
        sibling.write_bytes(data)


def output_error(path: Path, error: OSError) -> OutputError:
    """Return what a user should read when writing to ``path`` failed with ``error``."""
    advice = "free some space" if error.errno in _FULL else "choose another place for the output"
    return OutputError(f"{path}: cannot be written ({error.strerror or error}); {advice}")


def discard(sibling: Path) -> None:
    """Remove an unfinished file, if it is there and the system lets it be removed."""
    # what comes before is the error to report, whatever happens to the left-over
    with suppress(OSError):
        sibling.unlink(missing_ok=True)
