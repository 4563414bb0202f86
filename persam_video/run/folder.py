"""From a source and its annotations to a folder of outputs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from persam_video.config import Settings, load_settings
from persam_video.errors import ConfigError
from persam_video.exclusive import exclusive_folder
from persam_video.images.reference_files import ReferenceFiles
from persam_video.prompting import ObjectPrompts
from persam_video.run.backward import BackwardResults, check_backward
from persam_video.run.frames import ALL_FRAMES, FrameRange, expected_frames, open_stream
from persam_video.run.outputs import OutputPaths
from persam_video.run.photos import seek
from persam_video.run.prompted import add_prompted, write_reference_picture
from persam_video.run.record import begin_record
from persam_video.run.references import Masks, References, check_procedure, load_references
from persam_video.run.resume import (
    SNAPSHOT_SECONDS,
    Earlier,
    Snapshots,
    check_same,
    find_earlier,
    read_earlier,
)
from persam_video.sam.load import load_model
from persam_video.sam.model import SamModel
from persam_video.sinks import (
    MaskPngSink,
    RunRecord,
    RunStatus,
    ThreadedSink,
    TracksJsonlSink,
    recording,
)
from persam_video.sinks.outputs import (
    DEFAULT_OUTPUTS,
    STORES,
    Output,
    SinkOptions,
    check_options,
    open_sink,
    place_of,
)
from persam_video.tracking.factory import VideoTracker, make_tracker
from persam_video.tracking.result import FrameResult, ObjectState
from persam_video.tracking.tracker import Tracker
from persam_video.video import Frame, FrameStream
from persam_video.video.stream import DecoderName


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        done: frames tracked so far.
        total: frames that the source claims, or ``None``.
        tracked: objects that are followed in the last frame.
        lost: objects that are lost in the last frame.
    """

    done: int
    total: int | None
    tracked: int
    lost: int


OnProgress = Callable[[Progress], None]


def track_to_folder(
    source: str | Path | int,
    mask: Masks,
    out: str | Path,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    decoder: DecoderName = "pyav",
    frames: FrameRange = ALL_FRAMES,
    backward: bool = False,
    live: bool | None = None,
    overwrite: bool = False,
    resume: bool = False,
    prompts: Sequence[ObjectPrompts] = (),
    photos: Sequence[ReferenceFiles] = (),
    snapshot_seconds: float = SNAPSHOT_SECONDS,
    outputs: Sequence[Output] = DEFAULT_OUTPUTS,
    options: SinkOptions | None = None,
    on_progress: OnProgress | None = None,
) -> RunRecord:
    """Track and write masks, overlay video, JSON lines and the record of the run into a folder.

    A keyboard interrupt ends the run early and keeps what is done; the record says so.

    Args:
        source: see :func:`track`.
        mask: see :func:`track`.
        out: the folder; see :class:`OutputPaths` for what it will hold.
        settings: see :func:`track`.
        model: see :func:`track`.
        decoder: see :func:`track`.
        frames: see :func:`track`.
        backward: see :func:`track`.
        live: see :func:`track`.
        overwrite: replace an earlier run in the folder.
        resume: go on with an earlier run in the folder that was cut off, however it was; masks and
            lines come out as if it had not been. A finished run is left as it is, and without an
            earlier run this begins one.
        prompts: see :func:`track`.
        photos: see :func:`track`.
        snapshot_seconds: how often the state to resume from is written; 0 after every frame.
        outputs: what to write; masks and lines are written in any case, as a run resumes from them.
        options: how to write it; the stride is that of ``frames`` in any case.
        on_progress: called after every frame.

    Returns:
        The record, as it stands in ``run.json``.

    Raises:
        PersamVideoError: the source, an annotation, the model, a setting or the folder cannot be
            used, or the earlier run is another one. Nothing is written when that shows before the
            first frame.
    """
    if overwrite and resume:
        raise ConfigError("--overwrite starts anew and --resume goes on: give one of them")
    settings = settings or load_settings()
    paths = OutputPaths(Path(out))
    with ExitStack() as stack:
        stream = stack.enter_context(open_stream(source, decoder, frames, live))
        references = load_references(mask, stream.info, frames, prompts, photos)
        check_procedure(settings, references, prompts, photos, frames.start)
        if backward:
            check_backward(settings, stream.info)
        model = model or load_model(settings)
        tracker = seek(make_tracker(model, settings), model, photos)
        # a range beyond the end of the source shows here, while nothing is written yet
        first = next(stream)
        if prompts:
            references = add_prompted(references, model, first, prompts)
        record = begin_record(
            stream, first, decoder, frames, references, model, settings, photos, backward=backward
        )
        size = (stream.info.height, stream.info.width)
        paths.check()
        options = options or SinkOptions()
        check_options(outputs, paths.folder, options)
        stack.enter_context(exclusive_folder(paths.folder))
        old = read_earlier(paths) if resume else None
        if old is None:
            paths.prepare(overwrite=overwrite)
            if prompts:
                write_reference_picture(paths.reference, first, references.by_frame[first.index])
        else:
            check_same(old, record, stream.info, paths.folder)
            if old.status is RunStatus.FINISHED:
                return old
        earlier = Earlier(0, None, paths.tracks, size)
        if old is not None:
            earlier, record.warnings = find_earlier(
                paths, size, model.device, keeps_state=isinstance(tracker, Tracker)
            )
            record.started = old.started
            record.resumed_at = [*old.resumed_at, earlier.frames]
        if earlier.state is not None and isinstance(tracker, Tracker):
            tracker.restore(earlier.state)
        run = _Run(stream, frames, tracker, references, paths, record, earlier, on_progress)
        run.outputs, run.options = outputs, replace(options, stride=frames.stride)
        with _recorded(paths, record, stream):
            if backward:
                run.backward = BackwardResults(paths.backward)
                if not run.backward.complete:
                    run.backward.make(
                        make_tracker(model, settings),
                        references,
                        frames.selection,
                        lambda part: open_stream(source, decoder, FrameRange.of(part)),
                    )
            run.into_sinks(chain((first,), stream), snapshot_seconds)
            if unused := [index for index in references if index > run.last]:
                record.warnings.append(
                    f"the source ended before frame {unused[0]}, so its mask was not used"
                )
            paths.forget_progress()
    return record


