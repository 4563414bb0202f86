"""From a source and its annotations to a folder of outputs."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from persam_video.config import Settings, load_settings
from persam_video.errors import ConfigError
from persam_video.images.reference_files import ReferenceFiles
from persam_video.prompting import ObjectPrompts
from persam_video.results import FrameResult
from persam_video.run.backward import BackwardResults
from persam_video.run.frames import ALL_FRAMES, FrameRange, expected_frames
from persam_video.run.opened import Inputs, OpenedRun, open_run
from persam_video.run.outputs import OutputPaths
from persam_video.run.progress import OnProgress, Progress
from persam_video.run.record import begin_record
from persam_video.run.references import Masks, write_reference_picture
from persam_video.run.resume import (
    SNAPSHOT_SECONDS,
    Earlier,
    Snapshots,
    check_same,
    find_earlier,
    read_earlier,
)
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
from persam_video.tracking.tracker import Tracker
from persam_video.util.atomic import discard, unfinished
from persam_video.util.lock import exclusive_folder
from persam_video.util.machine import peak_resident_bytes
from persam_video.video import Frame, FrameStream
from persam_video.video.stream import DecoderName

_log = logging.getLogger(__name__)


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

    A keyboard interrupt ends the run early and keeps what is done; the record says so. While it
    runs, torch's threads may be divided (``persam_video.tracking.ahead``), for the whole
    process.

    Args:
        source: see ``track``.
        mask: see ``track``.
        out: the folder; see ``OutputPaths`` for what it will hold.
        settings: see ``track``.
        model: see ``track``.
        decoder: see ``track``.
        frames: see ``track``.
        backward: see ``track``.
        live: see ``track``.
        overwrite: replace an earlier run in the folder.
        resume: go on with an earlier run in the folder that was cut off, however it was; masks and
            lines come out as if it had not been. A finished run is left as it is, and without an
            earlier run this begins one.
        prompts: see ``track``.
        photos: see ``track``.
        snapshot_seconds: how often the state to resume from is written; 0 after every frame. An
            interrupted run leaves it in any case.
        outputs: what to write; masks and lines are written in any case, as a run resumes from them.
        options: how to write it; the stride is that of ``frames`` in any case.
        on_progress: called after every frame, those of the pass backwards included.

    Returns:
        The record, as it stands in ``run.json``.

    Raises:
        PersamVideoError: the source, an annotation, the model, a setting or the folder cannot be
            used, or the earlier run is another one. Nothing is written when that shows before the
            first frame.
    """
    if overwrite and resume:
        raise ConfigError("--overwrite starts anew and --resume goes on: give one of them")
    inputs = Inputs(
        source,
        mask,
        settings or load_settings(),
        decoder=decoder,
        frames=frames,
        backward=backward,
        live=live,
        prompts=prompts,
        photos=photos,
    )
    paths = OutputPaths(Path(out))
    options = replace(options or SinkOptions(), stride=frames.stride)
    with ExitStack() as stack:
        opened = stack.enter_context(open_run(inputs, model))
        record = begin_record(opened)
        paths.check()
        check_options(outputs, paths.folder, options)
        stack.enter_context(exclusive_folder(paths.folder))
        old = read_earlier(paths) if resume else None
        if old is None:
            paths.prepare(overwrite=overwrite)
            if prompts:
                annotation = opened.references.by_frame[opened.first.index]
                write_reference_picture(paths.reference, opened.first, annotation)
        else:
            check_same(old, record, opened.stream.info, paths.folder)
            if old.status is RunStatus.FINISHED:
                return old
        earlier = _go_on(old, opened, paths, record)
        run = _Run(opened, paths, record, earlier, outputs, options, on_progress)
        with _recorded(paths, record, opened.stream):
            backward_results = opened.go_back(paths.backward, on_progress)
            last = run.into_sinks(backward_results, snapshot_seconds)
            if unused := [index for index in opened.references if index > last]:
                record.warnings.append(
                    f"the source ended before frame {unused[0]}, so its mask was not used"
                )
            paths.forget_progress()
    return record


