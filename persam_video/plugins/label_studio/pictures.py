"""Clicks and boxes in a picture of Label Studio, and the masks that answer them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.boxes import box_of
from persam_video.masks.polygons import part_polygons
from persam_video.plugins.label_studio.brush import brush_code
from persam_video.plugins.label_studio.interface import Medium, Tool
from persam_video.prompting import ObjectPrompts, annotate, encode_for_prompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.video.image_decoder import read_image

_Encoded: TypeAlias = tuple[NDArray[np.uint8], tuple[ImageEmbedding, ...]]

_KEPT = 4
"""Encoded pictures that are kept: clicks go on in one, and somebody goes back and forth."""

_TOLERANCE = 1.0
"""Pixels between a polygon and the edge of its mask."""


class PictureAnswers:
    """Answers what is drawn in pictures; the latest pictures stay encoded."""

    def __init__(self) -> None:
        self._encoded: OrderedDict[tuple[Path, int], _Encoded] = OrderedDict()

    def answer(
        self, model: SamModel, path: Path, medium: Medium, drawn: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Segment the object that clicks and boxes name.

        Args:
            model: the SAM.
            path: of the picture.
            medium: what the project calls it.
            drawn: results of Label Studio that hold the clicks and boxes.

        Returns:
            Results for Label Studio: one, or, of polygons, one for each part of the object; none
            while only points beside the object are given.

        Raises:
            AnnotationError: the prompts are none, or give an empty mask.
            SourceError: the picture cannot be read.
        """
        assert medium.masks is not None
        rgb, embeddings = self._encode(model, path)
        height, width = rgb.shape[:2]
        prompts = _prompts(drawn, (height, width))
        if prompts.box is None and not prompts.points:
            return []
        mask = annotate(model, rgb, [prompts], embeddings=embeddings).mask(1)
        facts = {
            "from_name": medium.masks.name,
            "to_name": medium.name,
            "type": medium.masks.kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        labels = {medium.masks.kind: _labels(drawn)}
        return [
            {"id": uuid4().hex[:10], **facts, "value": value | labels}
            for value in _values(mask, medium.masks)
        ]

    def _encode(self, model: SamModel, path: Path) -> _Encoded:
        key = path, path.stat().st_mtime_ns
        found = self._encoded.pop(key, None)
        if found is None:
            rgb = read_image(path)
            found = rgb, encode_for_prompts(model, rgb)
        self._encoded[key] = found
        while len(self._encoded) > _KEPT:
            self._encoded.popitem(last=False)
        return found


def _prompts(drawn: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> ObjectPrompts:
    """Read clicks and boxes, in percent of a picture of (height, width).

    Raises:
        AnnotationError: they cannot be read.
    """
    height, width = size
    boxes: list[tuple[float, float, float, float]] = []
    points: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    try:
        for result in drawn:
            value = result["value"]
            kind = str(result["type"])
            x, y = float(value["x"]) * width / 100, float(value["y"]) * height / 100
            if kind.startswith("keypoint"):
                inside = min(max(x, 0.0), width - 1e-3), min(max(y, 0.0), height - 1e-3)
                points[bool(result.get("is_positive", True))].append(inside)
            elif kind.startswith("rectangle"):
                right = x + float(value["width"]) * width / 100
                low = y + float(value["height"]) * height / 100
                boxes.append((max(x, 0.0), max(y, 0.0), min(right, width), min(low, height)))
    except (LookupError, TypeError, ValueError) as error:
        raise AnnotationError(f"what was drawn cannot be read: {error!r}") from error
    box = boxes[-1] if boxes else None
    return ObjectPrompts(1, box, tuple(points[True]), tuple(points[False]))


def _labels(drawn: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the labels that were chosen when something was drawn."""
    for result in drawn:
        value = result["value"]
        for labels in (value.get(result["type"]), value.get("labels")):
            if isinstance(labels, list) and labels:
                return [str(label) for label in labels]
    return []


def _values(mask: NDArray[np.bool_], tool: Tool) -> list[dict[str, Any]]:
    """Return a mask as values of a tool, in percent of the picture."""
    height, width = mask.shape
    if tool.tag == "BrushLabels":
        return [{"format": "rle", "rle": brush_code(mask)}]
    if tool.tag == "PolygonLabels":
        share = np.array([100 / width, 100 / height])
        parts = part_polygons(mask, _TOLERANCE)
        return [{"points": (part * share).tolist(), "closed": True} for part in parts]
    x0, y0, x1, y1 = box_of(mask) or (0, 0, 0, 0)
    place = {"x": x0 / width, "y": y0 / height}
    extent = {"width": (x1 - x0) / width, "height": (y1 - y0) / height}
    return [{key: 100 * share for key, share in (place | extent).items()} | {"rotation": 0}]
