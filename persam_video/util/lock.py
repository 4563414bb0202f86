"""Keeping two processes from writing to the same folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from persam_video.errors import OutputError
from persam_video.util.atomic import make_folder, writing

if sys.platform != "win32":
    import fcntl


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Create a folder and lock it during the block; the lock ends with the process.

    On file systems without locks, nothing is locked.

    Raises:
        OutputError: another process holds the folder, or it cannot be made.
    """
    make_folder(folder)
    with hold_file(folder) if sys.platform == "win32" else _hold_itself(folder):
        yield


@contextmanager
def _hold_itself(folder: Path) -> Iterator[None]:
    """Lock the folder itself, which leaves no file behind; only POSIX can open folders."""
    with writing(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                if sys.platform != "win32":
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _held(folder) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def hold_file(folder: Path) -> Iterator[None]:
    """Lock a folder through a file in it, ``.lock``, as Windows requires.

    Raises:
        OutputError: another process holds the folder, or the file cannot be made.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    with writing(folder):
        try:
            lock.acquire()
        except Timeout:  # is an OSError, too
            raise _held(folder) from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # the next one has opened it by now
            (folder / ".lock").unlink(missing_ok=True)


def _held(folder: Path) -> OutputError:
    return OutputError(
        f"{folder}: another run is writing here; wait until it ends, or choose another folder"
    )
