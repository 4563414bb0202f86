"""Tracking one sequence of a benchmark.

Only the first annotation of a DAVIS sequence is ever opened. Where objects may appear later, each
annotation is opened when its frame is reached, to add the objects that appear there; what it shows
of known objects is not used.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from persam_video.benchmark.record import SequenceRecord, masks_sha256
from persam_video.config import Settings
from persam_video.davis.given import GivenFrame
from persam_video.davis.protocol import TrackedDataset
from persam_video.errors import DatasetError, OutputError, PersamVideoError
from persam_video.masks import Annotation
from persam_video.masks.labels import VOID
from persam_video.masks.png import write_label_png
from persam_video.results import FrameResult
from persam_video.run.tracker_factory import make_tracker
from persam_video.sam.model import SamModel
from persam_video.sinks.tracks_jsonl import TracksJsonlSink
from persam_video.tracking.ahead import encoding_ahead
from persam_video.util.atomic import empty_folder, writing
from persam_video.util.inputs import OutputFolder, ProtectedInputs
from persam_video.util.machine import settle_memory
from persam_video.util.workers import Tell
from persam_video.video.frame import Frame
from persam_video.video.image_decoder import IMAGE_RATE, read_image

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SequencePlan:
    """A sequence that has passed the checks and can be tracked.

    Attributes:
        name: the sequence's name.
        images: the frames, in order.
        given: the frames in which objects may be given, in order.
        size: height and width of the frames.
    """

    name: str
    images: tuple[Path, ...]
    given: tuple[GivenFrame, ...]
    size: tuple[int, int]

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of all frames, such as ``00000``."""
        return tuple(image.stem for image in self.images)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read when the sequence is tracked."""
        return (*self.images, *(file for one in self.given for file in one.files))

    def moved(self, move: Callable[[Path], Path]) -> "SequencePlan":
        """Return the same sequence, with its files at other places."""
        given = tuple(one.moved(move) for one in self.given)
        return replace(self, images=tuple(map(move, self.images)), given=given)

    @property
    def size_of_work(self) -> int:
        """Frames times pixels times objects of the first annotation."""
        height, width = self.size
        first = GivenObjects(self).at(self.given[0].frame)
        return len(self.images) * height * width * len(first.object_ids if first else ())


@dataclass(frozen=True)
class BenchmarkFolder:
    """Where the results of a benchmark go.

    Attributes:
        folder: holds ``<sequence>/<frame>.png``, as evaluators expect it, and what follows.
    """

    folder: Path

    @property
    def place(self) -> str:
        """The folder, or the URL, that users look into."""
        return str(self.folder)

    def has_masks(self, name: str) -> bool:
        """Return whether there are masks of a sequence."""
        return any(self.masks(name).glob("*.png"))

    def read_masks(self, name: str) -> AbstractContextManager[Path]:
        """Give a folder with the masks of a sequence; it need not exist."""
        return nullcontext(self.masks(name))

    def publish(self) -> None:
        """Let the record appear where the results are; in a folder, it is there already."""

    def masks(self, name: str) -> Path:
        """Folder of a sequence's masks."""
        return self.folder / name

    def tracks(self, name: str) -> Path:
        """Boxes, areas, scores, states and run-length codes of a sequence."""
        return self.folder / "tracks" / f"{name}.jsonl"

    @property
    def record(self) -> Path:
        """The record of the run: what it was, and which sequences are finished."""
        return self.folder / "run.json"

    def check(self, inputs: ProtectedInputs, names: Iterable[str]) -> None:
        """Check that the results of these sequences would not overwrite an input.

        Raises:
            OutputError: they would.
        """
        masks = frozenset({".png"})
        folders = [OutputFolder(self.folder, frozenset())]
        folders += [OutputFolder(self.masks(name), masks) for name in names]
        folders.append(OutputFolder(self.folder / "tracks", frozenset({".jsonl"})))
        inputs.check([self.record], folders)


@dataclass(frozen=True)
class FrameTracked:
    """The masks of a frame are about to be written; ``done`` counts the frames up to this one."""

    name: str
    done: int


@dataclass(frozen=True)
class SequenceTracked:
    """A sequence is finished."""

    name: str
    record: SequenceRecord


@dataclass(frozen=True)
class SequenceFailed:
    """A sequence cannot be tracked to its end."""

    name: str
    message: str


