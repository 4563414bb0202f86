"""Masks in memory, of whatever kind."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks import Annotation, load_annotation, mask_array

MASK = np.zeros((6, 8), np.bool_)
MASK[2:5, 3:6] = True
LOGITS = np.where(MASK, 8.0, -8.0)

ONE_OBJECT: dict[str, Any] = {
    "bool": MASK,
    "bool, strided": np.repeat(MASK, 2, axis=1)[:, ::2],
    **{dtype: MASK.astype(dtype) for dtype in ("uint8", "int8", "uint16", "int32", "int64")},
    "0 and 255": MASK * np.uint8(255),
    "PIL 1": Image.fromarray(MASK),
    "PIL L": Image.fromarray(MASK * np.uint8(255)),
    "PIL RGB": Image.fromarray(MASK * np.uint8(255)).convert("RGB"),
    "PIL P": Image.fromarray(MASK.astype(np.uint8)).convert("P"),
    "bool tensor": torch.from_numpy(MASK),
    "uint8 tensor": torch.from_numpy(MASK.astype(np.uint8)),
    "int64 tensor": torch.from_numpy(MASK.astype(np.int64)),
}


@pytest.mark.parametrize("name", ONE_OBJECT)
def test_masks_without_doubt(name: str) -> None:
    mask = mask_array(ONE_OBJECT[name])
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, MASK)
    annotation = load_annotation(ONE_OBJECT[name], MASK.shape)
    assert annotation.object_ids == (1,)
    np.testing.assert_array_equal(annotation.labels, MASK)


REFUSED: dict[str, tuple[Any, str]] = {
    "logits": (LOGITS, r"float64 of shape \(6, 8\) from -8 to 8 \(if these are logits, mask > 0"),
    "float32": (LOGITS.astype(np.float32), "float32 of shape"),
    "float16": (LOGITS.astype(np.float16), "float16 of shape"),
    "bfloat16 tensor": (torch.from_numpy(LOGITS).bfloat16(), r"bfloat16 of shape \(6, 8\) from -8"),
    "tensor with a gradient": (torch.from_numpy(LOGITS).requires_grad_(), "float64 of shape"),
    "probabilities": (1 / (1 + np.exp(-LOGITS)), r"\(if these are probabilities, mask > 0\.5"),
    "NaN": (np.full((6, 8), np.nan), "float64 .* values that are not finite"),
    "-1 and 1": (MASK * np.int64(2) - 1, r"int64 .* from -1 to 1; .*: mask > 0"),
    "-1 and 1 of 8 bits": (MASK * np.int8(2) - np.int8(1), "int8 .* from -1 to 1"),
    "large": (MASK * np.uint16(65535), "uint16 .* from 0 to 65535"),
    "complex": (LOGITS * 1j, "complex128"),
    "words": (np.array([["a"]]), "U1"),
    "one channel": (MASK[..., None], r"bool of shape \(6, 8, 1\); .*: mask.squeeze\(\)"),
    "batch of one": (torch.from_numpy(MASK)[None], r"bool of shape \(1, 6, 8\); .*squeeze"),
    "colours": (np.zeros((6, 8, 3), np.uint8), r"uint8 of shape \(6, 8, 3\)"),
    "empty": (MASK[:0], r"\(0, 8\)"),
    "list": (MASK.tolist(), "is of type list"),
    "nothing": (None, "is of type NoneType"),
    "masked array": (np.ma.array(np.ones_like(MASK), mask=~MASK), "is of type MaskedArray"),
    "sparse tensor": (torch.from_numpy(MASK).to_sparse(), "Tensor .*sparse_coo"),
    "tensor without values": (torch.zeros(6, 8, device="meta"), "Tensor .*on meta"),
    "PIL float": (Image.fromarray(LOGITS.astype(np.float32) + 0.5), "not whole numbers"),
}


@pytest.mark.parametrize("take", [mask_array, Annotation.from_labels, load_annotation])
@pytest.mark.parametrize("name", REFUSED)
def test_what_leaves_doubt_is_named_in_one_line(name: str, take: Callable[[Any], Any]) -> None:
    array, message = REFUSED[name]
    with pytest.raises(AnnotationError, match=message) as raised:
        take(array)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("values", [(0, 2), (0, 1, 255), (0, 1, 2), (3, 255)])
def test_a_label_map_is_no_mask_of_one_object(values: tuple[int, ...]) -> None:
    first = min(value for value in values if value)
    with pytest.raises(AnnotationError, match=f"{values[0]}, {values[1]}.*mask == {first}"):
        mask_array(np.array([values]))


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_masks_are_copies(convert: Callable[[np.ndarray], Any]) -> None:
    for take in (mask_array, lambda mask: load_annotation(mask).labels):
        buffer = MASK.copy()
        taken = take(convert(buffer))
        buffer[:] = True
        np.testing.assert_array_equal(taken, MASK)
