"""Tables of boxes with a line for each object in each frame: MOT-Challenge and plain CSV."""

import csv
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from persam_video.atomic import output_error
from persam_video.masks.boxes import centre
from persam_video.sinks.base import Sink
from persam_video.sinks.coco import coco_box, finite_score
from persam_video.tracking.result import FrameResult, ObjectResult
from persam_video.video.frame import Frame


class CsvSink(Sink):
    """Writes lines of values to a file that appears when the sink is closed."""

    header: Sequence[str] = ()

    def __init__(self, path: str | Path) -> None:
        """Open a hidden file beside the final place, which is made.

        Raises:
            OutputError: the file cannot be written there.
        """
        self._path = Path(path)
        self._sibling = self._path.with_name(f".{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._sibling.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise output_error(self._path, error) from error
        self._lines = csv.writer(self._file, lineterminator="\n")
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
        try:
            self._lines.writerows(self.rows(result))
        except OSError as error:
            raise output_error(self._path, error) from error

    def close(self) -> None:
        """Finish the file and move it to its place; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file.closed:
            return
        try:
            self._file.close()
            self._sibling.replace(self._path)
        except OSError as error:
            raise output_error(self._path, error) from error


class MotSink(CsvSink):
    """Writes results in the form of the MOT Challenge.

    A line is frame, id, left, top, width, height, confidence, -1, -1, -1, for each object that is
    visible. Frames and coordinates count from 1, as the challenge has it: frame 1 is index 0 of the
    source, and the upper left pixel is (1, 1).
    """

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        for each in result.objects:
            if (box := coco_box(each)) is not None:
                x, y, width, height = box
                place = (x + 1, y + 1, width, height)
                score = finite_score(each)
                yield (result.index + 1, each.object_id, *place, score, -1, -1, -1)


class TableSink(CsvSink):
    """Writes a CSV table with a line for each object known in each frame.

    Boxes are in pixels with the ends exclusive; the centre is that of the box, where whole
    coordinates are centres of pixels. Boxes and centres of lost objects are empty.
    """

    header = (
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
    )

    def rows(self, result: FrameResult) -> Iterable[Sequence[object]]:
        """Return the lines of one frame."""
        return [self._row(result, each) for each in result.objects]

    @staticmethod
    def _row(result: FrameResult, each: ObjectResult) -> Sequence[object]:
        about = (result.index, result.time, each.object_id, each.state.value, finite_score(each))
        if each.box is None:
            return (*about, *[""] * 4, each.area, "", "")
        return (*about, *each.box, each.area, *centre(each.box))
