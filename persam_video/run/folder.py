"""Tracking a source into a folder of outputs."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persam_video.errors import ConfigError
from persam_video.prompting import prompt_warnings
from persam_video.results import FrameResult
from persam_video.run.annotations import Masks, write_prompt_picture
from persam_video.run.backward import BackwardResults
from persam_video.run.estimate import Estimator
from persam_video.run.frames import expected_frames
from persam_video.run.options import FolderKeywords, FolderOptions, run_inputs, with_keywords
from persam_video.run.outputs import OutputPaths
from persam_video.run.progress import OnProgress, Progress
from persam_video.run.record import begin_record
from persam_video.run.resume import (
    ResumePoint,
    Snapshots,
    check_same,
    find_resume_point,
    read_record,
)
from persam_video.run.session import Session, open_session
from persam_video.sam.model import SamModel
from persam_video.sinks import (
    MaskPngSink,
    RunRecord,
    RunStatus,
    ThreadedSink,
    TracksJsonlSink,
    recording,
)
from persam_video.sinks.base import Sink
from persam_video.sinks.outputs import (
    STORES,
    Output,
    SinkOptions,
    check_options,
    open_preview,
    open_sink,
    place_of,
)
from persam_video.util.atomic import discard, unfinished
from persam_video.util.live_page import LivePage
from persam_video.util.lock import exclusive_folder
from persam_video.util.machine import peak_resident_bytes, settle_memory
from persam_video.video import Frame, FrameStream

if TYPE_CHECKING:
    from typing_extensions import Unpack
_log = logging.getLogger(__name__)


def track_to_folder(
    source: str | Path | int,
    mask: Masks | None,
    out: str | Path,
    options: FolderOptions | None = None,
    *,
    model: SamModel | None = None,
    on_progress: OnProgress | None = None,
    preview: LivePage | None = None,
    **keywords: "Unpack[FolderKeywords]",
) -> RunRecord:
    """Track objects and write masks, overlay video, tracks and the run's record into a folder.

    A keyboard interrupt ends the run early and keeps what is done; the record says so. During the
    run, torch's threads may be divided among encoders (``persam_video.tracking.ahead``), and from
    then on threads share heaps, which keep what is freed (``persam_video.util.machine``); both
    affect the whole process.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        mask: annotation of the first frame, or annotations by frame, as in ``TrackOptions``;
            ``None`` if ``prompts`` or ``photos`` name the objects.
        out: the folder; ``OutputPaths`` lists what it will hold.
        options: what to track, how, and what to write.
        model: a loaded model, to share between videos; by default the settings' model is loaded.
        on_progress: called after every frame, including those of the backward pass.
        preview: a page that shows the frames of the forward pass as ``options.writing`` says.
        **keywords: fields of ``FolderOptions``; they override those of ``options``.

    Returns:
        The record, as in ``run.json``.

    Raises:
        PersamVideoError: the source, an annotation, the model, a setting or the folder cannot be
            used, or the folder holds a different run. If that shows before the first frame,
            nothing is written.
    """
    settle_memory()
    options = with_keywords(options or FolderOptions(), mask, {**keywords})
    if options.overwrite and options.resume:
        raise ConfigError("--overwrite starts over and --resume continues: pass only one of them")
    paths = OutputPaths(Path(out))
    paths.check(run_inputs(source, options))
    writing = replace(options.writing, stride=options.frames.stride)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(source, options, model))
        record = begin_record(session)
        check_options(options.outputs, paths.folder, writing)
        stack.enter_context(exclusive_folder(paths.folder))
        old = read_record(paths) if options.resume else None
        if old is None:
            paths.prepare(overwrite=options.overwrite)
        else:
            if not record.names:  # a mask names no objects; the run may know them from elsewhere
                session = replace(session, annotations=session.annotations.named(old.names))
                record.names = old.names
            check_same(old, record, session.stream.info, paths.folder)
            if old.status is RunStatus.FINISHED:
                return old
        point = _go_on(old, session, paths, record)
        record.warnings += session.annotations.warnings
        record.warnings += prompt_warnings(session.model, options.prompts)
        estimator = Estimator(session.model, session.clock)
        run = _Run(
            session,
            paths,
            record,
            point,
            options.outputs,
            writing,
            on_progress,
            estimator,
            preview,
        )
        with _recorded(paths, record, session.stream):
            if old is None and options.prompts:
                annotation = session.annotations.by_frame[session.first.index]
                write_prompt_picture(
                    paths.prompt_picture, session.first, annotation, options.prompts
                )
            backward_results = session.go_back(paths.backward, on_progress)
            with session.clock.stage("finish"):  # all that its inner stages leave: ending the files
                last = run.into_sinks(backward_results, options.snapshot_seconds)
            if unused := [index for index in session.annotations if index > last]:
                record.warnings.append(
                    f"the source ended before frame {unused[0]}, so its mask was not used"
                )
        # only now: a run that is interrupted at its very end goes on from its state
        if record.status is RunStatus.FINISHED:
            paths.forget_progress()
    return record


def _go_on(
    old: RunRecord | None, session: Session, paths: OutputPaths, record: RunRecord
) -> ResumePoint:
    """Restore tracker and record to where an earlier run stopped, and return that point."""
    if old is None:
        size = (session.stream.info.height, session.stream.info.width)
        return ResumePoint(0, None, paths.tracks, size)
    point, record.warnings = find_resume_point(paths, session)
    record.started = old.started
    record.resumed_at = [*old.resumed_at, point.frames]
    if point.state is not None:
        session.tracker.restore(point.state)
    return point


@contextmanager
def _recorded(paths: OutputPaths, record: RunRecord, stream: FrameStream) -> Iterator[None]:
    """Write the record before and after the run, with the stream's warnings."""
    with recording(paths.record, record):
        try:
            yield
        finally:
            spent = ", ".join(f"{stage} {took:.2f} s" for stage, took in record.timings.items())
            _log.info("%s: %d frames, %s", stream.info.name, record.frames_done, spent or "0 s")
            record.peak_memory = peak_resident_bytes()
            record.frames_dropped = stream.dropped
            record.warnings = stream.warnings + record.warnings
            if stream.dropped:
                record.warnings.append(
                    f"{stream.info.name}: {stream.dropped} frames arrived while the tracker was "
                    "busy and were dropped"
                )


