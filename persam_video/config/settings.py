"""The settings of a run, typed and validated, each with its description."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from persam_video.errors import ConfigError


class Section(BaseModel):
    """A group of settings; immutable, and unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _setting(default: Any, description: str, **limits: Any) -> Any:
    """Return a field; the description is what ``persam-video config show`` prints beside it."""
    return Field(default=default, description=description, **limits)


class ModelSettings(Section):
    """Which SAM, where and how."""

    name: str = _setting(
        "lite",
        "lite (embedded), vit_t, vit_b, vit_l, vit_h, sam2.1-tiny, -small, -base+, -large, "
        "edgetam, or a folder",
    )
    checkpoint: Path | None = _setting(
        None, "weight file, or folder; null uses the one that `models download` fetched"
    )
    device: str = _setting("auto", "auto, cpu, cuda, mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _setting(
        "auto", "auto, fp32, bf16, fp16; auto is bf16 where the device supports it"
    )
    image_size: int | None = _setting(
        None, "long side of the input in pixels; null for the model's default"
    )


class TargetSettings(Section):
    """The target embedding: the object's appearance as one vector."""

    pooling: Literal["mean", "mean_max"] = _setting(
        "mean_max", "over the object's cells: mean, or mean_max (half mean, half maximum)"
    )


class PromptSettings(Section):
    """The prompts of the first pass."""

    positive_points: int = _setting(1, "points at the highest location confidence", ge=0, le=16)
    negative_points: int = _setting(1, "points at the lowest location confidence", ge=0, le=16)
    box: bool = _setting(True, "prompt with the last box")
    box_margin: float = _setting(
        0.1, "enlarge it by this share of its size on each side", ge=0, le=2
    )
    mask: bool = _setting(False, "prompt with the last mask")
    matching: bool = _setting(True, "part-wise matching maps, if the model supports them")
    readout: bool = _setting(True, "readout of remembered frames, if the model supports it")
    window: float | None = _setting(
        1.0,
        "predict only this close to the last box, as a share of its longer side (at least 64 "
        "input pixels); null predicts everywhere",
        ge=0,
        le=100,
    )


class GuidanceSettings(Section):
    """Guidance of the first pass by the target."""

    attention: bool = _setting(False, "target-guided attention (TGA)")
    semantic: bool = _setting(True, "target-semantic prompting (TSP)")


class CascadeSettings(Section):
    """The refinement after the first pass."""

    first: Literal["single", "best"] = _setting(
        "single", "mask of the first pass: the single one, or the best of the three"
    )
    passes: int = _setting(1, "refinements: 0, 1 (by mask), 2 (then by mask and box)", ge=0, le=2)
    sure: float | None = _setting(
        0.9, "predicted IoU from which a mask is not refined; null refines all", ge=0, le=1
    )
    matching: bool = _setting(True, "keep the matching maps while refining")
    readout: bool = _setting(True, "keep what was read from memory while refining")


class PriorSettings(Section):
    """The temporal prior: the last mask as evidence of where the object is."""

    alpha: float = _setting(
        0.5, "weight of the last mask in the location confidence; 0 turns it off", ge=0, le=1
    )
    grow: int = _setting(1, "cells of the embedding by which the last mask is grown", ge=0, le=8)
    motion: float = _setting(
        0.0, "share of the last displacement by which mask and box are moved on", ge=0, le=1
    )


class MemorySettings(Section):
    """Past frames that are remembered besides the annotated and the last one."""

    frames: int = _setting(2, "maximum number; the oldest is dropped", ge=0, le=16)
    every: int = _setting(
        5, "good frames between two that are remembered; 0 remembers all", ge=0, le=1000
    )
    score: float = _setting(0.8, "score from which a frame counts as good", ge=0, le=1)