@contextmanager
def _recorded(paths: OutputPaths, record: RunRecord, stream: FrameStream) -> Iterator[None]:
    """Write the record before and after the run, with what the stream has to tell."""
    with recording(paths.record, record):
        try:
            yield
        finally:
            record.frames_dropped = stream.dropped
            record.warnings = stream.warnings + record.warnings
            if stream.dropped:
                record.warnings.append(
                    f"{stream.info.name}: {stream.dropped} frames came while tracking was busy "
                    "and were dropped"
                )


@dataclass
class _Run:
    """One run: where frames come from, what gives their results, and where those go.

    Attributes:
        stream: the source.
        frames: which frames.
        tracker: at the state after the earlier frames.
        references: the annotated frames.
        paths: of the results.
        record: kept up to date.
        earlier: what is done already.
        on_progress: called after every frame.
        backward: results of the backward pass.
        last: index of the last frame so far.
        outputs: what to write beside masks and lines.
        options: how to write it.
    """

    stream: FrameStream
    frames: FrameRange
    tracker: VideoTracker
    references: References
    paths: OutputPaths
    record: RunRecord
    earlier: Earlier
    on_progress: OnProgress | None
    backward: BackwardResults | None = None
    last: int = -1
    outputs: Sequence[Output] = DEFAULT_OUTPUTS
    options: SinkOptions = field(default_factory=SinkOptions)

    def into_sinks(self, images: Iterator[Frame], snapshot_seconds: float) -> None:
        """Take every frame to its end."""
        images, done = self.frames.limit(images), self.earlier.results()
        with ExitStack() as stack:
            # these go on where an earlier run stopped, all others are made anew
            stores = [
                stack.enter_context(ThreadedSink(sink))
                for sink in (
                    MaskPngSink(self.paths.masks),
                    TracksJsonlSink(self.paths.tracks, keep=self.earlier.frames),
                )
            ]
            others = []
            for output in (each for each in self.outputs if each not in STORES):
                place = place_of(output, self.paths.folder)
                sink = ThreadedSink(open_sink(output, place, self.stream.info, self.options))
                stack.callback(self._take_warnings, sink)
                others.append(stack.enter_context(sink))
            snapshots = Snapshots(self.paths.state, self.tracker, stores, snapshot_seconds)
            while (frame := self._next(images)) is not None:
                result = next(done, None)
                is_done = result is not None
                if result is None:
                    result = self._track(frame)
                else:
                    self.earlier.check(frame, result)
                with _timed(self.record.timings, "write"):
                    for sink in others if is_done else (*stores, *others):
                        sink.write(frame, result)
                self.last = frame.index
                self.record.frames_done += 1
                if not is_done:
                    with _timed(self.record.timings, "write"):
                        snapshots.after(self.record.frames_done, frame.index)
                self._report(result)

    def _take_warnings(self, sink: ThreadedSink) -> None:
        self.record.warnings.extend(sink.warnings)

    def _next(self, images: Iterator[Frame]) -> Frame | None:
        with _timed(self.record.timings, "decode"):
            return next(images, None)

    def _track(self, frame: Frame) -> FrameResult:
        with _timed(self.record.timings, "track"):
            result = self.tracker.step(frame, self.references.get(frame.index))
            return result if self.backward is None else self.backward.lay_under(result)

    def _report(self, result: FrameResult) -> None:
        if self.on_progress is not None:
            lost = sum(o.state is ObjectState.LOST for o in result.objects)
            total = expected_frames(self.stream, self.frames)
            self.on_progress(
                Progress(self.record.frames_done, total, len(result.objects) - lost, lost)
            )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the loop spends in a stage, or waits for it."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begun
