"""The widget: a frame with its masks, and an interactive session behind it."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from persam_video.config import Settings
from persam_video.drawing.overlay import draw_overlay
from persam_video.errors import PersamVideoError
from persam_video.studio.gestures import mark_of
from persam_video.studio.pictures import jpeg, scaled
from persam_video.studio.session import InteractiveSession

if TYPE_CHECKING:
    from persam_video.sam.model import SamModel

_HERE = Path(__file__).parent
_WIDTH = 960
"""Most pixels that a picture is wide: it goes to the browser with every change."""


class VideoWidget(anywidget.AnyWidget):
    """Mark objects in a video by clicks and boxes, and track them, in a notebook.

    A click adds to the chosen object, a click with the right button or with Alt takes away, and
    dragging draws a box.

    Args:
        source: video file, folder of images, or glob.
        folder: of the session, which keeps everything; a temporary one when not given.
        settings: of the method; the preset ``persam`` when not given.
        model: a loaded model; loaded when it is first needed if not given.

    Attributes:
        session: what is marked and tracked, with all that it can do besides.

    Raises:
        PersamVideoError: see ``persam_video.studio.InteractiveSession``.

    Examples:
        >>> from persam_video.plugins.notebook import VideoWidget  # doctest: +SKIP
        >>> widget = VideoWidget("clip.mp4", "session")  # doctest: +SKIP
        >>> widget  # doctest: +SKIP
        >>> widget.labels(12)  # doctest: +SKIP
    """

    _esm = _HERE / "widget.js"
    _css = _HERE / "widget.css"

    frame = traitlets.Int(0).tag(sync=True)
    frame_count = traitlets.Int(1).tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(1, 1)).tag(sync=True)
    picture = traitlets.Bytes(b"").tag(sync=True)
    objects = traitlets.List(traitlets.Dict()).tag(sync=True)
    object_id = traitlets.Int(0).tag(sync=True)
    tracking = traitlets.Bool(False).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        source: str | Path,
        folder: str | Path | None = None,
        *,
        settings: Settings | None = None,
        model: "SamModel | None" = None,
    ) -> None:
        self._temporary: TemporaryDirectory[str] | None = None
        if folder is None:
            self._temporary = TemporaryDirectory()
            folder = self._temporary.name
        self.session = InteractiveSession(source, folder, settings=settings, model=model)
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        super().__init__(frame_count=self.session.frame_count, size=self.session.size)
        if not self.session.objects:
            self.session.add_object()
        self._list_objects(self.session.objects[0].id)
        self.observe(lambda change: self._try(self._show), names="frame")
        self.on_msg(self._on_message)
        self._show()

    def labels(self, frame: int | None = None) -> NDArray[np.uint8]:
        """Return the label map (H, W) of a frame; of the one that is shown when not given.

        Raises:
            SourceError: there is no such frame.
        """
        return self.session.result(self.frame if frame is None else frame).labels

    def track(self) -> None:
        """Track from the shown frame on, in the background, until the end or ``stop``."""
        if not self.tracking:
            self._stopped.clear()
            self.tracking = True
            self._thread = threading.Thread(target=self._track, name="widget-track", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop tracking after the frame that is under way; what is done is kept."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop tracking and close the session; a second call does nothing."""
        self.stop()
        self.session.close()
        if self._temporary is not None:
            self._temporary.cleanup()
        super().close()

    def _track(self) -> None:
        self._try(self._track_on)
        self.tracking = False

    def _track_on(self) -> None:
        with closing(self.session.propagate(self.frame)) as results:
            for result in results:
                if self.frame == result.index:
                    self._show()
                else:
                    self.frame = result.index
                if self._stopped.is_set():
                    break

    def _on_message(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Do what somebody has done in the browser."""
        deeds: dict[str, Callable[[], object]] = {
            "mark": partial(self._mark, content),
            "undo": self._undo,
            "add": self._add,
            "track": self.track,
            "stop": self._stopped.set,
        }
        deed = deeds.get(str(content.get("do")))
        if deed is not None:
            self._try(deed)

    def _mark(self, content: Mapping[str, Any]) -> None:
        self.session.mark(self.frame, self.object_id, mark_of(content, self.session.size))
        self._show()

    def _undo(self) -> None:
        frame = self.session.undo()
        if frame is not None:
            self.frame = frame
            self._show()

    def _add(self) -> None:
        self._list_objects(self.session.add_object().id)

    def _list_objects(self, chosen: int) -> None:
        self.objects = [{"id": o.id, "name": o.name} for o in self.session.objects]
        self.object_id = chosen

    def _show(self) -> None:
        result = self.session.result(self.frame)
        drawn = draw_overlay(self.session.frame(self.frame).rgb, result.labels, result.objects)
        self.frame_count = self.session.frame_count
        self.picture = jpeg(scaled(drawn, width=_WIDTH))

    def _try(self, deed: Callable[[], object]) -> None:
        """Do something; an error that the user can act on becomes the message."""
        self.message = ""
        try:
            deed()
        except PersamVideoError as error:
            self.message = str(error)