Outcome = SequenceTracked | SequenceFailed


def plan_sequence(dataset: TrackedDataset, name: str) -> SequencePlan:
    """Check that a sequence can be tracked; opens the first image and the first annotation.

    Raises:
        PersamVideoError: images or annotation are missing, damaged or do not match.
    """
    images, given = dataset.images(name), dataset.given(name)
    frames = [image.stem for image in images]
    if len(set(frames)) < len(frames):
        raise DatasetError(f"{images[0].parent}: two images have the same name; remove one")
    for one in given:
        if one.frame not in frames:
            raise DatasetError(f"{one.place}: there is no image with this name")
    height, width = read_image(images[0]).shape[:2]
    plan = SequencePlan(name, images, given, (height, width))
    GivenObjects(plan).at(given[0].frame)
    return plan


class GivenObjects:
    """Supplies each object in the first annotated frame that shows it.

    Args:
        plan: the sequence.
    """

    def __init__(self, plan: SequencePlan) -> None:
        self._size = plan.size
        self._given = {one.frame: one for one in plan.given}
        self._known: set[int] = set()

    def at(self, frame: str) -> Annotation | None:
        """Return the objects that are given in a frame, or ``None``.

        Raises:
            PersamVideoError: the annotation cannot be used.
        """
        given = self._given.get(frame)
        if given is None:
            return None
        labels = given.labels(self._size)
        new = set(np.unique(labels).tolist()) - {0, VOID} - self._known
        if not new:
            return None
        self._known |= new
        return Annotation.from_labels(np.where(np.isin(labels, list(new)), labels, 0))


def track_sequence(
    plan: SequencePlan,
    model: SamModel,
    settings: Settings,
    out: BenchmarkFolder,
    tell: Tell[FrameTracked] = lambda event: None,
) -> Outcome:
    """Track a sequence from its first frame and write its masks and tracks.

    The remains of an unfinished attempt are removed first: the state of a tracker is not stored,
    and starting over gives byte-identical masks. From then on the process's threads share heaps,
    as with ``persam_video.run.track_to_folder``.

    Args:
        plan: the sequence.
        model: the SAM.
        settings: how to track.
        out: where the results go.
        tell: called before each frame is written.

    Returns:
        How the sequence ended.

    Raises:
        OutputError: a result cannot be written.
    """
    begun = time.perf_counter()
    settle_memory()
    masks = out.masks(plan.name)
    empty_folder(masks, "*.png", ".*.png.part")
    try:
        with TracksJsonlSink(out.tracks(plan.name)) as tracks:
            results = _results(plan, model, settings)
            for done, (image, (frame, result)) in enumerate(
                zip(plan.frames, results, strict=True), start=1
            ):
                tell(FrameTracked(plan.name, done))
                write_label_png(masks / f"{image}.png", result.labels)
                tracks.write(frame, result)
    except OutputError:
        raise
    except PersamVideoError as error:
        return SequenceFailed(plan.name, str(error))
    height, width = plan.size
    with writing(masks):
        digest = masks_sha256(masks, plan.frames)
    seconds = time.perf_counter() - begun
    _log.info("%s: %d frames in %.2f s", plan.name, len(plan.frames), seconds)
    return SequenceTracked(
        plan.name, SequenceRecord(len(plan.frames), width, height, seconds, digest)
    )


def _results(
    plan: SequencePlan, model: SamModel, settings: Settings
) -> Iterator[tuple[Frame, FrameResult]]:
    """Track a sequence; the frames before its first object have empty masks."""
    tracker = make_tracker(model, settings)
    given = GivenObjects(plan)
    begin = plan.frames.index(plan.given[0].frame)
    with encoding_ahead(tracker, _read(plan), begin) as frames:
        for frame, image in zip(frames, plan.frames, strict=True):
            annotation = given.at(image)
            if annotation is None and not tracker.object_ids:
                labels = np.zeros(plan.size, np.uint8)
                yield frame, FrameResult(frame.index, frame.time, labels, ())
            else:
                yield frame, tracker.step(frame, annotation)


def _read(plan: SequencePlan) -> Iterator[Frame]:
    for index, image in enumerate(plan.images):
        yield Frame(index, read_image(image), float(index / IMAGE_RATE))