def _go_on(
    old: RunRecord | None, opened: OpenedRun, paths: OutputPaths, record: RunRecord
) -> Earlier:
    """Bring tracker and record to where an earlier run was, and return what it has done."""
    if old is None:
        size = (opened.stream.info.height, opened.stream.info.width)
        return Earlier(0, None, paths.tracks, size)
    earlier, record.warnings = find_earlier(paths, opened)
    record.started = old.started
    record.resumed_at = [*old.resumed_at, earlier.frames]
    if earlier.state is not None and isinstance(opened.tracker, Tracker):
        opened.tracker.restore(earlier.state)
    return earlier


@contextmanager
def _recorded(paths: OutputPaths, record: RunRecord, stream: FrameStream) -> Iterator[None]:
    """Write the record before and after the run, with what the stream has to tell."""
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
                    f"{stream.info.name}: {stream.dropped} frames came while tracking was busy "
                    "and were dropped"
                )


@dataclass(frozen=True)
class _Run:
    """One run on its way from frames to sinks.

    Attributes:
        opened: its parts, the tracker at the state after the earlier frames.
        paths: of the results.
        record: kept up to date.
        earlier: what is done already.
        outputs: what to write beside masks and lines.
        options: how to write it.
        on_progress: called after every frame.
    """

    opened: OpenedRun
    paths: OutputPaths
    record: RunRecord
    earlier: Earlier
    outputs: Sequence[Output]
    options: SinkOptions
    on_progress: OnProgress | None

    def into_sinks(self, backward: BackwardResults | None, snapshot_seconds: float) -> int:
        """Take every frame to its end, and return the index of the last one."""
        images, last = self.opened.images(), -1
        with ExitStack() as stack:
            # an interrupt may come when a sink has its file and is not the stack's to close yet
            for output in self.outputs:
                stack.callback(discard, unfinished(place_of(output, self.paths.folder)))
            # these go on where an earlier run stopped, all others are made anew
            stores = [
                stack.enter_context(ThreadedSink(sink))
                for sink in (
                    MaskPngSink(self.paths.masks),
                    TracksJsonlSink(self.paths.tracks, keep=self.earlier.frames),
                )
            ]
            others = [self._open(output, stack) for output in self.outputs if output not in STORES]
            snapshots = Snapshots(self.paths.state, self.opened.tracker, stores, snapshot_seconds)
            stack.callback(snapshots.finish)  # comes before the stores are closed
            for result in self.earlier.results():
                frame = self._next(images)
                if frame is None:
                    return last
                self.earlier.check(frame, result)
                last = self._done(frame, result, others)
            coming = stack.enter_context(self.opened.ahead(images))
            while (frame := self._next(coming)) is not None:
                result = self._track(frame, backward)
                last = self._done(frame, result, (*stores, *others), snapshots)
        return last

    def _done(
        self,
        frame: Frame,
        result: FrameResult,
        sinks: Iterable[ThreadedSink],
        snapshots: Snapshots | None = None,
    ) -> int:
        """Write a result, and return the index of its frame."""
        with self.opened.clock.stage("write"):
            for sink in sinks:
                sink.write(frame, result)
            if snapshots is not None:
                snapshots.after(self.record.frames_done + 1, frame.index)
        self.record.frames_done += 1
        if self.on_progress is not None:
            total = expected_frames(self.opened.stream, self.opened.inputs.frames)
            self.on_progress(Progress.after(result, self.record.frames_done, total))
        return frame.index

    def _open(self, output: Output, stack: ExitStack) -> ThreadedSink:
        place = place_of(output, self.paths.folder)
        sink = ThreadedSink(open_sink(output, place, self.opened.stream.info, self.options))
        # the callback comes after the sink is closed, when its warnings are complete
        stack.callback(lambda: self.record.warnings.extend(sink.warnings))
        return stack.enter_context(sink)

    def _next(self, images: Iterator[Frame]) -> Frame | None:
        with self.opened.clock.stage("decode"):
            return next(images, None)

    def _track(self, frame: Frame, backward: BackwardResults | None) -> FrameResult:
        with self.opened.clock.stage("track"):
            result = self.opened.tracker.step(frame, self.opened.references.get(frame.index))
            return result if backward is None else backward.merge_backward(result)
