"""Marking objects in the frames of a video, and keeping what was marked and found."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings, load_settings
from persam_video.drawing.colours import overlay_colour
from persam_video.errors import AnnotationError, ConfigError, DatasetError, OutputError, SourceError
from persam_video.masks.annotation import Annotation
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.masks.rle import Rle, decode, encode
from persam_video.report.findings import Finding, frames_to_look_at
from persam_video.results import FrameResult, ObjectState
from persam_video.studio.frames import FrameReader
from persam_video.studio.gestures import Box, Clear, Click, Gesture, Mark, Stroke, compose
from persam_video.studio.model import SharedModel
from persam_video.studio.results import Line, ResultJournal
from persam_video.studio.store import SessionDocument, SessionPaths, StudioObject
from persam_video.util.lock import exclusive_folder
from persam_video.video import Frame, SourceInfo
from persam_video.video.source import SourceKind, locate

if TYPE_CHECKING:
    from persam_video.sam.model import ImageEmbedding, SamModel

Listener: TypeAlias = Callable[[str, int | None], None]
"""Is told what changed: ``state``, or ``masks`` and the frame whose masks are new."""

_EMBEDDINGS = 3
"""Encoded frames that are kept: clicks go on in one frame, and back and forth between two."""

_DISC = 0.012
"""Radius, as a share of the frame's short side, of what a click gets at the least."""


_SelfT = TypeVar("_SelfT", bound="MarkedVideo")


