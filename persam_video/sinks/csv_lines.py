"""Tables of boxes with a line for each object in each frame: MOT-Challenge and plain CSV."""

import csv
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path

from persam_video.atomic import GrowingFile
from persam_video.sinks.base import Sink
from persam_video.sinks.table_rows import COLUMNS, table_rows
from persam_video.sinks.values import coco_box, finite_score
from persam_video.tracking.result import FrameResult
from persam_video.video.frame import Frame


class CsvSink(Sink):
    """Writes lines of values to a file that appears when the sink is closed."""

    header: Sequence[str] = ()

    def __init__(self, path: str | Path) -> None:
        """Open a hidden file beside the final place, which is made.

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
        with self._file.told():
            self._lines.writerows(self.rows(result))

    def close(self) -> None:
        """Finish the file and move it to its place; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file.is_closed:
            return
        with self._file.told():
            self._text.flush()
            self._file.appear()


class MotSink(CsvSink):
    """Writes results in the form of the MOT Challenge.

    A line is frame, id, left, top, width, height, confidence, -1, -1, -1, for each object that is
    visible. Frames and coordinates count from 1, as the challenge has it: frame 1 is index 0 of the
    source, and the upper left pixel is (1, 1).
    """

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        for each in result.objects:
            if (box := coco_box(each.box)) is not None:
                x, y, width, height = box
                place = (x + 1, y + 1, width, height)
                score = finite_score(each)
                yield (result.index + 1, each.object_id, *place, score, -1, -1, -1)


class TableSink(CsvSink):
    """Writes a CSV table with a line for each object known in each frame.

    See :data:`persam_video.sinks.table_rows.COLUMNS`; boxes and centres of lost objects are empty.
    """

    header = COLUMNS

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        return table_rows(result)
