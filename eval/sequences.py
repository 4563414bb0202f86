"""Sequences with ground truth, held in memory, and tracking them repeatedly.

Encoding a whole frame costs most of the time and does not depend on the settings, so every frame is
encoded once and its embedding is kept; the views of a tracker that zooms in are encoded each time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.config import Settings
from persam_video.davis.dataset import DavisDataset, DavisSequence
from persam_video.davis.scores import SequenceScore, score_masks
from persam_video.sam import ImageEmbedding, SamModel
from persam_video.sam.transform import View
from persam_video.synthetic import SyntheticClip
from persam_video.tracking import FrameResult, Tracker
from persam_video.video import Frame, FrameStream

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sequence:
    """A video with its ground truth.

    Attributes:
        name: name of the sequence.
        frames: all frames.
        truth: ground-truth label maps, uint8 (H, W).
        given: annotations by frame index; the rest of the truth is for scoring only.
    """

    name: str
    frames: tuple[Frame, ...]
    truth: tuple[Labels, ...]
    given: Mapping[int, Labels]


def davis_sequences(root: Path) -> Iterator[Sequence]:
    """Read the available DAVIS-2016 val sequences, one at a time.

    Raises:
        DatasetError: there is no such dataset; raised by the call itself.
    """
    return map(_davis_sequence, DavisDataset(root, 2016, "val"))


def _davis_sequence(sequence: DavisSequence) -> Sequence:
    truth = tuple((_values(path) > 0).astype(np.uint8) for path in sequence.annotations)
    with FrameStream(sequence.images[0].parent) as stream:
        return Sequence(sequence.name, tuple(stream), truth, {0: truth[0]})


def clip_sequence(video: Path, masks: Path) -> Sequence:
    """Read a video and its indexed masks."""
    truth = tuple(_values(path) for path in sorted(masks.glob("*.png")))
    with FrameStream(video) as stream:
        return Sequence(video.stem, tuple(stream), truth, {0: truth[0]})


def synthetic_sequence(name: str, clip: SyntheticClip) -> Sequence:
    """Draw a clip; an object that enters later is annotated in the first frame that shows it."""
    drawn = list(clip.frames())
    truth = tuple(labels for _, labels in drawn)
    frames = tuple(
        Frame(index, rgb, float(index / clip.fps)) for index, (rgb, _) in enumerate(drawn)
    )
    given: dict[int, Labels] = {}
    for object_id in clip.object_ids:
        first = next(i for i, labels in enumerate(truth) if (labels == object_id).any())
        only = np.where(truth[first] == object_id, truth[first], 0).astype(np.uint8)
        given[first] = given[first] + only if first in given else only
    return Sequence(name, frames, truth, given)


def drawn_sequences(*clips: Callable[[], SyntheticClip]) -> Iterator[Sequence]:
    """Draw clips, which are named like the functions that give them."""
    for clip in clips:
        yield synthetic_sequence(clip.__name__, clip())


def schoolgirls(data: Path) -> Sequence:
    """Read the clip of seven look-alikes from the development data."""
    folder = data / "clips"
    return clip_sequence(folder / "schoolgirls.mp4", folder / "schoolgirls")


class EncodedSequence:
    """A sequence whose frames are already encoded.

    Args:
        sequence: the frames and their ground truth.
        model: the SAM.
    """

    def __init__(self, sequence: Sequence, model: SamModel) -> None:
        self.sequence = sequence
        self._model = model
        self._embeddings = [model.encode(frame.rgb) for frame in sequence.frames]

    def track(self, settings: Settings) -> list[FrameResult]:
        """Track the given objects through all frames."""
        model = cast(SamModel, _Replay(self._model, iter(self._embeddings)))
        tracker = Tracker(model, settings)
        given = self.sequence.given
        return [
            tracker.step(frame, given.get(index))
            for index, frame in enumerate(self.sequence.frames)
        ]

    def score(self, results: list[FrameResult]) -> SequenceScore:
        """Score as DAVIS does: without the first and the last frame."""
        predicted = [result.labels for result in results]
        return score_masks(self.sequence.truth[1:-1], predicted[1:-1], name=self.sequence.name)


class _Replay:
    """A model that returns stored embeddings instead of encoding."""

    def __init__(self, model: SamModel, embeddings: Iterator[ImageEmbedding]) -> None:
        self._embeddings = embeddings
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, rgb: Labels, view: View | None = None) -> ImageEmbedding:
        kept = next(self._embeddings)
        return kept if view is None else self._model.encode(rgb, view)


def _values(path: Path) -> Labels:
    """Return the values of a label PNG; of the first channel where there are several."""
    values = np.asarray(Image.open(path))
    return values[..., 0] if values.ndim == 3 else values
