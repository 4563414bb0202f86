"""Scores against what the masks are worth."""

import numpy as np
import pytest

from eval.reliability import Scored, binned, calibration_error, scored
from eval.sequences import Sequence
from persam_video.results import FrameResult


def test_a_score_that_is_the_iou_has_no_error() -> None:
    objects = [Scored(value, value, shown=True) for value in (0.05, 0.31, 0.39, 1.0)]
    bins = binned(objects)
    assert [(one.low, one.count) for one in bins] == [(0.0, 1), (0.3, 2), (0.9, 1)]
    assert calibration_error(bins) == pytest.approx(0)


def test_the_error_weighs_bins_by_their_size() -> None:
    sure = [Scored(0.95, 0.55, shown=True)] * 3
    unsure = [Scored(0.15, 0.0, shown=False)]
    bins = binned(sure + unsure)
    assert calibration_error(bins) == pytest.approx((3 * 0.4 + 0.15) / 4)
    assert [one.hidden for one in bins] == [1, 0]


def test_annotated_frames_and_masks_that_were_not_believed_do_not_count() -> None:
    truth = np.zeros((3, 4, 6), np.uint8)
    truth[:2, :2, :3] = 1
    found = truth.copy()
    found[1, :2, :] = 1  # twice too large
    results = [
        FrameResult.from_labels(i, 0.0, labels, [1], scores={1: score})
        for i, (labels, score) in enumerate(zip(found, (1.0, 0.6, 0.2), strict=True))
    ]
    sequence = Sequence("clip", (), tuple(truth), {0: truth[0]})
    assert list(scored(sequence, results)) == [
        Scored(0.6, 0.5, shown=True),
        Scored(0.2, 0.0, shown=False),
    ]
    unbelieved = FrameResult.from_labels(1, 0.0, np.zeros_like(truth[1]), [1], scores={1: 0.1})
    assert list(scored(sequence, [results[0], unbelieved, results[2]])) == [
        Scored(0.2, 0.0, shown=False)
    ]
