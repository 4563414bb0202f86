"""What every sink of results offers."""

import math
from contextlib import suppress
from types import TracebackType
from typing import Protocol, TypeVar

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
    """Return the score of an object with six decimals, 0 for one that JSON has no number for."""
    return round(float(known.score), 6) if math.isfinite(known.score) else 0.0


_SinkT = TypeVar("_SinkT", bound="Sink")


class Sink(Protocol):
    """A place for results, written one frame at a time and closed once.

    Leaving the context closes the sink; an exception drops an output that is one file, so that no
    file is ever there with a part of the frames. A class that inherits from this protocol gets the
    context from it.
    """

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the output, one line each; complete once closed."""
        return ()

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Take one frame and its result."""

    def close(self) -> None:
        """Finish the output; a second call does nothing."""

    def abort(self) -> None:
        """End without an output, where one file holds all frames; does nothing once closed."""
        self.close()

    def __enter__(self: _SinkT) -> _SinkT:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            with suppress(PersamVideoError):  # the error that ended the block is the one to report
                self.abort()
