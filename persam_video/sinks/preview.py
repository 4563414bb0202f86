"""The results on a page, while they are made."""

import threading
from dataclasses import replace
from queue import SimpleQueue

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay import Painter
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import PersamVideoError
from persam_video.results import FrameResult, ObjectState
from persam_video.sinks.base import Sink
from persam_video.util.live_page import LivePage
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo
from persam_video.video.writer import square_size

_LONGEST = 1280  # pixels of a picture's long side
_QUALITY = 80


class PreviewSink(Sink):
    """Shows frames on a page, as many as can be drawn while tracking goes on.

    ``write`` never waits: what comes while a frame is drawn is left out. A thread draws, so that
    only the queue is shared; see ``ThreadedSink`` on Ctrl-C.
    """

    def __init__(self, page: LivePage, info: SourceInfo, style: OverlayStyle | None = None) -> None:
        """Start the thread.

        Args:
            page: where the frames are shown; closing the sink tells it that no more will come.
            info: facts about the source of the frames.
            style: how results are drawn; the default style when not given.

        Raises:
            ConfigError: a style is unknown, or its value is none that it takes.
        """
        self._page = page
        self._pixel_aspect = info.pixel_aspect
        self._painter = Painter(replace(style or OverlayStyle(), pixel_aspect=info.pixel_aspect))
        self._queue: SimpleQueue[tuple[Frame | None, FrameResult] | None] = SimpleQueue()
        self._is_idle = True
        self._error: PersamVideoError | None = None
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._thread.start()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why it stopped, if it did; complete once closed."""
        return () if self._error is None else (f"the preview stopped: {self._error}",)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Have the frame drawn, if nothing else is being drawn and somebody looks."""
        if not self._thread.is_alive():  # nobody would empty the queue
            return
        is_shown = self._is_idle and self._page.wants_picture
        if is_shown:
            self._is_idle = False
        # styles remember all results, whether their frames are drawn or not
        self._queue.put((frame if is_shown else None, result))

    def close(self) -> None:
        """Show what is being drawn, and nothing after it; a second call does nothing."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                frame, result = item
                if frame is None:
                    self._painter.pass_over(result)
                else:
                    jpeg = self._jpeg(self._painter.draw(frame.rgb, result))
                    self._is_idle = True
                    self._page.show(jpeg, _note(result))
        except PersamVideoError as error:  # the run goes on without it
            self._error = error
        finally:
            self._painter.close()
            self._page.end()

    def _jpeg(self, picture: NDArray[np.uint8]) -> bytes:
        width, height = square_size((picture.shape[1], picture.shape[0]), self._pixel_aspect)
        scale = min(1.0, _LONGEST / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size != picture.shape[1::-1]:
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return jpeg.tobytes()


def _note(result: FrameResult) -> str:
    """Say which frame it is, and how many objects are tracked and lost in it."""
    lost = sum(known.state is ObjectState.LOST for known in result.objects)
    told = f"frame {result.index}, {result.time:.2f} s: {len(result.objects) - lost} tracked"
    return f"{told}, {lost} lost" if lost else told
