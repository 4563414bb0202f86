"""Opening and checking everything that a run needs, in one place."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from persam_video.results import FrameResult
from persam_video.run.annotations import (
    AnnotatedFrames,
    load_annotations,
)
from persam_video.run.backward import BackwardResults, check_backward
from persam_video.run.estimate import Estimator
from persam_video.run.frames import open_stream
from persam_video.run.options import TrackOptions
from persam_video.run.progress import OnProgress
from persam_video.run.prompted import add_prompted
from persam_video.run.tracker_factory import check_procedure, make_tracker
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.tracking.ahead import encoding_ahead
from persam_video.tracking.protocol import VideoTracker
from persam_video.util.timing import StageClock
from persam_video.video import Frame, FrameStream
from persam_video.video.selection import Selection


@dataclass(frozen=True)
class Session:
    """A run whose parts are open and have been checked against each other.

    Attributes:
        source: the source of the frames.
        options: what to track, and how.
        stream: the source, after its first frame.
        first: the first frame.
        annotations: the annotated frames, including objects from prompts in the first one.
        model: the loaded model.
        tracker: a tracker that has seen no frame.
        clock: timer of the tracker's stages, and of "open".
    """

    source: str | Path | int
    options: TrackOptions
    stream: FrameStream
    first: Frame
    annotations: AnnotatedFrames
    model: SamModel
    tracker: VideoTracker
    clock: StageClock

    def images(self) -> Iterator[Frame]:
        """Yield the frames to track, including the first; may be called once."""
        return self.options.frames.limit(chain((self.first,), self.stream))

    def ahead(self, frames: Iterator[Frame]) -> AbstractContextManager[Iterator[Frame]]:
        """Encode frames ahead of the tracker, from the first annotated one on.

        Frames of a live source would be stale by then, and the search for objects of photos
        encodes frames differently: such frames are passed through.

        Args:
            frames: the frames of ``images`` that are left to track.
        """
        if self.stream.live or self.options.photos:
            return nullcontext(frames)
        begin = min(self.annotations.first_frames.values())
        return encoding_ahead(self.tracker, frames, begin)

    def track(self, frame: Frame, backward: BackwardResults | None) -> FrameResult:
        """Track the next frame.

        Args:
            frame: of ``images``.
            backward: results of the pass backwards, if there was one.

        Raises:
            PersamVideoError: the frame or its annotation does not fit those before.
        """
        result = self.tracker.step(frame, self.annotations.get(frame.index))
        if backward is not None:
            result = backward.merge_backward(result)
        return result.named(self.annotations.names)

    def go_back(
        self, folder: Path, on_progress: OnProgress | None = None
    ) -> BackwardResults | None:
        """Track backwards, if the options say so and an object starts after the first frame.

        A complete pass in the folder is not repeated.

        Args:
            folder: for the results.
            on_progress: called after every frame.

        Raises:
            PersamVideoError: a frame cannot be read, or a result cannot be written.
        """
        begins = self.annotations.first_frames.values()
        if not self.options.backward or max(begins, default=self.first.index) <= self.first.index:
            return None
        results = BackwardResults(folder)
        if not results.complete:
            with self.clock.stage("backward"):
                clock = StageClock()  # its stages are all of "backward"
                results.make(
                    make_tracker(self.model, self.options.settings, clock),
                    self.model,
                    self.annotations,
                    self.options.frames,
                    self._open_part,
                    on_progress=on_progress,
                    estimator=Estimator(self.model, clock),
                )
        return results

    def _open_part(self, part: Selection) -> FrameStream:
        """Open the source again for some of its frames."""
        return open_stream(self.source, self.options.decoder, part)


@contextmanager
def open_session(
    source: str | Path | int, options: TrackOptions, model: SamModel | None = None
) -> Iterator[Session]:
    """Open source, annotations and model, check that they match, and read the first frame.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        options: what to track, and how.
        model: a loaded model; by default the settings' model is loaded.

    Raises:
        PersamVideoError: the source, an annotation, the model or a setting cannot be used, or the
            frames are beyond the end of the source.
    """
    clock = StageClock()
    with ExitStack() as stack:
        with clock.stage("open"):
            session = _opened(source, options, model, clock, stack)
        yield session


def _opened(
    source: str | Path | int,
    options: TrackOptions,
    model: SamModel | None,
    clock: StageClock,
    stack: ExitStack,
) -> Session:
    """Return an open session, whose source the stack closes; see ``open_session``."""
    settings, frames = options.settings, options.frames
    prompts, photos = options.prompts, options.photos
    stream = stack.enter_context(open_stream(source, options.decoder, frames, options.live))
    annotations = load_annotations(
        options.mask, stream.info, frames, prompts, photos, source=source
    )
    annotated = {*annotations, frames.start} if prompts else {*annotations}
    check_procedure(
        settings, annotated, frames.start, photos=bool(photos), backward=options.backward
    )
    if options.backward:
        check_backward(stream.info)
    model = model or load_model(settings)
    tracker = make_tracker(
        model,
        settings,
        clock,
        annotations.photos,
        options.min_score,
        soft=options.soft,
    )
    first = next(stream)
    if prompts:
        annotations = add_prompted(annotations, model, first, prompts)
    return Session(source, options, stream, first, annotations, model, tracker, clock)
