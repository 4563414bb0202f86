"""Interactive tracking: mark objects in any frame, track them, correct the result, and continue."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from persam_video.studio.marking import MarkedVideo
from persam_video.studio.run_folder import RunFolder

if TYPE_CHECKING:
    from persam_video.config import Settings
    from persam_video.run.export import Exported
    from persam_video.sam.model import SamModel
    from persam_video.sinks.outputs import Output, SinkOptions
    from persam_video.studio.model import SharedModel
    from persam_video.studio.propagation import Direction, Propagation


class InteractiveSession(MarkedVideo):
    """A video with its marks and tracking results, stored in a folder.

    Everything is saved at once: after each gesture, and after each frame of a pass. A session that
    was killed continues when its folder is opened again. The folder of a run of ``track`` can be
    opened too: its masks are shown as tracked, and can be corrected.

    Frames can be read, marked and tracked from several threads; marks wait for each other, and at
    most for one frame of tracking.

    Args:
        source: video file, folder of images, or glob; ``None`` for that of the folder's session or
            run.
        folder: folder of the session or the run; created if missing.
        settings: settings for a new session; the preset ``persam`` when not given.
        model: a loaded model, or one that several sessions share; by default it is loaded when
            first needed.

    Raises:
        SourceError: the source cannot be read.
        OutputError: the folder cannot be written to, holds a session or a run of another source, or
            is in use.
        DatasetError: the folder's session or run cannot be read.
        ConfigError: the run's procedure takes no corrections.

    Examples:
        >>> with InteractiveSession("clip.mp4", "session") as session:  # doctest: +SKIP
        ...     cat = session.add_object("cat")
        ...     session.click(0, cat.id, 320, 180)
        ...     for result in session.propagate(0):
        ...         print(result.index, result.objects)
        ...     session.box(40, cat.id, (200, 100, 420, 300))
        ...     list(session.propagate(40))
        ...     session.export("overlay")
    """

    def __init__(
        self,
        source: str | Path | None,
        folder: str | Path,
        *,
        settings: "Settings | None" = None,
        model: "SamModel | SharedModel | None" = None,
    ) -> None:
        self._passes: WeakSet[Propagation] = WeakSet()
        super().__init__(source, folder, settings=settings, model=model)
        self._run = RunFolder(self)
        try:
            self._run.catch_up()
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        """End passes, write what is pending and release the folder; a second call does nothing."""
        if self.journal.closed:
            return
        self._end_passes()
        try:
            self._run.catch_up()
        finally:
            super().close()

    def propagate(
        self,
        start: int,
        stop: int | None = None,
        direction: "Direction" = "forward",
        *,
        until_next: bool = False,
    ) -> "Propagation":
        """Track from a frame on, and yield every result once it is stored.

        A forward pass from a frame up to which everything is tracked gives the results of
        ``persam_video.run.track`` with the marks as annotations. Elsewhere, the masks shown in the
        first frame serve as its annotation. A backward pass tracks the objects marked there (or
        without any, those shown), and leaves masks of other objects alone.

        Leaving the loop, closing the iterator or beginning another pass ends the pass and keeps
        finished frames.

        Args:
            start: index of the first frame; if it shows no object, tracking forwards starts at the
                nearest annotated frame before it, or else after it.
            stop: index of the last frame; ``None`` for the end of the source, or its beginning.
            direction: forward or backward.
            until_next: stop before the next annotated frame.

        Raises:
            AnnotationError: there is nothing to track, or the range is empty.
        """
        from persam_video.studio.propagation import Propagation

        # a loop that was left may not be collected yet, and two passes must not write one run
        self._end_passes()
        begun = Propagation(self, self._run, start, stop, direction, until_next=until_next)
        with self._lock:
            self._passes.add(begun)
        return begun

    def _end_passes(self) -> None:
        with self._lock:
            passes = list(self._passes)
        for begun in passes:
            with suppress(ValueError):  # another thread is running it
                begun.close()

    def export(
        self,
        output: "Output | str",
        options: "SinkOptions | None" = None,
        *,
        on_frame: Callable[[int, int], None] | None = None,
    ) -> "Exported":
        """Write one of the outputs that ``persam-video export`` offers into ``exports``.

        Args:
            output: the output.
            options: how to write it; objects have the session's names and colours.
            on_frame: called after every frame with the number done and the total; an exception
                from it ends the export.

        Returns:
            What was written, with the output's warnings. Its place is a file; of an output that is
            a folder, a ZIP file of it.

        Raises:
            AnnotationError: there is no mask yet.
            OutputError: it cannot be written.
        """
        from persam_video.studio.outputs import export_session

        return export_session(self, self._run, output, options, on_frame)
