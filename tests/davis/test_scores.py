import math

import numpy as np
import pytest

from persam_video.davis.scores import SequenceScorer, match_proposals, score_masks, score_proposals
from persam_video.errors import DatasetError


def test_frames_are_gathered_in_order(boxes):
    truth = boxes((1, 4, 4, 12, 12), (3, 16, 4, 24, 12))
    half = boxes((1, 4, 4, 8, 12), (3, 16, 4, 24, 12))
    scorer = SequenceScorer("clip")
    scorer.add(truth, truth, "first")
    scorer.add(truth, half)
    score = scorer.result()
    assert score.name == "clip"
    assert score.frames == ("first", "00001")
    assert [scored.object_id for scored in score.objects] == [1, 3]
    assert score.objects[0].region.tolist() == [1.0, 0.5]
    assert score.objects[1].region.tolist() == [1.0, 1.0]
    assert score.j.mean == 0.875
    assert score.mean == (score.j.mean + score.f.mean) / 2


def test_void_in_the_truth_is_background(boxes):
    truth = boxes((1, 4, 4, 12, 12), (255, 12, 4, 20, 12))
    found = boxes((1, 4, 4, 20, 12))
    score = score_masks([truth], [found])
    assert [scored.object_id for scored in score.objects] == [1]
    assert score.j.mean == 0.5


def test_an_object_absent_from_both_is_perfect(boxes):
    score = score_masks([boxes()], [boxes()], object_ids=(7,))
    assert score.mean == 1.0


def test_scores_can_start_after_an_object_appeared(boxes):
    empty, shown = boxes(), boxes((2, 4, 4, 12, 12))
    scorer = SequenceScorer("late", from_appearance=True)
    for truth in (empty, shown, shown, empty):
        scorer.add(truth, shown)
    (score,) = scorer.result().objects
    assert np.isnan(score.region[:2]).all()
    assert score.region[2:].tolist() == [1.0, 0.0]
    assert score.j.mean == 0.5


def test_labels_that_are_no_object_are_refused(boxes):
    truth, found = boxes((1, 4, 4, 12, 12)), boxes((1, 4, 4, 12, 12), (9, 20, 4, 24, 12))
    scorer = SequenceScorer("clip")
    scorer.add(truth, truth)
    scorer.add(truth, found)
    assert scorer.strays() == [("00001", (9,))]
    with pytest.raises(DatasetError, match=r"clip: frame 00001 holds label 9; .* objects are 1"):
        scorer.result()


def test_sequences_of_other_lengths_are_refused(boxes):
    with pytest.raises(ValueError, match="shorter"):
        score_masks([boxes()] * 2, [boxes()])


@pytest.mark.parametrize(
    "found", [np.zeros((24, 31), np.uint8), np.zeros((24, 32), int), np.zeros((24, 32), bool)]
)
def test_label_maps_that_do_not_fit_are_refused(boxes, found):
    with pytest.raises(ValueError, match="must be uint8 arrays of one shape"):
        SequenceScorer().add(boxes((1, 4, 4, 12, 12)), found)
    with pytest.raises(ValueError, match="must be uint8 arrays of one shape"):
        score_proposals(boxes(), found, 1)


def test_a_sequence_without_objects_has_no_figures(boxes):
    score = score_masks([boxes()], [boxes()])
    assert score.objects == ()
    assert math.isnan(score.mean)


@pytest.mark.parametrize("label", [1, 30, 200, 254])
def test_any_label_is_found(boxes, label):
    truth = boxes((label, 4, 4, 12, 12))
    score = score_masks([truth], [truth])
    assert [scored.object_id for scored in score.objects] == [label]


def test_each_object_gets_the_proposal_that_fits_over_all_frames(boxes):
    truth = [boxes((1, 2, 2, 10, 10), (2, 18, 2, 26, 10))] * 3
    found = [boxes((1, 18, 2, 26, 10), (2, 12, 14, 16, 18), (3, 2, 2, 10, 9))] * 3
    scores = [score_proposals(t, p, 2) for t, p in zip(truth, found, strict=True)]
    score = match_proposals("clip", ("a", "b", "c"), scores, (1, 2))
    assert [(scored.object_id, scored.proposal) for scored in score.objects] == [(1, 3), (2, 1)]
    assert score.objects[1].mean == 1.0


def test_void_pixels_do_not_count_for_proposals(boxes):
    truth = boxes((1, 2, 2, 10, 10), (255, 10, 2, 20, 10))
    found = boxes((1, 2, 2, 20, 10))
    score = match_proposals("clip", ("a",), [score_proposals(truth, found, 1)], (1,))
    assert score.mean == 1.0


def test_an_object_may_be_left_without_a_proposal(boxes):
    truth = boxes((1, 2, 2, 10, 10), (2, 18, 2, 26, 10))
    found = boxes((1, 18, 2, 26, 10))
    score = match_proposals("clip", ("a",), [score_proposals(truth, found, 2)], (1, 2))
    assert [scored.mean for scored in score.objects] == [0.0, 1.0]