@dataclass(frozen=True)
class _Run:
    """A run, from frames to sinks.

    Attributes:
        session: its parts, with the tracker in its state after the finished frames.
        paths: paths of the results.
        record: the run's record, kept up to date.
        point: what an earlier run has finished.
        outputs: outputs besides masks and tracks.
        writing: how to write them.
        on_progress: called after every frame.
        estimator: estimates the remaining time after the first encoded frame.
        preview: a page that shows the frames.
    """

    session: Session
    paths: OutputPaths
    record: RunRecord
    point: ResumePoint
    outputs: Sequence[Output]
    writing: SinkOptions
    on_progress: OnProgress | None
    estimator: Estimator
    preview: LivePage | None

    def into_sinks(self, backward: BackwardResults | None, snapshot_seconds: float) -> int:
        """Track and write all frames, and return the index of the last one."""
        images, last = self.session.images(), -1
        with ExitStack() as stack:
            # an interrupt may come when a sink has its file and is not the stack's to close yet
            for output in self.outputs:
                stack.callback(discard, unfinished(place_of(output, self.paths.folder)))
            # these continue where an earlier run stopped, all others are made again
            stores = [
                stack.enter_context(closing(ThreadedSink(sink)))
                for sink in (
                    MaskPngSink(self.paths.masks),
                    TracksJsonlSink(self.paths.tracks, keep=self.point.frames),
                )
            ]
            others: list[Sink] = [
                self._open(output, stack) for output in self.outputs if output not in STORES
            ]
            if self.preview is not None:
                sink = open_preview(self.preview, self.session.stream.info, self.writing)
                others.append(self._entered(sink, stack))
            snapshots = Snapshots(self.paths.state, self.session.tracker, stores, snapshot_seconds)
            stack.callback(snapshots.finish)  # comes before the stores are closed
            for result in self.point.results():
                frame = self._next(images)
                if frame is None:
                    return last
                self.point.check(frame, result)
                last = self._done(frame, result, others)
            coming = stack.enter_context(self.session.ahead(images))
            while (frame := self._next(coming)) is not None:
                result = self._track(frame, backward)
                last = self._done(frame, result, (*stores, *others), snapshots)
        return last

    def _done(
        self,
        frame: Frame,
        result: FrameResult,
        sinks: Iterable[Sink],
        snapshots: Snapshots | None = None,
    ) -> int:
        """Write a result, and return the index of its frame."""
        with self.session.clock.stage("write"):
            for sink in sinks:
                sink.write(frame, result)
            if snapshots is not None:
                snapshots.after(self.record.frames_done + 1, frame.index)
        self.record.frames_done += 1
        if self.on_progress is not None:
            total = expected_frames(self.session.stream, self.session.options.frames)
            done = self.record.frames_done
            estimate = self.estimator.after(frame, None if total is None else total - done)
            self.on_progress(Progress.after(result, done, total, estimate=estimate))
        return frame.index

    def _open(self, output: Output, stack: ExitStack) -> Sink:
        place = place_of(output, self.paths.folder)
        sink = open_sink(output, place, self.session.stream.info, self.writing)
        return self._entered(ThreadedSink(sink), stack)

    def _entered(self, sink: Sink, stack: ExitStack) -> Sink:
        # the callback comes after the sink is closed, when its warnings are complete
        stack.callback(lambda: self.record.warnings.extend(sink.warnings))
        # what is done is kept whole in all outputs, as a run that was cut off is resumed
        return stack.enter_context(closing(sink))

    def _next(self, images: Iterator[Frame]) -> Frame | None:
        with self.session.clock.stage("decode"):
            return next(images, None)

    def _track(self, frame: Frame, backward: BackwardResults | None) -> FrameResult:
        with self.session.clock.stage("track"):
            return self.session.track(frame, backward)
