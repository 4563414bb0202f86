"""Invalid numbers in the model and unusual objects: no crash, no NaN in an output."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eval.robust.case import Case, expect
from persam_video.config import load_settings
from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.sam.build import load_model
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import MaskPrediction, Prompts
from persam_video.sam.transform import View
from persam_video.sinks import TracksJsonlSink
from persam_video.tracking import ObjectState, Tracker
from persam_video.video import Frame
from persam_video.video.picture import Pixels

HEIGHT, WIDTH = 64, 96
STEPS = 4
Pictures = NDArray[np.uint8]
Labels = NDArray[np.uint8]


class SpoiltSam(SamModel):
    """A SAM that returns an invalid number."""

    spoilt = float("nan")
    share = 1.0

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """Put the number into a share of the logits and of the scores."""
        answer = super().decode(embedding, prompts)
        rng = torch.Generator().manual_seed(0)
        logits, iou = (
            torch.where(torch.rand(v.shape, generator=rng) < self.share, self.spoilt, v)
            for v in (answer.logits, answer.iou)
        )
        return MaskPrediction(logits, iou)


class BlindSam(SamModel):
    """A SAM whose features are all the same, so that similarities are meaningless."""

    level = 0.0

    def encode(self, frame: Pixels, view: View | None = None) -> ImageEmbedding:
        """Return an embedding of one value."""
        real = super().encode(frame, view)
        return replace(
            real,
            features=torch.full_like(real.features, self.level),
            keys=torch.full_like(real.keys, self.level),
        )


def tracks(
    labels: Callable[[], Labels],
    pictures: Callable[[int], Pictures],
    become: type[SamModel] | None = None,
    **values: float,
) -> Callable[[Path], str]:
    """Return a check that tracking gives whole, finite results.

    Args:
        labels: gives the annotation.
        pictures: gives the picture of a frame.
        become: what the model is turned into.
        values: attributes of that.
    """

    def check(folder: Path) -> str:
        settings = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})
        model = load_model(settings)
        if become is not None:
            model.__class__ = become
            for name, value in values.items():
                setattr(model, name, value)
        tracker = Tracker(model, settings)
        annotation = labels()
        lost = 0
        with TracksJsonlSink(folder / "tracks.jsonl") as sink:
            for index in range(STEPS):
                frame = Frame(index, pictures(index), index / 25)
                result = tracker.step(frame, annotation if index == 0 else None)
                sink.write(frame, result)
                ids = set(np.unique(result.labels).tolist())
                expect(ids <= {0, *tracker.object_ids}, f"labels {ids}")
                for found in result.objects:
                    expect(0 <= found.score <= 1, f"score {found.score}")
                    expect((found.box is None) == (found.area == 0), f"box {found.box}")
                lost = sum(o.state is ObjectState.LOST for o in result.objects)
        lines = (folder / "tracks.jsonl").read_text().splitlines()
        for line in lines:
            json.loads(line, parse_constant=lambda name: expect(False, f"{name} in the output"))
        return f"{STEPS} frames, {len(tracker.object_ids)} objects, {lost} lost at the end"

    return check


def noise(index: int) -> Pictures:
    """Return a picture of noise."""
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def flat(level: int) -> Callable[[int], Pictures]:
    """Return a function that makes pictures of one grey level."""
    return lambda _: np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def twins(index: int) -> Pictures:
    """Return a picture with two squares that cannot be told apart."""
    rgb = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    for left in (10, 60):
        rgb[20:40, left + index : left + index + 20] = (240, 200, 20)
    return rgb


def marked(**places: tuple[slice, slice]) -> Callable[[], Labels]:
    """Return a function that makes a label map; the keywords are o1=..., o254=..."""

    def make() -> Labels:
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for name, place in places.items():
            labels[place] = int(name[1:])
        return labels

    return make


def many(count: int) -> Callable[[], Labels]:
    """Return a function that makes a label map of many small objects."""

    def make() -> Labels:
        places = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
        return (places // (HEIGHT * WIDTH // count) % count + 1).astype(np.uint8)

    return make


def too_many(_: Path) -> str:
    """Make a label map with values beyond the valid ids."""
    try:
        Annotation.from_labels(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 300)
    except AnnotationError as error:
        return f"error: {error}"
    expect(False, "was taken")
    return ""


def cases() -> list[Case]:
    """Return the cases of invalid numbers."""
    square = marked(o1=(slice(20, 40), slice(30, 60)))
    every = slice(None)
    finite = "finite scores, boxes and labels in every frame"
    checks: dict[str, Callable[[Path], str]] = {
        "logits and scores are NaN": tracks(square, noise, SpoiltSam),
        "some logits are NaN": tracks(square, noise, SpoiltSam, share=0.2),
        "logits are infinite": tracks(square, noise, SpoiltSam, spoilt=float("inf")),
        "logits are minus infinity": tracks(square, noise, SpoiltSam, spoilt=-float("inf")),
        "some logits are infinite": tracks(
            square, noise, SpoiltSam, spoilt=float("inf"), share=0.2
        ),
        "the similarity is zero everywhere": tracks(square, noise, BlindSam),
        "the similarity is one everywhere": tracks(square, noise, BlindSam, level=1.0),
        "the embedding is NaN": tracks(square, noise, BlindSam, level=float("nan")),
        "the embedding is infinite": tracks(square, noise, BlindSam, level=float("inf")),
        "an object of one pixel": tracks(marked(o1=(slice(9, 10), slice(9, 10))), noise),
        "an object of one pixel in the corner": tracks(
            marked(o1=(slice(HEIGHT - 1, None), slice(WIDTH - 1, None))), noise
        ),
        "an object as large as the frame": tracks(marked(o1=(every, every)), noise),
        "254 objects": tracks(many(254), noise),
        "ids 3, 100 and 254": tracks(
            marked(
                o3=(slice(5, 20), slice(5, 20)),
                o100=(slice(30, 50), slice(5, 30)),
                o254=(slice(30, 50), slice(60, 90)),
            ),
            noise,
        ),
        "objects that touch every border": tracks(
            marked(
                o1=(slice(0, 8), every),
                o2=(slice(HEIGHT - 8, None), every),
                o3=(slice(8, HEIGHT - 8), slice(0, 6)),
                o4=(slice(8, HEIGHT - 8), slice(WIDTH - 6, None)),
            ),
            noise,
        ),
        "two objects that look the same": tracks(
            marked(o1=(slice(20, 40), slice(10, 30)), o2=(slice(20, 40), slice(60, 80))), twins
        ),
        "a black video": tracks(square, flat(0)),
        "a white video": tracks(square, flat(255)),
        "a video that turns black": tracks(
            square, lambda index: noise(0) if index == 0 else flat(0)(0)
        ),
    }
    found = [Case("numbers", name, finite, check, 180) for name, check in checks.items()]
    found.append(
        Case("numbers", "300 objects", "one error that says what ids there are", too_many, 180)
    )
    return found