class ZoomSettings(Section):
    """The part of a frame that the model sees while no object is lost."""

    limit: float = _setting(2.0, "largest magnification; 1 shows the whole frame", ge=1, le=8)
    size: float = _setting(
        300.0, "magnify until objects have sides of this many input pixels on average", gt=0
    )
    room: float = _setting(
        2.0,
        "what is to be seen around an object, box included, in longer sides of the box",
        ge=1,
        le=10,
    )
    pixels: float = _setting(
        1.0,
        "pixels of the input, relative to those of the whole frame at its usual size; only lite "
        "takes more",
        ge=1,
        le=4,
    )
    least: float = _setting(
        0.925,
        "show the whole frame where the sides of a view would be more than this share of its sides",
        ge=0,
        le=1,
    )
    sure: float | None = _setting(
        0.87,
        "predicted IoU from which the model is sure of a mask; while it is of all, sure_room and "
        "sure_pixels hold instead of room and pixels (only lite); null for never",
        ge=0,
        le=1,
    )
    rival: float = _setting(
        1.05,
        "but not where something else in view resembles an object this many times as much as its "
        "mask does",
        ge=0,
    )
    sure_frames: int = _setting(1, "frames in a row after which it is sure", ge=1, le=100)
    sure_room: float = _setting(1.3, "room while it is sure", ge=1, le=10)
    sure_pixels: float = _setting(0.45, "pixels while it is sure", ge=0.1, le=4)
    small: float = _setting(
        125.0,
        "where four objects or more would have sides of fewer input pixels than this on average, "
        "they are seen with small_room and small_pixels, as far as limit allows (only lite); 0 for "
        "never",
        ge=0,
    )
    small_room: float = _setting(1.5, "room at most where the objects are small", ge=1, le=10)
    small_pixels: float = _setting(1.5, "pixels at least where the objects are small", ge=0.1, le=4)


class LostSettings(Section):
    """When an object is lost, and when it is found again."""

    score: float = _setting(0.15, "an object is lost when its score falls below this", ge=0, le=1)
    likeness_drop: float = _setting(
        0.3, "or when its mask resembles the object this much less than usual", ge=0, le=4
    )
    found: float = _setting(
        0.4, "it is found again when score and resemblance recover, the score to this", ge=0, le=1
    )
    confirm: int = _setting(2, "for this many frames in a row", ge=1, le=30)


class CutSettings(Section):
    """Scene cuts, after which objects are searched for in the whole frame."""

    detect: bool = _setting(True, "an object that is tracked at a cut is lost, and searched for")


class MaskSettings(Section):
    """Cleaning of the final masks."""

    min_component: float = _setting(
        0.02, "remove components smaller than this share of the largest", ge=0, le=1
    )
    reach: float | None = _setting(
        0.2,
        "remove components further from the last box than this share of its longer side, if "
        "another is closer; null keeps them",
        ge=0,
    )


class WeightSettings(Section):
    """PerSAM-F's fit of the mask weights."""

    steps: int = _setting(800, "optimiser steps on the cached logits", ge=1)
    learning_rate: float = _setting(4e-4, "initial rate of the cosine schedule", gt=0)


class Settings(Section):
    """All settings of a run; ``persam-video config show`` prints them with their descriptions."""

    procedure: Literal["tracker", "upstream"] = _setting(
        "tracker",
        "tracker; or upstream, whose scripts use only method, model and weights",
    )
    method: Literal["persam", "persam-f"] = _setting(
        "persam", "persam needs no training; persam-f fits two mask weights to the annotation"
    )
    model: ModelSettings = _setting(ModelSettings(), "which SAM, where and how")
    target: TargetSettings = _setting(TargetSettings(), "the object's appearance as one vector")
    prompts: PromptSettings = _setting(PromptSettings(), "prompts of the first pass")
    guidance: GuidanceSettings = _setting(
        GuidanceSettings(), "guidance of the first pass by the target"
    )
    cascade: CascadeSettings = _setting(CascadeSettings(), "the passes after the first")
    prior: PriorSettings = _setting(PriorSettings(), "the temporal prior")
    memory: MemorySettings = _setting(
        MemorySettings(), "past frames that are remembered besides the annotated and the last one"
    )
    zoom: ZoomSettings = _setting(ZoomSettings(), "the part of a frame that the model sees")
    lost: LostSettings = _setting(
        LostSettings(), "when an object counts as lost, and as found again"
    )
    cuts: CutSettings = _setting(CutSettings(), "scene cuts")
    masks: MaskSettings = _setting(MaskSettings(), "cleaning of the final masks")
    weights: WeightSettings = _setting(WeightSettings(), "PerSAM-F's fit; unused by persam")

    def require_tracker(self, reason: str) -> None:
        """Refuse ``upstream``, whose scripts track forwards from the first frame and no more.

        Args:
            reason: end of the message: what the procedure cannot do, and what to do instead.

        Raises:
            ConfigError: the procedure is ``upstream``.
        """
        if self.procedure == "upstream":
            raise ConfigError(f"the procedure 'upstream' {reason}")
