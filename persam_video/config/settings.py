"""The settings of a run: typed, checked, and each explained where it stands."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Settings that belong together; unknown ones are refused, and none changes in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _setting(default: Any, description: str, **limits: Any) -> Any:
    """Return a field; the description is what ``persam-video config show`` prints beside it."""
    return Field(default=default, description=description, **limits)


class ModelSettings(Section):
    """Which SAM, where and how."""

    name: str = _setting("lite", "lite (embedded), vit_t, vit_b, vit_l, vit_h")
    checkpoint: Path | None = _setting(
        None, "weight file; null takes the one that `models download` fetched"
    )
    device: str = _setting("auto", "auto, cpu, cuda, mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _setting(
        "auto", "auto, fp32, bf16, fp16; auto is bf16 where it is native"
    )
    image_size: int | None = _setting(
        None, "long side of the input in pixels; null is the model's own"
    )


class TargetSettings(Section):
    """The target embedding: what the object looks like, as one vector."""

    pooling: Literal["mean", "mean_max"] = _setting(
        "mean_max", "over the object's cells: mean, or mean_max (half mean, half maximum)"
    )


class PromptSettings(Section):
    """The prompts of the first pass."""

    positive_points: int = _setting(1, "at the highest location confidence", ge=0, le=16)
    negative_points: int = _setting(1, "at the lowest", ge=0, le=16)
    box: bool = _setting(True, "the last box, grown")
    box_margin: float = _setting(0.1, "by this share of its size on each side", ge=0, le=2)
    mask: bool = _setting(False, "the last mask as mask prompt")
    matching: bool = _setting(True, "part-wise matching maps, for models that take them")
    readout: bool = _setting(True, "what is read from remembered frames, for models that read them")
    window: float | None = _setting(
        1.0,
        "look no further from the last box than this share of its longer side, or 64 input "
        "pixels; null looks everywhere",
        ge=0,
        le=100,
    )


class GuidanceSettings(Section):
    """How the target steers the first pass."""

    attention: bool = _setting(False, "target-guided attention (TGA)")
    semantic: bool = _setting(True, "target-semantic prompting (TSP)")


class CascadeSettings(Section):
    """The refinement after the first pass."""

    passes: int = _setting(1, "refinements: 0, 1 (mask), 2 (then mask and box)", ge=0, le=2)
    matching: bool = _setting(True, "keep the matching maps while refining")
    readout: bool = _setting(True, "keep what was read from memory while refining")


class PriorSettings(Section):
    """The temporal prior: where the last mask says that the object is."""

    alpha: float = _setting(
        0.5, "share of the last mask in the location confidence; 0 switches it off", ge=0, le=1
    )
    grow: int = _setting(1, "cells of the embedding that the last mask grows by", ge=0, le=8)
    motion: float = _setting(
        0.0, "share of the last displacement that mask and box are moved by", ge=0, le=1
    )


class MemorySettings(Section):
    """The good past frames that are read besides the annotated and the last one."""

    frames: int = _setting(2, "at most; the oldest gives way", ge=0, le=16)
    every: int = _setting(5, "one in so many good frames", ge=1, le=1000)
    score: float = _setting(0.8, "of at least this score", ge=0, le=1)


class ZoomSettings(Section):
    """What the model is shown of a frame while no object is lost."""

    limit: float = _setting(1.0, "how much it may enlarge; 1 shows the whole frame", ge=1, le=8)
    room: float = _setting(
        2.0, "side of what is shown, in sides of the box around all objects", ge=1, le=10
    )
    least: float = _setting(
        0.85, "the whole frame where more than this share of its sides would be", ge=0, le=1
    )


class LostSettings(Section):
    """When an object is lost, and when it is found again."""

    score: float = _setting(0.15, "an object whose score falls below this is lost", ge=0, le=1)
    likeness_drop: float = _setting(
        0.3, "or whose mask is by this much less like the object than usual", ge=0, le=4
    )
    found: float = _setting(
        0.4, "it is found again when its score reaches this, the likeness being back", ge=0, le=1
    )
    confirm: int = _setting(2, "in so many frames in a row", ge=1, le=30)


class MaskSettings(Section):
    """The masks that come out."""

    min_component: float = _setting(
        0.02, "components smaller than this share of the largest are removed", ge=0, le=1
    )
    reach: float | None = _setting(
        0.15,
        "so are those further from the last box than this share of its longer side, if another "
        "is near; null keeps them",
        ge=0,
    )


class WeightSettings(Section):
    """PerSAM-F's fit of the mask weights."""

    steps: int = _setting(800, "optimiser steps on the cached logits", ge=1)
    learning_rate: float = _setting(4e-4, "at the start of the cosine schedule", gt=0)


class Settings(Section):
    """All settings of a run; ``persam-video config show`` prints them with their meaning."""

    procedure: Literal["tracker", "upstream"] = _setting(
        "tracker",
        "tracker, or upstream: as the reference's video scripts, by method, model, weights only",
    )
    method: Literal["persam", "persam-f"] = _setting(
        "persam", "persam learns nothing, persam-f learns two mask weights from the annotation"
    )
    model: ModelSettings = _setting(ModelSettings(), "which SAM, where and how")
    target: TargetSettings = _setting(TargetSettings(), "what the object looks like, as one vector")
    prompts: PromptSettings = _setting(PromptSettings(), "of the first pass")
    guidance: GuidanceSettings = _setting(GuidanceSettings(), "of the first pass")
    cascade: CascadeSettings = _setting(CascadeSettings(), "the passes after the first")
    prior: PriorSettings = _setting(PriorSettings(), "the temporal prior")
    memory: MemorySettings = _setting(
        MemorySettings(), "good past frames that are read besides the annotated and the last one"
    )
    zoom: ZoomSettings = _setting(ZoomSettings(), "what the model is shown of a frame")
    lost: LostSettings = _setting(LostSettings(), "when an object is lost, and found again")
    masks: MaskSettings = _setting(MaskSettings(), "cleaning of the masks that come out")
    weights: WeightSettings = _setting(WeightSettings(), "PerSAM-F's fit; unused by persam")
