"""Tracking within a session, as an iterator that can be stopped at any frame."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError, OutputError
from persam_video.masks.annotation import Annotation
from persam_video.masks.rle import Rle
from persam_video.report.observer import Observer
from persam_video.results import FrameResult
from persam_video.run.backward import CHUNK_BYTES, reversed_frames
from persam_video.studio.gestures import compose
from persam_video.studio.marking import MarkedVideo
from persam_video.studio.run_folder import RunFolder
from persam_video.tracking.ahead import encoding_ahead
from persam_video.tracking.objects import TrackerState
from persam_video.tracking.snapshot import Snapshot, read_snapshot, write_snapshot
from persam_video.tracking.tracker import Tracker
from persam_video.video import Frame, FrameStream
from persam_video.video.selection import Selection

Direction: TypeAlias = Literal["forward", "backward"]

_STATE_EVERY = 16
_MOST_STATES = 256


class Propagation(Iterator[FrameResult]):
    """One pass through a part of a session's video; see ``InteractiveSession.propagate``.

    The pass starts with the first ``next``. Yielded results are stored.

    Attributes:
        first: index of its first frame.
        last: index of its last frame.
        total: number of its frames.
    """

    def __init__(
        self,
        session: MarkedVideo,
        run: RunFolder,
        start: int,
        stop: int | None,
        direction: Direction,
        *,
        until_next: bool,
    ) -> None:
        self._session = session
        self._run = run
        count = session.frame_count
        if not 0 <= start < count:
            raise AnnotationError(f"there is no frame {start} to start from: {count} frames")
        annotated = session.annotated
        backward = direction == "backward"
        if backward:
            end = 0 if stop is None else stop
            if until_next:
                end = max([end, *(i + 1 for i in annotated if i < start)])
        else:
            end = count - 1 if stop is None else min(stop, count - 1)
            start = self._start(start, end, annotated)
            if until_next:
                end = min([end, *(i - 1 for i in annotated if i > start)])
        if backward and not self._shown(start).any():
            raise AnnotationError(
                f"nothing is marked in frame {start}: click an object there, or start elsewhere"
            )
        if (end > start) if backward else (end < start):
            raise AnnotationError(
                f"no frame lies between {start} and {end}: set the marks the other way round"
            )
        self.first, self.last = start, end
        self.total = abs(end - start) + 1
        self._steps = self._backward() if backward else self._forward()

    def __next__(self) -> FrameResult:
        return next(self._steps)

    def close(self) -> None:
        """End the pass; yielded results are kept."""
        self._steps.close()

    def _start(self, start: int, end: int, annotated: list[int]) -> int:
        goes_on = bool(annotated) and annotated[0] <= start <= self._session.valid
        if goes_on or self._shown(start).any():
            return start
        known = [i for i in annotated if i <= start][-1:] or [i for i in annotated if i <= end][:1]
        if not known:
            raise AnnotationError(
                f"nothing is marked at or before frame {start}: click an object first"
            )
        return known[0]

    def _shown(self, index: int) -> NDArray[np.uint8]:
        return self._session.result(index).labels

    def _forward(self) -> Generator[FrameResult, None, None]:
        session = self._session
        annotated = session.annotated
        goes_on = bool(annotated) and annotated[0] <= self.first <= session.valid
        seed = None if goes_on else Annotation.from_labels(self._shown(self.first))
        session.drop_states()
        observer = Observer()
        done: int | None = None
        end_of_source = True
        with self._pass(self.first) as tracker:
            begin = self._restore(tracker) if goes_on else self.first
            try:
                with (
                    FrameStream(session.source, start=begin, stop=self.last + 1) as stream,
                    encoding_ahead(tracker, stream, begin) as frames,
                ):
                    for frame in frames:
                        session.reader.saw(frame.index)
                        marked = session.masks(frame.index)
                        given = seed
                        if frame.index != self.first or seed is None:
                            given = _annotation(marked, session.size)
                        with session.model.turn():
                            result = tracker.step(frame, given)
                        if frame.index < self.first:
                            continue  # between the restored state and the first frame of the pass
                        seen = observer.see(result, frame.rgb)
                        session.store(frame, result, follows=marked if goes_on else None, seen=seen)
                        self._run.add(frame, result)
                        done = frame.index
                        if goes_on and session.valid == done + 1 and self._is_due(done):
                            self._keep_state(tracker, done)
                            done = None
                        end_of_source = frame.index == self.last
                        yield result
                if not end_of_source and done is not None:
                    session.reader.ends_after(done)
            finally:
                if goes_on and done is not None and session.valid == done + 1:
                    self._keep_state(tracker, done)

    def _backward(self) -> Generator[FrameResult, None, None]:
        session = self._session
        marked = session.annotation(self.first)
        seed = marked or Annotation.from_labels(self._shown(self.first))
        ids = set(seed.object_ids)

        def open_part(part: Selection) -> FrameStream:
            return FrameStream(session.source, start=part.start, stop=part.stop)

        selection = Selection(self.last, self.first + 1)
        backwards = reversed_frames(open_part, selection, self.first, CHUNK_BYTES)
        with (
            self._pass(None) as tracker,
            closing(backwards),
            encoding_ahead(tracker, backwards, begin=self.first) as frames,
        ):
            for frame in frames:
                given: Annotation | None = seed
                if frame.index != self.first:
                    given = _only(session.annotation(frame.index), ids)
                with session.model.turn():
                    result = tracker.step(frame, given)
                merged = self._beside(frame, result, ids)
                session.store(frame, merged, backward=True)
                yield merged

    @contextmanager
    def _pass(self, first: int | None) -> Iterator[Tracker]:
        """Yield a new tracker for a pass, which is recorded in the folder's run.

        Args:
            first: see ``RunFolder.begin``.
        """
        session = self._session
        try:
            self._run.begin(first)
            session.journal.begin_pass()
            with session.model.turn() as model:
                tracker = Tracker(model, session.settings)
            yield tracker
        finally:
            session.write()
            self._run.end()

    def _beside(self, frame: Frame, result: FrameResult, ids: set[int]) -> FrameResult:
        """Merge backward-tracked masks with those of other objects in the frame."""
        known = self._session.result(frame.index)
        others = [o for o in known.objects if o.object_id not in ids]
        kept = np.isin(known.labels, [o.object_id for o in others])
        merged = [*others, *(o for o in result.objects if o.object_id in ids)]
        return FrameResult.from_labels(
            frame.index,
            frame.time,
            np.where(kept, known.labels, result.labels),
            sorted(o.object_id for o in merged),
            scores={o.object_id: o.score for o in merged},
            states={o.object_id: o.state for o in merged},
            cut=known.cut,  # going backwards, a scene cut is seen one frame too early
        )

    def _restore(self, tracker: Tracker) -> int:
        """Restore the tracker's state at or before the first frame, and return the index."""
        session = self._session
        begin = session.annotated[0] if session.annotated else 0
        names = [int(path.stem) for path in session.usable_states()]
        for number in reversed([n for n in names if begin < n <= self.first]):
            frame = session.frame(number - 1)
            try:
                with session.model.turn() as model:
                    like = model.encode(frame.rgb)
                fitted = session.settings.method == "persam-f"
                state = self._state(number)
                snapshot = read_snapshot(state, like, fitted=fitted, values=model.value_layout)
            except OutputError:
                continue  # try an earlier one instead
            if snapshot.frames == number:
                tracker.restore(snapshot.state)
                return number
        begin = min(begin, self.first)
        tracker.restore(TrackerState(session.size if begin else None, begin, ()))
        return begin

    def _is_due(self, index: int) -> bool:
        every = max(_STATE_EVERY, self._session.frame_count // _MOST_STATES)
        return (index + 1) % every == 0

    def _keep_state(self, tracker: Tracker, index: int) -> None:
        self._session.paths.states.mkdir(exist_ok=True)
        state = self._state(index + 1)
        write_snapshot(state, Snapshot(index + 1, index, tracker.state()))
        self._run.keep_state(state)
        self._session.write()

    def _state(self, number: int) -> Path:
        return self._session.paths.states / f"{number:06d}.safetensors"


def _annotation(masks: Mapping[int, Rle], size: tuple[int, int]) -> Annotation | None:
    """Return marks as an annotation; ``None`` without marks."""
    labels = compose(masks, size)
    return Annotation.from_labels(labels) if labels.any() else None


def _only(annotation: Annotation | None, ids: set[int]) -> Annotation | None:
    """Return an annotation reduced to some objects; ``None`` if none are in it."""
    if annotation is None or not ids & set(annotation.object_ids):
        return None
    kept = np.isin(annotation.labels, list(ids))
    return Annotation.from_labels(np.where(kept, annotation.labels, np.uint8(0)))
