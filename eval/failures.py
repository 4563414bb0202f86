"""Draw clips on which the embedded model fails, for its model card.

    python -m eval.failures

Draws three hard clips with exact ground truth, tracks them with the preset ``persam``, and writes
``docs/failures.png``: a row of four frames for each clip. True positives are light, false negatives
red and false positives blue. Prints J of each clip.
"""

from pathlib import Path

import cv2
import numpy as np

from eval import common
from eval.sequences import EncodedSequence, Sequence, synthetic_sequence
from persam_video import synthetic
from persam_video.config import load_settings
from persam_video.report.pictures import error_map
from persam_video.sam.build import load_model
from persam_video.synthetic.bodies import Kind
from persam_video.tracking import FrameResult
from persam_video.util.atomic import write_bytes

PICTURE = Path(__file__).parents[1] / "docs" / "failures.png"
GOLD, BLUE = (0.93, 0.55, 0.12), (0.12, 0.30, 0.72)
MOMENTS = (10, 25, 40, 55)
WIDTH = 320


def crowd() -> synthetic.SyntheticClip:
    """One koi among four identical ones that cross its path, in front of it and behind it."""
    lanes = (0.22, 0.42, 0.62, 0.82)
    doubles = [
        _koi(0, 0.92 - 0.05 * n, lane, 0.10 + 0.06 * n, lanes[-1 - n], 180)
        for n, lane in enumerate(lanes)
    ]
    return synthetic.SyntheticClip((*doubles[:2], _koi(1, 0.1, 0.5, 0.9, 0.52, 4), *doubles[2:]))


def speck() -> synthetic.SyntheticClip:
    """A ball of nine pixels, smaller than a cell of the embedding, that crosses the picture."""
    path = (synthetic.Waypoint(0, 0.1, 0.3), synthetic.Waypoint(59, 0.9, 0.6))
    return synthetic.SyntheticClip((synthetic.SyntheticObject(1, Kind.BALL, BLUE, 0.025, path),))


def _koi(
    object_id: int, x: float, y: float, to_x: float, to_y: float, angle: float
) -> synthetic.SyntheticObject:
    path = (synthetic.Waypoint(0, x, y, angle), synthetic.Waypoint(59, to_x, to_y, angle))
    return synthetic.SyntheticObject(object_id, Kind.KOI, GOLD, 0.4, path)


def row(sequence: Sequence, results: list[FrameResult]) -> np.ndarray:
    """Return frames of one clip side by side, RGB."""
    cells = [
        error_map(sequence.frames[at].rgb, sequence.truth[at], results[at].labels) for at in MOMENTS
    ]
    height = round(WIDTH * cells[0].shape[0] / cells[0].shape[1])
    return np.hstack([cv2.resize(c, (WIDTH, height), interpolation=cv2.INTER_AREA) for c in cells])


def main() -> None:
    """Draw, track and write the picture."""
    settings = load_settings()
    model = load_model(settings)
    rows = []
    clips = (("crowd", crowd()), ("speck", speck()), ("crossing", synthetic.crossing()))
    for name, clip in clips:
        encoded = EncodedSequence(synthetic_sequence(name, clip), model)
        results = encoded.track(settings)
        rows.append(row(encoded.sequence, results))
        print(f"{name:<10} J {encoded.score(results).j.mean:.3f}", flush=True)
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    write_bytes(PICTURE, cv2.imencode(".png", sheet)[1].tobytes())


if __name__ == "__main__":
    common.run(main)
