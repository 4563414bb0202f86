"""The manifest of a fleet: a line of JSON for each video that is done, and a table at the end."""

import csv
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import DatasetError, SourceError
from persam_video.fleet.storage import Shelf, read_bytes
from persam_video.util.atomic import writing
from persam_video.util.json import to_json

MANIFEST = "manifest.jsonl"
REPORT = "report.csv"

_UPLOAD_SECONDS = 10.0  # a storage cannot append, so the whole file is written, but not too often


@dataclass(frozen=True)
class Line:
    """A video that has come to its end.

    Attributes:
        name: of its job.
        asked: SHA-256 of the job, its settings, and the workers' model and versions.
        status: finished or failed.
        frames: that were written.
        seconds: from the beginning of its last attempt to the last written file.
        lost: periods in which an object was lost, over all objects.
        worker: which tracked it.
        warnings: problems that did not stop the run.
        error: why it failed, in one line.
    """

    name: str
    asked: str
    status: str
    frames: int = 0
    seconds: float = 0.0
    lost: int = 0
    worker: str = ""
    warnings: tuple[str, ...] = ()
    error: str | None = None


class Manifest:
    """The lines of a folder of results; the last one of a name counts.

    A folder gets each line at once, appended; a storage gets all lines every few seconds and at
    the end. What a line is missing for is found by its results.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.lines: dict[str, Line] = {}
        self._text: list[str] = []
        self._uploaded = time.monotonic()
        self._changed = False
        self._before = b""

    def read(self) -> None:
        """Read the lines of earlier runs; one that was cut off is left out.

        Raises:
            SourceError: the file cannot be read.
            DatasetError: it is not a manifest.
        """
        data = self._read()
        # a line that was cut off is ended, so that it does not damage the next one
        self._before = b"" if data[-1:] in (b"", b"\n") else b"\n"
        for text in data.decode(errors="replace").splitlines():
            try:
                values = json.loads(text)
            except ValueError:
                continue  # the last one of a run that was killed
            try:
                line = Line(**{**values, "warnings": tuple(values.get("warnings", ()))})
            except TypeError as error:
                raise DatasetError(
                    f"{self._shelf.of(MANIFEST)}: is not the manifest of a fleet ({error})"
                ) from error
            self.lines[line.name] = line
            self._text.append(text)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write all that is missing at the end of the block, also when it fails."""
        try:
            yield
        finally:
            if self._changed:
                self._upload()

    def add(self, line: Line) -> None:
        """Add a line.

        Raises:
            OutputError: it cannot be written.
        """
        self.lines[line.name] = line
        text = json.dumps(to_json(line), ensure_ascii=False)
        self._text.append(text)
        if self._shelf.remote:
            self._changed = True
            if time.monotonic() - self._uploaded >= _UPLOAD_SECONDS:
                self._upload()
            return
        path = Path(self._shelf.of(MANIFEST))
        with writing(path), path.open("ab") as file:
            file.write(self._before + f"{text}\n".encode(errors="backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        self._before = b""

    def write_report(self, names: Iterable[str]) -> str:
        """Write a table of these jobs, and return its path or URL.

        Raises:
            OutputError: it cannot be written.
        """
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("name", "status", "frames", "fps", "lost_periods", "worker", "error"))
        for name in names:
            line = self.lines.get(name, Line(name, "", "missing"))
            rate = f"{line.frames / line.seconds:.2f}" if line.seconds and line.frames else ""
            row = (name, line.status, line.frames, rate, line.lost, line.worker, line.error or "")
            rows.writerow(row)
        place, data = self._shelf.of(REPORT), table.getvalue().encode(errors="backslashreplace")
        self._shelf.write(REPORT, data)
        return place

    def _read(self) -> bytes:
        place = self._shelf.of(MANIFEST)
        if not self._shelf.remote:
            try:
                return Path(place).read_bytes()
            except FileNotFoundError:
                return b""
            except OSError as error:
                raise SourceError(f"{place}: cannot be read ({error.strerror or error})") from error
        return read_bytes(place) if MANIFEST in self._shelf.names() else b""

    def _upload(self) -> None:
        text = "".join(f"{line}\n" for line in self._text)
        self._shelf.write(MANIFEST, text.encode(errors="backslashreplace"))
        self._changed = False
        self._uploaded = time.monotonic()
