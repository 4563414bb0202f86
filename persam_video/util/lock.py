"""Keeping two programs from writing into one folder at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from persam_video.errors import OutputError
from persam_video.util.atomic import output_error

if sys.platform != "win32":
    import fcntl


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for the block; the system lets go when the process ends.

    On Windows, and on file systems that have no locks, nothing is held.

    Raises:
        OutputError: another process holds the folder, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise output_error(folder, error) from error
    if handle is None:
        yield
        return
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    if sys.platform == "win32":
        return
    with suppress(OSError):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{folder}: another run is writing here; wait for its end, or choose another folder"
            ) from None
