"""Tables with a line per object and frame: MOT Challenge and plain CSV."""

import csv
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path

from persam_video.masks.boxes import centre
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink, coco_box, finite_score
from persam_video.util.atomic import GrowingFile
from persam_video.video.frame import Frame

COLUMNS = (
    "frame",
    "time",
    "object",
    "state",
    "score",
    "x0",
    "y0",
    "x1",
    "y1",
    "area",
    "centre_x",
    "centre_y",
    "name",
)
"""Boxes are in pixels with the ends exclusive; the centre is that of the box, where whole
coordinates are centres of pixels. The name is that of the annotation, if any."""

Cell = str | int | float | None


def table_rows(result: FrameResult) -> Iterator[tuple[Cell, ...]]:
    """Yield a row of ``COLUMNS`` for each object known in a frame.

    Boxes and centres of lost objects are ``None``, and the names of those without one.
    """
    for known in result.objects:
        box = (None,) * 4 if known.box is None else known.box
        middle = (None,) * 2 if known.box is None else centre(known.box)
        about = (result.index, result.time, known.object_id, known.state.value, finite_score(known))
        yield (*about, *box, known.area, *middle, known.name)


class CsvSink(Sink):
    """Writes lines of values to a file that appears when the sink is closed."""

    header: Sequence[str] = ()

    def __init__(self, path: str | Path) -> None:
        """Open a hidden file beside the destination, creating its folder.

        Raises:
            OutputError: the file cannot be written there.
        """
        self._file = GrowingFile(Path(path))
        self._text = TextIOWrapper(self._file.binary, encoding="utf-8", newline="")
        self._lines = csv.writer(self._text, lineterminator="\n")
        if self.header:
            self._lines.writerow(self.header)

    @abstractmethod
    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the lines of one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._file.write_errors():
            self._lines.writerows(self.rows(result))

    def close(self) -> None:
        """Finish the file and move it to its destination; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file.is_closed:
            return
        with self._file.write_errors():
            self._text.flush()
            self._file.commit()

    def abort(self) -> None:
        """Discard the file; does nothing once it is closed."""
        self._file.abort()


class MotSink(CsvSink):
    """Writes results in the form of the MOT Challenge.

    A line is frame, id, left, top, width, height, confidence, -1, -1, -1, for each object that is
    visible. Frames and coordinates count from 1, as the challenge does: frame 1 is index 0 of the
    source, and the upper left pixel is (1, 1).
    """

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        for known in result.objects:
            if (box := coco_box(known.box)) is not None:
                x, y, width, height = box
                place = (x + 1, y + 1, width, height)
                score = finite_score(known)
                yield (result.index + 1, known.object_id, *place, score, -1, -1, -1)


class TableSink(CsvSink):
    """Writes a CSV table with a line for each object known in each frame.

    See ``persam_video.sinks.csv_lines.COLUMNS``; boxes and centres of lost objects are empty.
    """

    header = COLUMNS

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        return table_rows(result)
