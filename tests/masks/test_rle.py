import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from persam_video.masks import Rle, decode, encode, encode_labels

shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)
masks = hnp.arrays(np.bool_, shapes)
labels = hnp.arrays(np.uint8, shapes, elements=st.sampled_from([0, 1, 2, 9, 254, 255]))


# pycocotools' own array wrapper warns under numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def coco_code(mask: np.ndarray) -> Rle:
    code = coco.encode(np.asfortranarray(mask, np.uint8))
    return Rle(size=code["size"], counts=code["counts"].decode())


@given(masks)
def test_codes_are_those_of_pycocotools(mask: np.ndarray) -> None:
    code = encode(mask)
    assert code == coco_code(mask)
    np.testing.assert_array_equal(coco.decode(code), mask)
    np.testing.assert_array_equal(decode(code), mask)


@given(labels)
def test_all_objects_at_once(labels: np.ndarray) -> None:
    ids = [9, 1, 2, 3, 254, 255]
    codes = encode_labels(labels, ids)
    assert codes == {i: coco_code(labels == i) for i in ids}
    assert list(codes) == ids


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((1080, 1920), bool),
        np.ones((1080, 1920), bool),
        np.indices((300, 500)).sum(axis=0) % 2 == 0,
        np.arange(600 * 800).reshape(600, 800) % 77777 > 40000,
    ],
    ids=["empty", "full", "checkers", "long runs"],
)
def test_extreme_masks(mask: np.ndarray) -> None:
    assert encode(mask) == coco_code(mask)
    np.testing.assert_array_equal(decode(encode(mask)), mask)


def test_views_are_coded_as_they_look() -> None:
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
    for view in (labels.T, labels[::-1], labels[::2, 1::3], np.asfortranarray(labels)):
        np.testing.assert_array_equal(decode(encode_labels(view, [1])[1]), view == 1)


@pytest.mark.parametrize("counts", ["", "0", "o", "PPYZ", "0" * 5, "d0d0", "é", "~~~~", "P" * 30])
def test_a_damaged_code_is_refused(counts: str) -> None:
    with pytest.raises(ValueError, match=r"run-length|ascii"):
        decode(Rle(size=[4, 5], counts=counts))


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_a_mask_or_refused(counts: str) -> None:
    try:
        mask = decode(Rle(size=[4, 5], counts=counts))
    except ValueError:
        return
    assert mask.shape == (4, 5)
    np.testing.assert_array_equal(coco.decode({"size": [4, 5], "counts": counts}), mask)
