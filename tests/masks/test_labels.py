import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.masks import areas_of_labels, label_map, merge_logits, one_hot
from persam_video.masks.labels import MAX_OBJECT_ID

IDS = [7, 1, 254, 12]
label_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=10),
    elements=st.sampled_from([0, *IDS]),
)
logit_planes = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 6)),
    elements=st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 0.5, 0.5, 3.0, np.inf, np.nan]),
)


@given(label_maps)
def test_one_hot_and_back(labels: np.ndarray) -> None:
    masks = one_hot(labels, IDS)
    assert masks.shape == (len(IDS), *labels.shape)
    assert masks.dtype == np.bool_
    np.testing.assert_array_equal(label_map(masks, IDS), labels)
    everything = (0, *IDS)
    areas = {i: int((labels == i).sum()) for i in everything}
    assert areas_of_labels(labels, everything) == areas


def test_where_masks_overlap_the_lowest_id_wins() -> None:
    masks = np.ones((3, 1, 2), bool)
    masks[1, 0, 1] = False
    np.testing.assert_array_equal(label_map(masks, [9, 2, 5]), [[2, 5]])


@given(logit_planes)
def test_merge_is_the_argmax_with_the_background(logits: np.ndarray) -> None:
    ids = IDS[: len(logits)]
    order = np.argsort(ids)
    background = np.zeros((1, *logits.shape[1:]), np.float32)
    planes = np.concatenate([background, np.where(np.isnan(logits), -np.inf, logits)[order]])
    expected = np.array([0, *sorted(ids)])[planes.argmax(axis=0)]
    merged = merge_logits(logits, ids)
    assert merged.dtype == np.uint8
    np.testing.assert_array_equal(merged, expected)


def test_many_objects() -> None:
    count = MAX_OBJECT_ID
    logits = np.eye(count, dtype=np.float32).reshape(count, 2, 127)
    merged = merge_logits(logits, range(1, count + 1))
    np.testing.assert_array_equal(merged.ravel(), np.arange(1, count + 1))


@pytest.mark.parametrize("ids", [[1], [1, 1], [0, 1], [1, 255], [1, 2, 3]])
def test_ids_that_do_not_fit(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="ids"):
        merge_logits(np.zeros((2, 3, 3), np.float32), ids)
    with pytest.raises(ValueError, match="ids"):
        label_map(np.zeros((2, 3, 3), bool), ids)
