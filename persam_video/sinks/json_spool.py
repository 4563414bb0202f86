"""Files assembled at the end from parts that were written frame by frame."""

import json
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.util.atomic import atomic_path, make_parent, writing
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo


class JsonSpool:
    """Lists of JSON values that grow on disk, for one output file.

    The lists live beside the output in unnamed files, which the system removes however the
    program ends, and take no memory. There is one open file per list.
    """

    def __init__(self, path: Path) -> None:
        """Prepare the lists of an output, creating its folder.

        Raises:
            OutputError: the folder cannot be made or cannot be written to.
        """
        self.path = path
        self._files: dict[str | int, IO[bytes]] = {}
        make_parent(path)
        with writing(path):
            # found out now, not after hours of tracking
            if path.is_dir():
                raise IsADirectoryError(None, "is a folder")
            with tempfile.TemporaryFile(dir=path.parent):
                pass

    def append(self, name: str | int, value: Any) -> None:
        """Add a value to the end of a list.

        Raises:
            OutputError: it cannot be written.
        """
        with writing(self.path):
            if name not in self._files:
                file = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
                self._files[name] = file
            line = json.dumps(value, allow_nan=False, separators=(",", ":"))
            self._files[name].write(f"{line}\n".encode())

    def lines(self, name: str | int) -> Iterator[str]:
        """Yield the values of a list as JSON, in order."""
        file = self._files.get(name)
        if file is None:
            return
        file.seek(0)
        for line in file:
            yield line.decode().rstrip("\n")

    def values(self, name: str | int) -> Iterator[Any]:
        """Yield the values of a list, in order."""
        return map(json.loads, self.lines(name))

    @contextmanager
    def assembled(self) -> Iterator[IO[str]]:
        """Yield the output to write to; it appears, whole, when the block ends without an error.

        Raises:
            OutputError: it cannot be written.
        """
        with (
            atomic_path(self.path) as sibling,
            sibling.open("w", encoding="utf-8", newline="\n") as file,
        ):
            yield file

    def close(self) -> None:
        """Remove the lists; a second call does nothing."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()

    def __enter__(self) -> "JsonSpool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SpooledSink(Sink):
    """A sink whose single file is assembled at the end, from parts written frame by frame.

    The file appears when the sink is closed, unless no frame was written.
    """

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        """Prepare to write.

        Args:
            path: the file.
            info: facts about the source of the frames.

        Raises:
            OutputError: the file cannot be written there.
        """
        self._spool = JsonSpool(Path(path))
        self._info = info
        self._frames = 0

    @abstractmethod
    def _note(self, frame: Frame, result: FrameResult) -> None:
        """Add a frame to the lists; ``self._frames`` counts those before it."""

    @abstractmethod
    def _assemble(self, file: IO[str], frames: int) -> None:
        """Write the file from the lists of the given number of frames."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write one frame and its result.

        Raises:
            OutputError: they cannot be written.
        """
        self._note(frame, result)
        self._frames += 1

    def close(self) -> None:
        """Write the file; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        frames, self._frames = self._frames, 0
        with self._spool:
            if frames:
                with self._spool.assembled() as file:
                    self._assemble(file, frames)

    def abort(self) -> None:
        """Discard the file; does nothing once it is closed."""
        self._frames = 0
        self._spool.close()


def write_array(file: IO[str], items: Iterator[str]) -> None:
    """Write a JSON array of items that are JSON already, one per line."""
    file.write("[")
    for number, item in enumerate(items):
        file.write(",\n" if number else "\n")
        file.write(item)
    file.write("\n]")
