"""From a source and an annotation to results, as an iterator or as a folder of outputs."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from persam_video.atomic import output_error
from persam_video.config import Settings, load_settings
from persam_video.errors import OutputError
from persam_video.masks.annotation import Annotation, load_annotation
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel
from persam_video.sinks import (
    MaskPngSink,
    ModelRecord,
    RunRecord,
    RunStatus,
    Sink,
    ThreadedSink,
    TracksJsonlSink,
    write_run,
)
from persam_video.sinks.overlay_video import OverlayVideoSink
from persam_video.tracking.factory import VideoTracker, make_tracker
from persam_video.tracking.result import FrameResult, ObjectState
from persam_video.video import Frame, FrameStream
from persam_video.video.stream import DecoderName

Mask = str | Path | NDArray[Any] | Annotation


@dataclass(frozen=True)
class FrameRange:
    """Which frames of a source are tracked.

    Attributes:
        start: index of the first one, which the annotation belongs to.
        stop: index before which to end, or ``None`` for the end of the source.
        stride: take every ``stride``-th frame.
    """

    start: int = 0
    stop: int | None = None
    stride: int = 1


@dataclass(frozen=True)
class OutputPaths:
    """Where a run leaves its results.

    Attributes:
        folder: the folder of the run.
    """

    folder: Path

    @property
    def masks(self) -> Path:
        """Folder of the indexed PNGs."""
        return self.folder / "masks"

    @property
    def overlay(self) -> Path:
        """The annotated video."""
        return self.folder / "overlay.mp4"

    @property
    def tracks(self) -> Path:
        """Boxes, areas, scores, states and run-length codes, a line for each frame."""
        return self.folder / "tracks.jsonl"

    @property
    def record(self) -> Path:
        """What the run was."""
        return self.folder / "run.json"

    def prepare(self, *, overwrite: bool) -> None:
        """Make the folder, and with ``overwrite`` remove what an earlier run left in it.

        Raises:
            OutputError: it cannot be a folder, or it holds a run already.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file: give a folder for the output")
        try:
            old = [path for path in (self.record, self.tracks, self.overlay) if path.exists()]
            old += sorted(self.masks.glob("[0-9]*.png"))
            if old and not overwrite:
                raise OutputError(
                    f"{self.folder} holds an earlier run: pass --overwrite, or another folder"
                )
            for path in old:
                path.unlink()
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error


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


def track(
    source: str | Path | int,
    mask: Mask,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    decoder: DecoderName = "pyav",
    frames: FrameRange = FrameRange(),
) -> Iterator[FrameResult]:
    """Track the objects of an annotation through a source, one frame at a time.

    Source, annotation and model are opened by the call itself, so what is wrong with them shows
    before the first result is asked for.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        mask: annotation of the first frame: a file, a label map (H, W), or an :class:`Annotation`.
        settings: the preset ``persam`` when not given.
        model: a loaded model, to share it between videos; loaded by the settings when not given.
        decoder: pyav or decord.
        frames: which frames.

    Raises:
        PersamVideoError: the source, the annotation, the model or a setting cannot be used.

    Example:
        >>> for result in track("clip.mp4", "first.png"):  # doctest: +SKIP
        ...     print(result.index, [(o.object_id, o.box) for o in result.objects])
    """
    settings = settings or load_settings()
    stream = _open(source, decoder, frames)
    try:
        annotation = _annotation(mask, stream)
        tracker = make_tracker(model or load_model(settings), settings)
    except BaseException:
        stream.close()
        raise
    return _results(stream, tracker, annotation)


def _results(
    stream: FrameStream, tracker: VideoTracker, annotation: Annotation
) -> Iterator[FrameResult]:
    first: Annotation | None = annotation
    with stream:
        for frame in stream:
            yield tracker.step(frame, first)
            first = None


def track_to_folder(
    source: str | Path | int,
    mask: Mask,
    out: str | Path,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    decoder: DecoderName = "pyav",
    frames: FrameRange = FrameRange(),
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
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
        overwrite: replace an earlier run in the folder.
        on_progress: called after every frame.

    Returns:
        The record, as it stands in ``run.json``.

    Raises:
        PersamVideoError: the source, the annotation, the model, a setting or the folder cannot be
            used. Nothing is written when that shows before the first frame.
    """
    settings = settings or load_settings()
    paths = OutputPaths(Path(out))
    with _open(source, decoder, frames) as stream:
        annotation = _annotation(mask, stream)
        model = model or load_model(settings)
        tracker = make_tracker(model, settings)
        # a range beyond the end of the source shows here, while nothing is written yet
        images = chain((next(stream),), stream)
        paths.prepare(overwrite=overwrite)
        record = RunRecord(
            ModelRecord(model.info.name, model.info.sha256),
            settings=settings.model_dump(mode="json"),
            source={
                **asdict(stream.info),
                "decoder": decoder,
                **asdict(frames),
                "device": model.info.device,
                "precision": model.info.precision,
                "image_size": model.info.image_size,
            },
        )
        write_run(paths.record, record)
        try:
            _track_into(stream, images, tracker, annotation, paths, record, on_progress)
            record.status = RunStatus.FINISHED
        except KeyboardInterrupt:
            record.status = RunStatus.INTERRUPTED
        except BaseException as error:
            record.status = RunStatus.FAILED
            record.error = str(error) or type(error).__name__
            raise
        finally:
            record.warnings = stream.warnings + record.warnings
            write_run(paths.record, record)
    return record


def _track_into(
    stream: FrameStream,
    images: Iterator[Frame],
    tracker: VideoTracker,
    annotation: Annotation,
    paths: OutputPaths,
    record: RunRecord,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    first: Annotation | None = annotation
    with ExitStack() as stack:
        overlay = OverlayVideoSink(paths.overlay, stream.info, stride=record.source["stride"])
        sinks: list[Sink] = [
            stack.enter_context(ThreadedSink(sink))
            for sink in (overlay, MaskPngSink(paths.masks), TracksJsonlSink(paths.tracks))
        ]
        stack.callback(lambda: record.warnings.extend(overlay.warnings))
        while True:
            with _timed(record.timings, "decode"):
                frame = next(images, None)
            if frame is None:
                break
            with _timed(record.timings, "track"):
                result = tracker.step(frame, first)
            first = None
            with _timed(record.timings, "write"):
                for sink in sinks:
                    sink.write(frame, result)
            record.frames_done += 1
            if on_progress is not None:
                lost = sum(o.state is ObjectState.LOST for o in result.objects)
                on_progress(
                    Progress(
                        record.frames_done, stream.expected_frames, len(result.objects) - lost, lost
                    )
                )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the loop spends in a stage, or waits for it."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begun


def load_model(settings: Settings) -> SamModel:
    """Load the model that settings ask for.

    Raises:
        ModelError: see :func:`persam_video.sam.build.load_sam`.
    """
    chosen = settings.model
    return load_sam(
        chosen.name,
        chosen.checkpoint,
        device=chosen.device,
        precision=chosen.precision,
        image_size=chosen.image_size,
    )


def _open(source: str | Path | int, decoder: DecoderName, frames: FrameRange) -> FrameStream:
    return FrameStream(
        source, decoder=decoder, start=frames.start, stop=frames.stop, stride=frames.stride
    )


def _annotation(mask: Mask, stream: FrameStream) -> Annotation:
    return load_annotation(mask, (stream.info.height, stream.info.width))
