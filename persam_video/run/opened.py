"""What a run is made of, and the one place where it is opened and checked."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from persam_video.config import Settings
from persam_video.images.reference_files import ReferenceFiles
from persam_video.prompting import ObjectPrompts
from persam_video.run.backward import BackwardResults, check_backward
from persam_video.run.frames import FrameRange, open_stream
from persam_video.run.progress import OnProgress
from persam_video.run.references import (
    Masks,
    References,
    add_prompted,
    check_procedure,
    load_references,
)
from persam_video.run.seeker import seek
from persam_video.run.tracker_factory import VideoTracker, make_tracker
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.tracking.ahead import encoding_ahead
from persam_video.util.timing import StageClock
from persam_video.video import Frame, FrameStream
from persam_video.video.selection import Selection
from persam_video.video.stream import DecoderName


@dataclass(frozen=True)
class Inputs:
    """What a run is made of, as its caller gives it.

    Attributes:
        source: see ``persam_video.run.iterate.track``, as of all the others.
        masks: by frame, or that of the first frame.
        settings: all of them.
        decoder: pyav or decord.
        frames: which frames.
        backward: whether the first pass goes backwards.
        live: whether frames that come while tracking is busy are left out.
        prompts: boxes and points in the first frame.
        photos: of objects to look for.
    """

    source: str | Path | int
    masks: Masks
    settings: Settings
    decoder: DecoderName
    frames: FrameRange
    backward: bool
    live: bool | None
    prompts: Sequence[ObjectPrompts]
    photos: Sequence[ReferenceFiles]

    def open_part(self, part: Selection) -> FrameStream:
        """Open the source once more, at some of its frames."""
        return open_stream(self.source, self.decoder, FrameRange.of(part))


@dataclass(frozen=True)
class OpenedRun:
    """A run whose parts are open and known to fit together.

    Attributes:
        inputs: what it was opened from.
        stream: the source, after its first frame.
        first: the first frame.
        references: the annotated frames, with what prompts add to the first one.
        model: the loaded model.
        tracker: one that has seen no frame.
        clock: is told of the tracker's stages.
    """

    inputs: Inputs
    stream: FrameStream
    first: Frame
    references: References
    model: SamModel
    tracker: VideoTracker
    clock: StageClock

    def images(self) -> Iterator[Frame]:
        """Give the frames that are tracked, the first one included; may be called once."""
        return self.inputs.frames.limit(chain((self.first,), self.stream))

    def ahead(self, frames: Iterator[Frame]) -> AbstractContextManager[Iterator[Frame]]:
        """Encode frames ahead of the tracker, from the first annotated one on.

        Frames of a live source would be old when their turn comes, and objects of photos are looked
        for in frames that are encoded otherwise: such frames come as they are.

        Args:
            frames: those of ``images`` that are left to track.
        """
        if self.stream.live or self.inputs.photos:
            return nullcontext(frames)
        begin = min(self.references.first_frames.values())
        return encoding_ahead(self.model, frames, begin)

    def go_back(
        self, folder: Path, on_progress: OnProgress | None = None
    ) -> BackwardResults | None:
        """Track backwards, if the run is to and an object begins after the first frame.

        A pass that the folder holds is not done again.

        Args:
            folder: for the results.
            on_progress: called after every frame.

        Raises:
            PersamVideoError: a frame cannot be read or a result not be written.
        """
        begins = self.references.first_frames.values()
        if not self.inputs.backward or max(begins, default=self.first.index) <= self.first.index:
            return None
        results = BackwardResults(folder)
        if not results.complete:
            with self.clock.stage("backward"):
                results.make(
                    make_tracker(self.model, self.inputs.settings),
                    self.model,
                    self.references,
                    self.inputs.frames.selection,
                    self.inputs.open_part,
                    on_progress=on_progress,
                )
        return results


@contextmanager
def open_run(inputs: Inputs, model: SamModel | None = None) -> Iterator[OpenedRun]:
    """Open source, annotations and model, check that they fit together, and read the first frame.

    Args:
        inputs: what to open.
        model: a loaded model; loaded by the settings when not given.

    Raises:
        PersamVideoError: the source, an annotation, the model or a setting cannot be used, or the
            frames are beyond the end of the source.
    """
    settings, frames = inputs.settings, inputs.frames
    prompts, photos = inputs.prompts, inputs.photos
    with open_stream(inputs.source, inputs.decoder, frames, inputs.live) as stream:
        references = load_references(inputs.masks, stream.info, frames, prompts, photos)
        check_procedure(settings, references, prompts, photos, frames.start)
        if inputs.backward:
            check_backward(settings, stream.info)
        model = model or load_model(settings)
        clock = StageClock()
        tracker = seek(make_tracker(model, settings, clock), model, photos)
        first = next(stream)
        if prompts:
            references = add_prompted(references, model, first, prompts)
        yield OpenedRun(inputs, stream, first, references, model, tracker, clock)
