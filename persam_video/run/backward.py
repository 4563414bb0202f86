"""Tracking backwards, from an annotation in the middle to the first frame.

The backward pass runs first and stores its results in a folder, one file per frame; the forward
pass then merges them in order, so that everything downstream still sees frames in sequence.
"""

import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from persam_video.errors import SourceError
from persam_video.masks.annotation import Annotation
from persam_video.results import FrameResult
from persam_video.run.annotations import AnnotatedFrames
from persam_video.run.estimate import Estimator
from persam_video.run.progress import OnProgress, Progress
from persam_video.sam.model import SamModel
from persam_video.sinks import TracksJsonlSink, read_tracks
from persam_video.tracking.ahead import encoding_ahead
from persam_video.tracking.protocol import VideoTracker
from persam_video.util.atomic import write_bytes, writing
from persam_video.video import Frame, FrameStream
from persam_video.video.selection import Selection
from persam_video.video.source import SourceInfo

CHUNK_BYTES = 256 * 2**20
"""Decoded frames that are held at once to be turned round."""

OpenPart = Callable[[Selection], FrameStream]
"""Opens a part of the source."""


def check_backward(info: SourceInfo) -> None:
    """Check that a source can be tracked backwards.

    Raises:
        SourceError: the source can be read only once.
    """
    if info.live:
        raise SourceError(
            f"{info.name}: is live and cannot be read twice: drop --backward, or record it first"
        )


@dataclass(frozen=True)
class BackwardResults:
    """Results of a backward pass, one file per frame.

    Attributes:
        folder: folder of the files.
    """

    folder: Path

    @property
    def complete(self) -> bool:
        """Whether the pass is complete."""
        return self._mark.exists()

    def make(
        self,
        tracker: VideoTracker,
        model: SamModel,
        annotations: AnnotatedFrames,
        selection: Selection,
        open_part: OpenPart,
        chunk_bytes: int = CHUNK_BYTES,
        on_progress: OnProgress | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        """Track every object from its first annotated frame back to the first frame.

        An earlier pass that was interrupted starts over.

        Args:
            tracker: a new one.
            model: the tracker's.
            annotations: the annotated frames.
            selection: the frames that are tracked.
            open_part: opens the source; called once per chunk.
            chunk_bytes: limit on the decoded frames held at once.
            on_progress: called after every frame.
            estimator: estimates the remaining time after the first encoded frame.

        Raises:
            PersamVideoError: a frame cannot be read, or a result cannot be written.
        """
        with writing(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        first = annotations.first_frames
        last = max(first.values())
        total = len(selection.within(last + 1))
        backwards = reversed_frames(open_part, selection, last, chunk_bytes)
        with encoding_ahead(tracker, backwards, begin=last) as frames:
            for done, frame in enumerate(frames, start=1):
                begin = [i for i, index in first.items() if index == frame.index]
                annotation = annotations.get(frame.index) if begin else None
                given = None if annotation is None else _only(annotation, begin)
                result = tracker.step(frame, given)
                ids = [i for i, at in first.items() if at > frame.index]
                self._write(frame, _parts(result, ids))
                if on_progress is not None:
                    estimate = estimator.after(frame, total - done) if estimator else None
                    progress = Progress.after(
                        result, done, total, backwards=True, estimate=estimate
                    )
                    on_progress(progress)
        write_bytes(self._mark, b"")

    def merge_backward(self, result: FrameResult) -> FrameResult:
        """Add the frame's backward results; where both claim a pixel, the forward one wins.

        Raises:
            SourceError: the backward pass saw another frame under this index, which happens when
                damaged packets before it yield no frame.
        """
        path = self._path(result.index)
        record = next(read_tracks(path), None) if path.exists() else None
        if record is None:
            return result
        if record.time != result.time:
            raise SourceError(
                f"frame {result.index} is at {result.time:.3f} s, and was at {record.time:.3f} s "
                "on the way back: the video is damaged; re-encode it, or leave out --backward"
            )
        earlier = record.result((result.labels.shape[0], result.labels.shape[1]))
        labels = np.where(result.labels > 0, result.labels, earlier.labels)
        scores = {o.object_id: o.score for o in (*earlier.objects, *result.objects)}
        states = {o.object_id: o.state for o in result.objects}
        merged = FrameResult.from_labels(
            result.index,
            result.time,
            labels,
            sorted(scores),
            scores=scores,
            states=states,
            cut=result.cut,
        )
        return replace(merged, soft=result.soft)

    @property
    def _mark(self) -> Path:
        return self.folder / "complete"

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:05d}.jsonl"

    def _write(self, frame: Frame, result: FrameResult) -> None:
        with TracksJsonlSink(self._path(frame.index)) as sink:
            sink.write(frame, result)


def reversed_frames(
    open_part: OpenPart, selection: Selection, last: int, chunk_bytes: int
) -> Generator[Frame, None, None]:
    """Yield the selected frames in reverse order, from ``last`` to the first.

    Videos decode forwards only, so they are decoded in chunks, the last chunk first. A chunk is
    decoded from the keyframe before it if that is known to be exact, otherwise from the start of
    the source. Frames are released as they are yielded.

    Args:
        open_part: opens a part of the source.
        selection: the selected frames, including ``last``.
        last: index of the frame to yield first.
        chunk_bytes: limit on the decoded frames held at once; one frame is always allowed.
    """
    indices = selection.within(last + 1)
    end, count = len(indices), 1  # a part of one frame tells how large a frame is
    while end > 0:
        begin = max(end - count, 0)
        part = replace(selection, start=indices[begin], stop=indices[end - 1] + 1)
        with open_part(part) as stream:
            count = max(1, chunk_bytes // (3 * stream.info.width * stream.info.height))
            held = list(stream)
        while held:
            yield held.pop()
        end = begin


def _only(annotation: Annotation, ids: list[int]) -> Annotation:
    return Annotation.from_labels(
        np.where(np.isin(annotation.labels, ids), annotation.labels, np.uint8(0))
    )


def _parts(result: FrameResult, ids: list[int]) -> FrameResult:
    """Return a result with only some of the objects."""
    labels = np.where(np.isin(result.labels, ids), result.labels, np.uint8(0))
    objects = tuple(shown for shown in result.objects if shown.object_id in ids)
    return replace(result, labels=labels, objects=objects)