class MarkedVideo:
    """A video, what was marked in it, and what was found in it, kept in a folder.

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
        self.paths = SessionPaths(Path(folder))
        self._lock = threading.RLock()
        self._marking = threading.Lock()
        self._listeners: list[Listener] = []
        self._embeddings: OrderedDict[int, ImageEmbedding] = OrderedDict()
        self.dirty: set[int] | None = None
        with ExitStack() as stack:
            known = SessionDocument.read(self.paths.session) if self.paths.is_session else None
            if known is None and source is None:
                raise DatasetError(f"{folder}: holds no session; give a video, too")
            address = known.source if known is not None else _address(source)
            if known is not None and source is not None and _address(source) != known.source:
                raise OutputError(
                    f"{folder} holds a session of {known.source}: give another folder with --out"
                )
            if known is None and (self.paths.folder / "run.json").exists():
                raise OutputError(f"{folder} holds an earlier run: give another folder with --out")
            self.reader = FrameReader(address)
            stack.callback(self.reader.close)
            stack.enter_context(exclusive_folder(self.paths.folder))
            self._document = known or self._new_document(address, settings)
            info = self.reader.info
            if (self._document.height, self._document.width) != (info.height, info.width):
                raise SourceError(
                    f"{address}: has frames of {info.width}x{info.height}, the session was of "
                    f"{self._document.width}x{self._document.height}; the video is another one"
                )
            self.settings = Settings.model_validate(self._document.settings)
            if self.settings.procedure == "upstream":
                raise ConfigError("the procedure 'upstream' takes no corrections: leave it out")
            self.model: SharedModel = (
                model if isinstance(model, SharedModel) else SharedModel(self.settings, model)
            )
            self.journal = ResultJournal(self.paths.journal, self.size)
            stack.callback(self.journal.close)
            self._drop_states()
            self._document.write(self.paths.session)
            self._open = stack.pop_all()

    @property
    def info(self) -> SourceInfo:
        """Facts about the source."""
        return self.reader.info

    @property
    def source(self) -> str:
        """Path or glob of the source."""
        return self._document.source

    @property
    def name(self) -> str:
        """What the session is called: after its source."""
        return self.info.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self.info.height, self.info.width

    @property
    def frame_count(self) -> int:
        """How many frames there are; see ``FrameReader.frame_count``."""
        return self.reader.frame_count

    @property
    def objects(self) -> tuple[StudioObject, ...]:
        """The objects, in order of id."""
        return tuple(self._document.objects)

    @property
    def annotated(self) -> list[int]:
        """Indices of the frames in which something is marked, in order."""
        with self._lock:
            return self._document.history.frames

    @property
    def accepted(self) -> list[int]:
        """Frames that need no second look."""
        return list(self._document.accepted)

    @property
    def can_undo(self) -> bool:
        """Whether there is a gesture to take back."""
        return bool(self._document.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone gesture."""
        return bool(self._document.history.undone)

    @property
    def revision(self) -> int:
        """A number that rises with every change."""
        return self._document.revision

    @property
    def valid(self) -> int:
        """So many frames are what tracking forwards gives with the marks as they are."""
        with self._lock:
            annotated = self._document.history.frames
            # before the first mark there is nothing, which needs no tracking
            return max(self._document.valid, annotated[0]) if annotated else 0

    def frame(self, index: int) -> Frame:
        """Return a frame; its picture is shared and must not be written to.

        Raises:
            SourceError: there is no such frame.
        """
        return self.reader.get(index)

    def result(self, index: int, *, before: bool = False) -> FrameResult:
        """Return what is known of a frame: marks over what tracking found.

        Args:
            index: of the frame.
            before: as it was before the last pass.

        Raises:
            SourceError: there is no such frame.
        """
        with self._lock:
            found = self.journal.before(index) if before else self.journal.get(index)
            masks = {} if before and found is not None else self._document.history.masks(index)
        if found is not None and not masks:
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
        )

    def gestures(self, index: int) -> list[Gesture]:
        """Return the gestures in force in a frame, in their order."""
        with self._lock:
            return self._document.history.in_frame(index)

    def annotation(self, index: int) -> Annotation | None:
        """Return what is marked in a frame, ``None`` where nothing is."""
        labels = compose(self.masks(index), self.size)
        return Annotation.from_labels(labels) if labels.any() else None

    def lines(self) -> dict[int, Line]:
        """Return summaries of what tracking found, by frame, in order."""
        return self.journal.lines

    def review(self) -> list[Finding]:
        """Return the frames that most need a look, the most pressing first."""
        facts = {frame: line.objects for frame, line in self.lines().items()}
        return frames_to_look_at(facts, leave_out={*self._document.accepted, *self.annotated})

    def accept(self, index: int) -> None:
        """Take a frame off the list for review."""
        with self._lock:
            self._document.accepted = sorted({*self._document.accepted, index})
            self._save()
        self.tell("state")

    def add_object(self, name: str | None = None) -> StudioObject:
        """Add an object, which has the lowest id that is free.

        Raises:
            AnnotationError: there are 254.
        """
        with self._lock:
            taken = {shown.id for shown in self._document.objects}
            free = next((i for i in range(1, MAX_OBJECT_ID + 1) if i not in taken), None)
            if free is None:
                raise AnnotationError(f"there are {MAX_OBJECT_ID} objects: delete one first")
            red, green, blue = overlay_colour(free)
            added = StudioObject(free, name or f"object {free}", f"#{red:02x}{green:02x}{blue:02x}")
            self._document.objects = sorted([*self._document.objects, added], key=lambda o: o.id)
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
        """Change how an object is shown; what is ``None`` stays.

        Raises:
            AnnotationError: there is no such object.
        """
        with self._lock:
            shown = self._object(object_id)
            shown.name = shown.name if name is None else name
            shown.colour = shown.colour if colour is None else colour
            shown.visible = shown.visible if visible is None else visible
            self._save()
        self.tell("state")

    def remove_object(self, object_id: int) -> None:
        """Delete an object with its marks and masks, which cannot be undone.

        Raises:
            AnnotationError: there is no such object.
        """
        with self._marking, self._lock:
            self._object(object_id)
            frames = self._document.history.forget(object_id)
            self._document.objects = [o for o in self._document.objects if o.id != object_id]
            self.journal.forget(object_id)
            self.dirty = None
            # the others were tracked beside it, so that without it they may come out otherwise
            self._invalidate(min(frames, default=0))
            self._save()
        self.tell("state")

    def click(
        self, frame: int, object_id: int, x: float, y: float, *, positive: bool = True
    ) -> FrameResult:
        """Mark a point on an object, or beside it; see ``mark``."""
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
        """Take back everything that is marked of an object in a frame; see ``mark``."""
        return self.mark(frame, object_id, Clear())

    def mark(self, frame: int, object_id: int, mark: Mark) -> FrameResult:
        """Mark an object in a frame, which is an annotation from then on.

        A first click or box gives what ``persam_video.prompting.annotate`` gives; later ones change
        the mask that is there, be it marked or tracked.

        Args:
            frame: index of the frame.
            object_id: of a known object.
            mark: what was done; coordinates in pixels of the frame.

        Returns:
            The frame's result with it.

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
                self._document.history.add(Gesture(frame, object_id, mark, code))
                self._changed(frame)
        self.tell("state")
        return self.result(frame)

    def undo(self) -> int | None:
        """Take back the last gesture; return its frame, ``None`` where there was none."""
        return self._step_history(self._document.history.undo)

    def redo(self) -> int | None:
        """Do again what was undone last; return its frame, ``None`` where there was nothing."""
        return self._step_history(self._document.history.redo)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have changes told from any thread; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, what: str, frame: int | None = None) -> None:
        """Tell listeners of a change."""
        for listener in list(self._listeners):
            listener(what, frame)

    def masks(self, index: int) -> dict[int, Rle]:
        """Return the masks that are marked in a frame by object, the latest last."""
        with self._lock:
            return self._document.history.masks(index)

    def store(
        self,
        frame: Frame,
        result: FrameResult,
        *,
        backward: bool = False,
        follows: Mapping[int, Rle] | None = None,
    ) -> None:
        """Write down what a pass found in a frame.

        Args:
            frame: the frame.
            result: of tracking.
            backward: whether the pass goes backwards.
            follows: what was marked in the frame when it was tracked, by a pass that goes on from
                frames that are all valid; so is this one if that is what still is marked.
        """
        with self._lock:
            self.journal.put(result, frame.name, backward=backward)
            if self.dirty is not None:
                self.dirty.add(frame.index)
            still = follows == self._document.history.masks(frame.index)
            if follows is not None and still and self.valid == frame.index:
                self._document.valid = frame.index + 1
            if frame.index in self._document.accepted:
                self._document.accepted.remove(frame.index)
            self._document.revision += 1
        self.tell("masks", frame.index)

    def write(self) -> None:
        """Write ``session.json``."""
        with self._lock:
            self._document.write(self.paths.session)

    def forget_embeddings(self) -> None:
        """Let go of encoded frames; the next click in one has to wait for it to be encoded."""
        self._embeddings.clear()

    def close(self) -> None:
        """Write what is left and let go of the folder; a second call does nothing."""
        self._open.close()
        self._embeddings.clear()

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
        from persam_video.studio.clicks import answer

        marks: list[Click | Box] = []
        for gesture in reversed(past):
            if not isinstance(gesture.mark, Click | Box):
                break
            marks.insert(0, gesture.mark)
        with self.model.turn() as model:
            embedding = self._embeddings.get(frame.index)
            if embedding is None:
                embedding = model.encode(frame.rgb)
                self._embeddings[frame.index] = embedding
                while len(self._embeddings) > _EMBEDDINGS:
                    self._embeddings.popitem(last=False)
            radius = max(1.0, _DISC * min(self.size))
            return answer(model, embedding, frame.rgb, object_id, [*marks, mark], last, radius)

    def _step_history(self, step: Callable[[], Gesture | None]) -> int | None:
        with self._marking, self._lock:
            gesture = step()
            if gesture is None:
                return None
            self._changed(gesture.frame)
        self.tell("state")
        return gesture.frame

    def _changed(self, frame: int) -> None:
        """Take note that what is marked in a frame is another; written down at once."""
        if self.dirty is not None:
            self.dirty.add(frame)
        self._invalidate(frame)
        self._save()

    def _invalidate(self, frame: int) -> None:
        self._document.valid = min(self._document.valid, frame)
        self._drop_states()

    def _drop_states(self) -> None:
        """Remove the tracker's states that no longer follow from the marks."""
        for path in self.paths.states.glob("*.safetensors"):
            if not path.stem.isdecimal() or int(path.stem) > self._document.valid:
                path.unlink(missing_ok=True)

    def _save(self) -> None:
        self._document.revision += 1
        self._document.write(self.paths.session)

    def _object(self, object_id: int) -> StudioObject:
        found = next((shown for shown in self._document.objects if shown.id == object_id), None)
        if found is None:
            raise AnnotationError(f"there is no object {object_id}: add one first")
        return found

    def _new_document(self, address: str, settings: Settings | None) -> SessionDocument:
        chosen = settings or load_settings("persam")
        info = self.reader.info
        return SessionDocument(
            address, info.width, info.height, settings=chosen.model_dump(mode="json")
        )


def _address(source: str | Path | None) -> str:
    """Return a source as a path that does not depend on the working directory.

    Raises:
        SourceError: it is no source, or a camera or a URL, which cannot be sought.
    """
    location = locate(source if source is not None else "")
    if location.kind in (SourceKind.CAMERA, SourceKind.URL):
        raise SourceError(
            f"{location.name}: frames cannot be sought in it; give a video file or a folder"
        )
    if location.path is not None:
        return str(location.path.resolve())
    return os.path.abspath(location.address)  # noqa: PTH100  a glob is no path to resolve
