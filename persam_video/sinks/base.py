"""The interface of all sinks."""

import math
from contextlib import suppress
from typing import Protocol, TypeVar

from persam_video.drawing.coverage import Coverage
from persam_video.errors import PersamVideoError
from persam_video.masks.boxes import Box
from persam_video.results import FrameResult, ObjectResult
from persam_video.video.frame import Frame


def coco_box(box: Box | None) -> list[int] | None:
    """Return a box (x0, y0, x1, y1) as [x, y, width, height], ``None`` for an empty mask."""
    if box is None:
        return None
    x0, y0, x1, y1 = map(int, box)
    return [x0, y0, x1 - x0, y1 - y0]


def finite_score(known: ObjectResult) -> float:
    """Return a score with six decimals; 0 if it is not finite, which JSON cannot express."""
    return round(float(known.score), 6) if math.isfinite(known.score) else 0.0


_SinkT = TypeVar("_SinkT", bound="Sink")


class Sink(Protocol):
    """A destination for results, written one frame at a time and closed once.

    Leaving the context closes the sink; an exception discards an output that is one file, so that
    no file ever holds only some of the frames. A class that inherits from this protocol gets the
    context from it.
    """

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the output, one line each; complete once closed."""
        return ()

    @property
    def coverage(self) -> Coverage | None:
        """Where a video may show what it is to hide; ``None`` if it is to hide nothing."""
        return None

    def pass_over(self, result: FrameResult) -> None:
        """Take note of the result of a frame that is not written."""
        del result  # most outputs do not depend on earlier frames

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write one frame and its result."""

    def close(self) -> None:
        """Finish the output; a second call does nothing."""

    def abort(self) -> None:
        """Discard an output that is one file; does nothing once closed."""
        self.close()

    def __enter__(self: _SinkT) -> _SinkT:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is None:
            self.close()
        else:
            with suppress(PersamVideoError):  # the error that ended the block is the one to report
                self.abort()
