"""Measure how many clicks an object needs, and what a box gives, on held-out photographs.

    python -m eval.first_clicks --data ../shared/data/train

Clicks are placed as in the evaluation of RITM, each in the middle of the largest wrong region,
which at first is the object itself, and answered as in the studio. Prints the mean IoU after one to
five clicks and after a box, and the number of clicks that reach an IoU of 0.85 and 0.90 (six where
five are not enough), for all photographs of ``tools/lite_training/held_out.txt`` and for those that
no weights were ever trained on; writes them to ``eval/results/first_clicks.json``.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eval import common
from persam_video.config import load_settings
from persam_video.errors import AnnotationError
from persam_video.masks.labels import VOID
from persam_video.prompting.clicks import next_click
from persam_video.sam import SamModel
from persam_video.sam.build import load_model
from persam_video.studio.clicks import ClickAnswerer
from persam_video.studio.gestures import Box, Click
from persam_video.video import Frame

HELD_OUT = Path(__file__).parents[1] / "tools" / "lite_training" / "held_out.txt"
CLICKS = 5
GOALS = (0.85, 0.90)

# the first weights were trained on the other sources, before anything was held out
_NEVER_SEEN = ("voc_", "wz_")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Photo:
    """A photograph and its largest object.

    Attributes:
        name: in the list.
        rgb: uint8 (H, W, 3).
        truth: bool (H, W).
        known: bool (H, W), where the truth is known.
    """

    name: str
    rgb: NDArray[np.uint8]
    truth: Mask
    known: Mask


@dataclass(frozen=True)
class Score:
    """The results of one photograph.

    Attributes:
        name: of the photograph.
        clicks: IoU after each click.
        box: IoU after a box.
        seconds: of one answer, on average.
    """

    name: str
    clicks: tuple[float, ...]
    box: float
    seconds: float

    def needed(self, goal: float) -> int:
        """Return the number of clicks that reach a goal, one more than there are if none does."""
        reached = (number for number, iou in enumerate(self.clicks, start=1) if iou >= goal)
        return next(reached, len(self.clicks) + 1)


def read_photo(root: Path, name: str) -> Photo:
    """Read a photograph of the training folder."""
    bgr = cv2.imread(str(root / "images" / f"{name}.webp"), cv2.IMREAD_COLOR)
    labels = cv2.imread(str(root / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    if bgr is None or labels is None:
        raise SystemExit(f"no picture or no mask of {name} in {root}: give the training folder")
    if set(np.unique(labels)) <= {0, VOID}:
        labels = (labels > 0).astype(np.uint8)
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[0] = counts[VOID] = 0
    rgb = np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8)
    return Photo(name, rgb, labels == int(counts.argmax()), labels != VOID)


def score(model: SamModel, photo: Photo) -> Score:
    """Click until there are enough clicks, then draw a box instead."""
    begun = time.monotonic()
    frame = Frame(0, photo.rgb, 0.0)
    answerer = ClickAnswerer()
    mask = np.zeros_like(photo.truth)
    clicks: list[Click | Box] = []
    reached = []
    for _ in range(CLICKS):
        click = next_click(mask, photo.truth, photo.known)
        if click is not None:
            clicks.append(Click(*click))
            mask = _answer(answerer, model, frame, clicks, mask)
        reached.append(_iou(mask, photo))
    rows, columns = np.nonzero(photo.truth)
    corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    x0, y0, x1, y1 = map(float, corners)
    boxed = _answer(answerer, model, frame, [Box((x0, y0, x1, y1))], np.zeros_like(mask))
    return Score(
        photo.name, tuple(reached), _iou(boxed, photo), (time.monotonic() - begun) / (CLICKS + 1)
    )


def _answer(
    answerer: ClickAnswerer,
    model: SamModel,
    frame: Frame,
    marks: Sequence[Click | Box],
    mask: Mask,
) -> Mask:
    try:
        return answerer.answer(model, frame, 1, marks, mask if mask.any() else None)
    except AnnotationError:  # an empty mask
        return mask


def _iou(mask: Mask, photo: Photo) -> float:
    return common.iou(mask & photo.known, photo.truth & photo.known)


def summary(scores: list[Score]) -> dict[str, Any]:
    """Return the figures to write."""
    return {
        "photos": len(scores),
        "mean IoU by clicks": np.mean([s.clicks for s in scores], axis=0).round(4).tolist(),
        "mean IoU by box": round(float(np.mean([s.box for s in scores])), 4),
        **{
            f"clicks to {goal:.2f}": round(float(np.mean([s.needed(goal) for s in scores])), 3)
            for goal in GOALS
        },
    }


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of training data")
    common.add_checkpoint(parser)
    parser.add_argument(
        "--limit", type=common.count, help="use only N photographs, and write nothing", metavar="N"
    )
    args = parser.parse_args()

    names = HELD_OUT.read_text(encoding="utf-8").splitlines()
    if args.limit is not None:
        names = names[:: max(1, len(names) // args.limit)][: args.limit]
    model = load_model(load_settings("persam", {"model.checkpoint": args.checkpoint}))
    scores = [score(model, read_photo(args.data, name)) for name in names]
    fresh = [s for s in scores if s.name.startswith(_NEVER_SEEN)]
    figures = {
        "all": summary(scores),
        "never trained on": summary(fresh),
        "seconds for an answer": round(float(np.median([s.seconds for s in scores])), 3),
        "model": common.identity(model.info),
        "photos": {
            s.name: {"clicks": np.round(s.clicks, 3).tolist(), "box": round(s.box, 3)}
            for s in scores
        },
    }
    print(json.dumps({k: v for k, v in figures.items() if k != "photos"}, indent=2))
    if args.limit is None:
        common.write_results("first_clicks", figures)


if __name__ == "__main__":
    common.run(main)
