"""Resuming an interrupted run.

A run stores the tracker's state in its folder at intervals, and when it is interrupted or fails,
but never before the masks and tracks up to that frame are written. Frames after the stored state
are tracked again.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from persam_video.errors import (
    AnnotationError,
    DatasetError,
    OutputError,
    PersamVideoError,
    SourceError,
)
from persam_video.masks.png import read_label_png
from persam_video.results import FrameResult
from persam_video.run.options import SNAPSHOT_SECONDS
from persam_video.run.outputs import OutputPaths
from persam_video.run.record import first_difference
from persam_video.run.session import Session
from persam_video.sinks import RunRecord, ThreadedSink, read_run, read_tracks
from persam_video.tracking.objects import TrackerState
from persam_video.tracking.protocol import VideoTracker
from persam_video.tracking.snapshot import Snapshot, read_snapshot, write_snapshot
from persam_video.util.run_record import check_program
from persam_video.video import Frame
from persam_video.video.frame import frame_stem
from persam_video.video.source import SourceInfo


@dataclass(frozen=True)
class ResumePoint:
    """The point from which an interrupted run resumes.

    Attributes:
        frames: number of finished frames.
        state: the tracker's state after them; ``None`` to start over from the first frame.
        tracks: the file with a line for each finished frame.
        size: height and width of the frames.
    """

    frames: int
    state: TrackerState | None
    tracks: Path
    size: tuple[int, int]

    def results(self) -> Iterator[FrameResult]:
        """Yield the results of the finished frames, in order."""
        for record in islice(read_tracks(self.tracks), self.frames):
            yield record.result(self.size)

    def check(self, frame: Frame, result: FrameResult) -> None:
        """Check that the source still gives the same frame.

        Raises:
            SourceError: the frame is not the one that the result belongs to.
        """
        if frame.index != result.index:
            raise SourceError(
                f"frame {frame.index} comes where frame {result.index} came before: "
                "the source has changed; start over with --overwrite"
            )


def read_record(paths: OutputPaths) -> RunRecord | None:
    """Read the record of the run in a folder, or return ``None`` if there is none.

    Raises:
        OutputError: there are files where results go, but no record of the run they came from.
    """
    paths.check_owned()
    return read_run(paths.record) if paths.record.exists() else None


def check_same(old: RunRecord, new: RunRecord, info: SourceInfo, folder: Path) -> None:
    """Check that an earlier run is the same run.

    Raises:
        OutputError: settings, model, source, annotations or versions differ, or the run was made
            by another version of this program.
        SourceError: the source is live.
    """
    if info.live:
        raise SourceError(f"{info.name}: is live, so its frames do not come again: drop --resume")
    check_program(old, new, folder)
    if difference := first_difference(old, new):
        raise OutputError(
            f"{folder} holds a run that was started differently ({difference}): "
            "resume it as it was started, or start over with --overwrite"
        )


def find_resume_point(paths: OutputPaths, session: Session) -> tuple[ResumePoint, list[str]]:
    """Find the frame up to which everything that a run wrote is whole.

    Args:
        paths: paths of the run's results.
        session: the run to continue; its first frame is encoded to learn the shapes and types
            of embeddings.

    Returns:
        The point to resume from, and warnings.

    Raises:
        ModelError: memory does not suffice.
    """
    size = (session.stream.info.height, session.stream.info.width)
    nothing = ResumePoint(0, None, paths.tracks, size)
    if session.tracker.state() is None:
        return nothing, ["this kind of tracking stores no state: all frames are tracked again"]
    if not paths.state.exists():
        return nothing, []
    embedding = session.model.encode(session.first.rgb)
    fitted = session.options.settings.method == "persam-f"
    try:
        snapshot = read_snapshot(
            paths.state, embedding, fitted=fitted, values=session.model.value_layout
        )
        _check_objects(snapshot, session)
        point = ResumePoint(snapshot.frames, snapshot.state, paths.tracks, size)
        last = _check_results(point, paths)
        if last != snapshot.last:
            raise ValueError("results are missing")
    except (OutputError, DatasetError, AnnotationError, ValueError, LookupError) as error:
        return nothing, [
            f"the earlier results cannot be used ({error}): all frames are tracked again"
        ]
    return point, []


def _check_objects(snapshot: Snapshot, session: Session) -> None:
    """Check that the objects are those annotated so far, or shown in photos."""
    first_frames = session.annotations.first_frames
    annotated = {i for i, first in first_frames.items() if first <= snapshot.last}
    may_be_known = annotated | set(session.tracker.object_ids)  # a new one knows those of photos
    known = {tracked.object_id for tracked in snapshot.state.objects}
    if not annotated <= known <= may_be_known:
        raise ValueError(
            f"the state is of objects {sorted(known)}, annotated are {sorted(annotated)}"
        )


def _check_results(point: ResumePoint, paths: OutputPaths) -> int:
    """Check that each frame has a mask and a line that agree; return the last index."""
    done, last = 0, -1
    for record in islice(read_tracks(point.tracks), point.frames):
        result = record.result(point.size)
        name = f"{frame_stem(record.frame, record.name)}.png"
        if not np.array_equal(read_label_png(paths.masks / name), result.labels):
            raise ValueError(f"{name} is not the mask in {paths.tracks.name}")
        done, last = done + 1, result.index
    if done != point.frames:
        raise ValueError(f"{paths.tracks.name} has {done} lines of {point.frames}")
    return last


class Snapshots:
    """Stores the tracker's state in a file, at intervals and when a run ends.

    However the run ends, the stored state is the one after the last finished frame.

    Args:
        path: the file.
        tracker: the tracker; nothing is stored for one without a state.
        stores: sinks whose results must be on disk before the state; closed by the caller.
        every: seconds between snapshots; 0 for every frame.
    """

    def __init__(
        self,
        path: Path,
        tracker: VideoTracker,
        stores: Sequence[ThreadedSink],
        every: float = SNAPSHOT_SECONDS,
    ) -> None:
        self._path = path
        self._tracker = tracker
        self._stores = stores
        self._every = every
        self._last = time.monotonic()
        self._unwritten: Snapshot | None = None

    def after(self, frames: int, index: int) -> None:
        """Note the number of finished frames and the index of the last one.

        Raises:
            OutputError: the file cannot be written, or a result could not be.
        """
        state = self._tracker.state()
        if state is None:
            return
        self._unwritten = Snapshot(frames, index, state)
        if time.monotonic() - self._last >= self._every:
            self._write(self._unwritten)

    def finish(self) -> None:
        """Write the state after the last finished frame, unless the file holds it already.

        No failure is raised: a store reports its own when it is closed, and the error that ended
        the run takes precedence.

        Raises:
            KeyboardInterrupt: it came amid the writing, which is done nevertheless.
        """
        try:
            self._write_rest()
        except KeyboardInterrupt:
            self._write_rest()
            raise

    def _write_rest(self) -> None:
        with suppress(PersamVideoError):
            if self._unwritten is not None:
                self._write(self._unwritten)

    def _write(self, snapshot: Snapshot) -> None:
        for store in self._stores:
            store.wait()
        write_snapshot(self._path, snapshot)
        self._last = time.monotonic()
        self._unwritten = None
