import numpy as np

from persam_video.results import FrameResult, ObjectResult, ObjectState


def test_a_label_map_gives_boxes_areas_and_states():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 2:7] = 4
    result = FrameResult.from_labels(3, 0.5, labels, [4, 9], scores={9: 0.25})
    assert result.objects == (
        ObjectResult(4, ObjectState.TRACKED, 1.0, (2, 1, 7, 3), 10),
        ObjectResult(9, ObjectState.LOST, 0.25, None, 0),
    )
    assert (result.index, result.time) == (3, 0.5)


def test_a_state_that_is_given_stays():
    labels = np.ones((2, 2), np.uint8)
    states = {1: ObjectState.LOST, 2: ObjectState.TRACKED}
    result = FrameResult.from_labels(0, 0.0, labels, [1, 2], states=states)
    assert {shown.object_id: shown.state for shown in result.objects} == states
