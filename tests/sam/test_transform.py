import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from persam_video.sam.transform import InputTransform, View, scaled_size

SIZES = st.tuples(st.integers(1, 400), st.integers(1, 400))


@pytest.mark.parametrize(
    ("frame", "long_side", "multiple", "resized", "padded"),
    [
        ((480, 854), 1024, None, (576, 1024), (1024, 1024)),
        ((480, 854), 768, 32, (432, 768), (448, 768)),
        ((854, 480), 768, 32, (768, 432), (768, 448)),
        ((100, 100), 1024, None, (1024, 1024), (1024, 1024)),
        ((1, 5000), 768, 32, (1, 768), (32, 768)),
    ],
)
def test_the_long_side_is_the_model_s(frame, long_side, multiple, resized, padded):
    transform = InputTransform.fit(frame, long_side, multiple)
    assert transform.input_size == resized
    assert transform.padded_size == padded


def test_a_stretched_frame_fills_the_square():
    transform = InputTransform.fit((48, 96), 64, None, stretch=True)
    assert transform.input_size == transform.padded_size == (64, 64)
    corners = torch.tensor([[0.0, 0.0], [96.0, 48.0]])
    assert transform.coordinates(corners).tolist() == [[0, 0], [64, 64]]
    assert transform.frame_coordinates(transform.coordinates(corners)).equal(corners)
    assert transform.restore(torch.ones(1, 1, 16, 16)).eq(1).all()


def test_padding_comes_after_normalising():
    transform = InputTransform.fit((50, 100), 64, None)
    image = transform.image(np.full((50, 100, 3), 255, np.uint8), torch.device("cpu"))
    assert image.shape == (1, 3, 64, 64)
    assert (image[:, :, 32:] == 0).all()
    assert (image[:, :, :32] > 2).all()


@given(SIZES, st.sampled_from([64, 128]), st.sampled_from([None, 32]))
def test_maps_come_back_at_the_frame_s_size(size, long_side, multiple):
    transform = InputTransform.fit(size, long_side, multiple)
    rows, columns = (side // 4 for side in transform.padded_size)
    assert transform.restore(torch.zeros(2, 3, rows, columns)).shape == (2, 3, *size)


@given(st.integers(20, 300), st.integers(20, 300), st.data())
def test_a_mask_survives_the_way_there_and_back(height, width, data):
    transform = InputTransform.fit((height, width), 256, 32)
    x0 = data.draw(st.integers(0, width // 2))
    y0 = data.draw(st.integers(0, height // 2))
    mask = torch.zeros(1, height, width)
    mask[:, y0 : y0 + height // 2, x0 : x0 + width // 2] = 1
    there = transform.coverage(mask, transform.padded_size)
    assert there.shape == (1, *transform.padded_size)
    back = transform.restore(there[:, None])[0, 0] > 0.5
    wrong = (back != (mask[0] > 0.5)).sum().item()
    # resampling may move the border by less than a pixel of the coarser side
    coarse = max(1.0, max(height, width) / 256)
    assert wrong <= 2 * coarse * (height + width)


@given(SIZES, st.sampled_from([None, 32]), st.sampled_from([4, 16]), st.integers(0, 2**32 - 1))
def test_coverage_is_that_of_pooling_by_area_twice(size, multiple, cell, seed):
    transform = InputTransform.fit(size, 128, multiple)
    grid = tuple(side // cell for side in transform.padded_size)
    masks = torch.rand(2, *size, generator=torch.Generator().manual_seed(seed)) < 0.3
    height, width = transform.input_size
    resized = F.interpolate(masks[:, None].float(), (height, width), mode="area")
    down, right = transform.padded_size[0] - height, transform.padded_size[1] - width
    expected = F.avg_pool2d(F.pad(resized, (0, right, 0, down)), cell)[:, 0]
    found = transform.coverage(masks, grid)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert ((found > 0) == (expected > 0)).all()


@given(
    SIZES,
    st.sampled_from([(None, False), (32, False), (None, True)]),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_placed_logits_are_those_of_the_frame_where_they_are_positive(size, kind, seed, data):
    multiple, stretch = kind
    x0, y0 = (data.draw(st.integers(0, side - 1)) for side in size[::-1])
    x1, y1 = (
        data.draw(st.integers(begin + 1, side))
        for begin, side in zip((x0, y0), size[::-1], strict=True)
    )
    view = data.draw(
        st.sampled_from([None, View((x0, y0, x1, y1), scaled_size((y1 - y0, x1 - x0), 128))])
    )
    transform = InputTransform.fit(size, 128, multiple, view, stretch=stretch)
    rows, columns = (side // 4 for side in transform.padded_size)
    logits = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) - 2
    logits[:, : data.draw(st.integers(0, columns))] = -32
    whole = transform.restore(logits[None, None])[0, 0].numpy()
    placed = transform.placed(logits)
    part = whole[placed.window]
    np.testing.assert_allclose(placed.logits, part, atol=1e-3)
    sure = np.abs(whole) > 1e-3
    found = np.zeros(size, bool)
    found[placed.window] = placed.logits > 0
    assert np.array_equal(found[sure], whole[sure] > 0)


@given(SIZES, st.sampled_from([None, 32]), st.integers(0, 2**32 - 1), st.data())
def test_coverage_within_a_box_is_that_of_the_frame(size, multiple, seed, data):
    x0, y0 = (data.draw(st.integers(0, side)) for side in size[::-1])
    x1, y1 = (
        data.draw(st.integers(begin, side))
        for begin, side in zip((x0, y0), size[::-1], strict=True)
    )
    part = size[1] // 3, size[0] // 3, size[1], size[0]
    view = data.draw(st.sampled_from([None, View(part, (96, 128))]))
    transform = InputTransform.fit(size, 128, multiple, view)
    masks = torch.zeros(2, *size)
    masks[:, y0:y1, x0:x1] = torch.rand(
        2, y1 - y0, x1 - x0, generator=torch.Generator().manual_seed(seed)
    )
    grid = tuple(side // 4 for side in transform.padded_size)
    found = transform.coverage(masks[:, y0:y1, x0:x1], grid, (x0, y0, x1, y1))
    torch.testing.assert_close(found, transform.coverage(masks, grid), atol=1e-5, rtol=0)


def test_coordinates_scale_with_the_image():
    transform = InputTransform.fit((480, 854), 1024, None)
    corner = transform.coordinates(torch.tensor([[854.0, 480.0]]))
    assert torch.allclose(corner, torch.tensor([[1024.0, 576.0]]))
