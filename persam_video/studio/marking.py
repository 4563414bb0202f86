"""Mark objects in the frames of a video, and store the marks and the results of tracking."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings
from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.masks.rle import Rle, decode, encode
from persam_video.report.findings import Finding, ObjectFacts, frames_to_look_at
from persam_video.results import FrameResult, ObjectState
from persam_video.run.annotations import Masks, load_annotations
from persam_video.run.frames import ALL_FRAMES
from persam_video.studio.earlier_run import take_earlier_run
from persam_video.studio.frames import FrameReader
from persam_video.studio.gestures import (
    Box,
    Clear,
    Click,
    Delete,
    Gesture,
    Given,
    Mark,
    Stroke,
    compose,
)
from persam_video.studio.model import SharedModel
from persam_video.studio.opening import checked_settings, find
from persam_video.studio.results import Line, ResultJournal
from persam_video.studio.store import RunMark, StudioObject
from persam_video.util.lock import exclusive_folder
from persam_video.video import Frame, SourceInfo

if TYPE_CHECKING:
    from persam_video.sam.model import SamModel
    from persam_video.studio.clicks import ClickAnswerer

Listener: TypeAlias = Callable[[str, int | None], None]
"""Called on changes: with ``state``, or with ``masks`` and the frame whose masks changed."""

_SelfT = TypeVar("_SelfT", bound="MarkedVideo")


class MarkedVideo:
    """A video with its marks and results, stored in a folder.

    ``persam_video.studio.session.InteractiveSession`` adds tracking and export; see there for the
    arguments and errors.
    """

    def __init__(
        self,
        source: str | Path | None,
        folder: str | Path,
        *,
        settings: Settings | None = None,
        model: "SamModel | SharedModel | None" = None,
    ) -> None:
        found = find(folder)
        self.paths = found.paths
        self._lock = threading.RLock()
        self._marking = threading.Lock()
        self._listeners: list[Listener] = []
        self._answerer: ClickAnswerer | None = None
        self._changed_since: set[int] | None = set()  # frames marked since writing of the run began
        with ExitStack() as stack:
            address = found.address(source)
            found.check_place(address)
            self.reader = FrameReader(address)
            stack.callback(self.reader.close)
            self._document = found.session(self.reader, settings)
            self.settings = checked_settings(self._document.settings, self.paths.folder)
            stack.enter_context(exclusive_folder(self.paths.folder))
            self.model: SharedModel = (
                model if isinstance(model, SharedModel) else SharedModel(self.settings, model)
            )
            self.journal = ResultJournal(self.paths.journal, self.size)
            stack.callback(self.journal.close)
            self._count_lost_changes()
            take_earlier_run(self._document, self.journal, self.paths)
            self.drop_states()
            self.write()
            self._open = stack.pop_all()

    @property
    def info(self) -> SourceInfo:
        """Properties of the source."""
        return self.reader.info

    @property
    def source(self) -> str:
        """Path or glob of the source."""
        return self._document.source

    @property
    def name(self) -> str:
        """Name of the session, after its source."""
        return self.info.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self.info.height, self.info.width

    @property
    def frame_count(self) -> int:
        """Number of frames; see ``FrameReader.frame_count``."""
        return self.reader.frame_count

    @property
    def objects(self) -> tuple[StudioObject, ...]:
        """The objects, in order of id."""
        with self._lock:
            deleted = self._document.history.deleted
            return tuple(shown for shown in self._document.objects if shown.id not in deleted)

    @property
    def names(self) -> dict[int, str]:
        """The names of objects by id, for those that have one."""
        return {shown.id: shown.name for shown in self.objects if shown.is_named}

    @property
    def found_objects(self) -> frozenset[int]:
        """Ids of the objects that are marked or tracked in any frame."""
        with self._lock:
            marked = self._document.history.marked()
        return frozenset({*marked, *(i for line in self.lines().values() for i in line.objects)})

    @property
    def annotated(self) -> list[int]:
        """Indices of the frames with marks, in order."""
        with self._lock:
            return self._document.history.frames

    @property
    def accepted(self) -> list[int]:
        """Frames that the user has accepted in review."""
        return list(self._document.accepted)

    @property
    def can_undo(self) -> bool:
        """Whether there is a gesture to undo."""
        return bool(self._document.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a gesture to redo."""
        return bool(self._document.history.undone)

    @property
    def revision(self) -> int:
        """A number that increases with every change."""
        return self._document.revision

    @property
    def valid(self) -> int:
        """Number of leading frames that are as tracking forwards gives them with these marks."""
        with self._lock:
            annotated = self._document.history.frames
            # frames before the first mark are empty and need no tracking
            return max(self._document.valid, annotated[0]) if annotated else 0

    def frame(self, index: int) -> Frame:
        """Return a frame; its picture is shared and must not be modified.

        Raises:
            SourceError: there is no such frame.
        """
        return self.reader.get(index)

    def result(self, index: int, *, before: bool = False) -> FrameResult:
        """Return the result of a frame: its marks over the tracked masks.

        Args:
            index: of the frame.
            before: whether to return it as it was before the last pass.

        Raises:
            SourceError: there is no such frame.
        """
        with self._lock:
            history = self._document.history
            found = self.journal.before(index) if before else self.journal.get(index)
            masks = {} if before and found is not None else history.masks(index)
            deleted = history.deleted
        if found is not None:
            found = _without(found, deleted)
            if not masks:
                return found
        labels = compose(masks, self.size, None if found is None else found.labels)
        known = {} if found is None else {o.object_id: o for o in found.objects}
        present = set(np.unique(labels).tolist())
        lost = {i: ObjectState.LOST for i in known if i not in present}
        states = {i: o.state for i, o in known.items() if i not in masks} | lost
        return FrameResult.from_labels(
            index,
            self.frame(index).time if found is None else found.time,
            labels,
            sorted({*known, *masks}),
            scores={i: 1.0 if i in masks else known[i].score for i in {*known, *masks}},
            states=states,
            cut=found is not None and found.cut,
        )

    def gestures(self, index: int) -> list[Gesture]:
        """Return the gestures in effect in a frame, in order."""
        with self._lock:
            return self._document.history.in_frame(index)

    def annotation(self, index: int) -> Annotation | None:
        """Return the annotation that is marked in a frame; ``None`` without marks."""
        labels = compose(self.masks(index), self.size)
        return Annotation.from_labels(labels) if labels.any() else None

    def lines(self) -> dict[int, Line]:
        """Return summaries of the tracked frames, by index, in order."""
        with self._lock:
            return self.journal.lines(without=self._document.history.deleted)

    def review(self) -> list[Finding]:
        """Return the frames that most need review, the most urgent first."""
        facts = {frame: line.objects for frame, line in self.lines().items()}
        return frames_to_look_at(facts, leave_out={*self._document.accepted, *self.annotated})

    def accept(self, index: int) -> None:
        """Remove a frame from the review list."""
        with self._lock:
            self._document.accepted = sorted({*self._document.accepted, index})
            self._save()
        self.tell("state")

    def add_object(self, name: str | None = None) -> StudioObject:
        """Add an object, with the lowest id that was never used.

        Raises:
            AnnotationError: all 254 ids have been used.
        """
        with self._lock:
            taken = {shown.id for shown in self._document.objects}
            free = next((i for i in range(1, MAX_OBJECT_ID + 1) if i not in taken), None)
            if free is None:
                raise AnnotationError(
                    f"all {MAX_OBJECT_ID} object ids are used up, and deleted ones are not reused: "
                    "continue in another session"
                )
            added = StudioObject.new(free, name)
            self._document.add_object(added)
            self._save()
        self.tell("state")
        return added

    def change_object(
        self,
        object_id: int,
        *,
        name: str | None = None,
        colour: str | None = None,
        visible: bool | None = None,
    ) -> None:
        """Change how an object is shown; ``None`` leaves a value unchanged.

        Raises:
            AnnotationError: there is no such object.
        """
        with self._lock:
            shown = self._object(object_id)
            if name is not None and name != shown.name:
                shown.name = name
                # every line of the run names its objects
                self._document.run = replace(self._document.run, changed=None)
            shown.colour = shown.colour if colour is None else colour
            shown.visible = shown.visible if visible is None else visible
            self._save()
        self.tell("state")

    def remove_object(self, object_id: int) -> None:
        """Delete an object with its marks and masks; ``undo`` restores them.

        Raises:
            AnnotationError: there is no such object.
        """
        with self._marking, self._lock:
            self._object(object_id)
            marked = self._document.history.marked().get(object_id, set())
            shown = (i for i, line in self.journal.lines().items() if object_id in line.objects)
            frame = min(marked, default=next(shown, 0))
            self._add(Gesture(frame, object_id, Delete(), None))
            # the others were tracked beside it, and may be tracked differently without it
            self._change(None, min(marked, default=self._document.valid))
        self.tell("state")

    def click(
        self, frame: int, object_id: int, x: float, y: float, *, positive: bool = True
    ) -> FrameResult:
        """Mark a point on an object, or on the background; see ``mark``."""
        return self.mark(frame, object_id, Click(x, y, positive))

    def box(
        self, frame: int, object_id: int, corners: tuple[float, float, float, float]
    ) -> FrameResult:
        """Mark a box (x0, y0, x1, y1) around an object; see ``mark``."""
        return self.mark(frame, object_id, Box(corners))

    def stroke(
        self,
        frame: int,
        object_id: int,
        points: Sequence[tuple[float, float]],
        radius: float,
        *,
        erase: bool = False,
    ) -> FrameResult:
        """Paint along (x, y) points with a round brush, or erase; see ``mark``."""
        return self.mark(frame, object_id, Stroke(tuple(points), radius, erase))

    def clear(self, frame: int, object_id: int) -> FrameResult:
        """Remove all marks of an object in a frame; see ``mark``."""
        return self.mark(frame, object_id, Clear())

    def annotate(self, masks: Masks) -> None:
        """Mark what is annotated in files or label maps, each object by a gesture of its own.

        Args:
            masks: annotations of one or more frames, as in ``TrackOptions.mask``.

        Raises:
            AnnotationError: they cannot be used, do not fit the frames, or are of an object that
                was deleted.
        """
        frames = load_annotations(masks, self.info, ALL_FRAMES, source=self.source)
        with self._marking, self._lock:
            document = self._document
            for index, annotation in frames.by_frame.items():
                for object_id in annotation.object_ids:
                    if object_id not in {shown.id for shown in document.objects}:
                        name = annotation.names.get(object_id)
                        document.add_object(StudioObject.new(object_id, name))
                    self._object(object_id)
                    code = encode(annotation.mask(object_id))
                    self._add(Gesture(index, object_id, Given(), code))
                self._change({index}, index)
        self.tell("state")

    def mark(self, frame: int, object_id: int, mark: Mark) -> FrameResult:
        """Mark an object in a frame, which becomes an annotation of the frame.

        A first click or box gives what ``persam_video.prompting.annotate`` gives; later ones change
        the current mask, whether marked or tracked.

        Args:
            frame: index of the frame.
            object_id: id of a known object.
            mark: the mark, with coordinates in pixels of the frame.

        Returns:
            The frame's new result.

        Raises:
            AnnotationError: there is no such object, or the mark gives an empty mask.
            SourceError: there is no such frame.
            ModelError: the model cannot be loaded, or memory does not suffice.
        """
        with self._marking:
            self._object(object_id)
            picture = self.frame(frame)
            with self._lock:
                past = self._document.history.of(frame, object_id)
                found = None if past else self.journal.get(frame)
            base = None if found is None else found.labels == object_id
            if isinstance(mark, Clear):
                code = None
            else:
                code = encode(self._mask_after(picture, object_id, base, past, mark))
            with self._lock:
                self._add(Gesture(frame, object_id, mark, code))
                self._change({frame}, frame)
        self.tell("state")
        return self.result(frame)

    def undo(self) -> int | None:
        """Undo the last gesture, and return its frame; ``None`` if there is none.

        Frames that were tracked anew since have the results then that they had before; those that
        had none keep what they have.
        """
        return self._step_history(self._document.history.undo)

    def redo(self) -> int | None:
        """Redo the gesture that was undone last, and return its frame; ``None`` if there is none.

        What was tracked between the gesture and its undoing comes back, too.
        """
        return self._step_history(self._document.history.redo)

    def _step_history(self, step: Callable[[int, int], Gesture | None]) -> int | None:
        """Undo or redo, with what was tracked after the gesture was done, or undone."""
        with self._marking, self._lock:
            document, journal = self._document, self.journal
            gesture = step(journal.end, document.valid)
            if gesture is None:
                return None
            is_tracked = journal.end > gesture.moment
            exact = journal.go_back(gesture.moment, gesture.valid, gesture.frame)
            deleted = isinstance(gesture.mark, Delete)
            self._change(None if deleted else {gesture.frame}, gesture.frame)
            if is_tracked:
                self.drop_states()
            if exact:
                document.valid = gesture.valid
                self.write()
        self.tell("state")
        return gesture.frame

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a listener on changes, from any thread; return a function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, what: str, frame: int | None = None) -> None:
        """Tell the listeners about a change."""
        for listener in list(self._listeners):
            listener(what, frame)

    def masks(self, index: int) -> dict[int, Rle]:
        """Return the masks marked in a frame, by object, the latest last."""
        with self._lock:
            return self._document.history.masks(index)

    def store(
        self,
        frame: Frame,
        result: FrameResult,
        *,
        backward: bool = False,
        follows: Mapping[int, Rle] | None = None,
        seen: Mapping[int, ObjectFacts] | None = None,
    ) -> None:
        """Store the result of a pass in a frame.

        Args:
            frame: the frame.
            result: result of tracking.
            backward: whether the pass goes backwards.
            follows: the masks marked in the frame when it was tracked, by a pass that continues
                from valid frames; the frame is valid too if they are still what is marked.
            seen: facts measured in the picture, by object id.
        """
        with self._lock:
            still = follows == self._document.history.masks(frame.index)
            is_next = follows is not None and still and self.valid == frame.index
            valid = frame.index + 1 if is_next else self._document.valid
            self.journal.put(result, frame.name, backward=backward, valid=valid, seen=seen)
            self._document.valid = valid
            if frame.index in self._document.accepted:
                self._document.accepted.remove(frame.index)
            self._document.revision += 1
        self.tell("masks", frame.index)

    def write(self) -> None:
        """Write ``session.json``.

        Raises:
            OutputError: it cannot be written, or the session is closed.
        """
        with self._lock:
            self.journal.check_open()  # a closed session no longer owns the folder
            self._document.moment = self.journal.end
            self._document.write(self.paths.session)

    @property
    def is_run_behind(self) -> bool:
        """Whether the run in the folder lacks marks or tracked frames."""
        with self._lock:
            run = self._document.run
            return run.changed is None or bool(run.changed) or run.moment < self.journal.end

    def begin_run(self) -> RunMark:
        """Return what the run in the folder shows, before it is rewritten."""
        self.journal.check_open()
        with self._lock:
            mark = self._document.run
            # until it is written, which a kill may prevent, any frame may be missing in it
            self._document.run = replace(mark, changed=None)
            self._changed_since = set()
            return mark

    def announce_run(self, sha256: str) -> None:
        """Record the hash of the ``run.json`` that the session is about to write."""
        with self._lock:
            known = self._document.run
            self._document.run = replace(known, sha256=(*known.sha256, sha256))
            self.write()

    def end_run(self, sha256: str, moment: int) -> None:
        """Record that the run is up to date as of a moment."""
        with self._lock:
            self._document.run = RunMark((sha256,), moment, self._changed_since)
            self.write()

    def usable_states(self) -> list[Path]:
        """Return the stored tracker states that are valid for the marks, in order of frame."""
        paths = (p for p in self.paths.states.glob("*.safetensors") if p.stem.isdecimal())
        return sorted(path for path in paths if int(path.stem) <= self._document.valid)

    def drop_states(self) -> None:
        """Remove stored tracker states that are not valid for the current marks."""
        self.journal.check_open()
        usable = self.usable_states()
        for path in self.paths.states.glob("*.safetensors"):
            if path not in usable:
                path.unlink(missing_ok=True)

    def forget_embeddings(self) -> None:
        """Free the encoded frames; the next click has to wait for its frame to be encoded."""
        if self._answerer is not None:
            self._answerer.forget()

    def close(self) -> None:
        """Release the folder; a second call does nothing."""
        self._open.close()
        self.forget_embeddings()

    def __enter__(self: _SelfT) -> _SelfT:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _mask_after(
        self,
        frame: Frame,
        object_id: int,
        base: NDArray[np.bool_] | None,
        past: Sequence[Gesture],
        mark: Click | Box | Stroke,
    ) -> NDArray[np.bool_]:
        """Return the mask (H, W) of an object after one more gesture."""
        last = next((decode(g.mask) for g in reversed(past) if g.mask is not None), base)
        if last is not None and not last.any():
            last = None
        if isinstance(mark, Stroke):
            painted = mark.cover(self.size)
            if last is None:
                if mark.erase or not painted.any():
                    raise AnnotationError("there is no mask to erase from: paint or click first")
                return painted
            return last & ~painted if mark.erase else last | painted
        marks: list[Click | Box] = []
        for gesture in reversed(past):
            if not isinstance(gesture.mark, Click | Box):
                break
            marks.insert(0, gesture.mark)
        with self.model.turn() as model:
            if self._answerer is None:
                # imported late: torch takes seconds, and the first frame should not wait for it
                from persam_video.studio.clicks import ClickAnswerer

                self._answerer = ClickAnswerer()
            return self._answerer.answer(model, frame, object_id, [*marks, mark], last)

    def _add(self, gesture: Gesture) -> None:
        now = replace(gesture, moment=self.journal.end, valid=self._document.valid)
        self._document.history.add(now)

    def _change(self, frames: set[int] | None, first: int) -> None:
        """Record a change of the marks, and write it to disk at once.

        Args:
            frames: frames that change; ``None`` if any may.
            first: first frame whose result is no longer valid.
        """
        self._changed_since = _both(self._changed_since, frames)
        changed = _both(self._document.run.changed, frames)
        self._document.run = replace(self._document.run, changed=changed)
        self._document.valid = min(self._document.valid, first)
        self._save()

    def _count_lost_changes(self) -> None:
        """Recover frames tracked after ``session.json`` was last written, before a kill."""
        document, journal = self._document, self.journal
        if journal.end <= document.moment or journal.valid is None:
            return
        lines = journal.lines()
        new = {frame for frame, line in lines.items() if line.place.offset >= document.moment}
        document.valid = journal.valid
        document.accepted = [frame for frame in document.accepted if frame not in new]
        document.revision += len(new) + 1

    def _save(self) -> None:
        self._document.revision += 1
        self.write()

    def _object(self, object_id: int) -> StudioObject:
        found = next((shown for shown in self.objects if shown.id == object_id), None)
        if found is None:
            raise AnnotationError(f"there is no object {object_id}: add one first")
        return found


def _without(result: FrameResult, ids: Collection[int]) -> FrameResult:
    """Return a result without some of its objects."""
    if not any(found.object_id in ids for found in result.objects):
        return result
    return replace(
        result,
        labels=np.where(np.isin(result.labels, list(ids)), np.uint8(0), result.labels),
        objects=tuple(found for found in result.objects if found.object_id not in ids),
    )


def _both(some: set[int] | None, more: set[int] | None) -> set[int] | None:
    """Return the union of two sets of frames; ``None`` stands for any frame."""
    return None if some is None or more is None else some | more
