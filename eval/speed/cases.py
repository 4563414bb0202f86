"""What is compared with what."""

import time
from collections.abc import Iterator

import torch
from fit_weights import Scene as FitScene
from fit_weights import reference_fit, reference_prompts
from torch.nn import functional as F

from persam_video.config import load_settings
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel
from persam_video.tracking.factory import make_tracker
from speed.models import VitModels, vit_models
from speed.scenes import Scene, balls
from speed.timing import Comparison

REFERENCE_STEPS = 800
LEARNING_RATE = 4e-4


def comparisons(vit: str, *, lite_frames: int, vit_frames: int, steps: int) -> Iterator[Comparison]:
    """Make one comparison after the other; a model is gone before the next one is built.

    Args:
        vit: vit_b, vit_l or vit_h.
        lite_frames: of the embedded model's clips.
        vit_frames: of the ViT's clips.
        steps: how many of the 800 optimiser steps the reference's fit really takes; each costs the
            same, and the others are reckoned.
    """
    yield from _of_vit(vit_models(vit), vit_frames, steps)
    yield from _of_lite(lite_frames)


def _of_vit(models: VitModels, frames: int, steps: int) -> Iterator[Comparison]:
    name, precision = models.native.info.name, models.native.info.precision
    scene = balls(3, frames)
    work = f"{frames} frames of 854x480, the first one learned from"

    def likeness() -> tuple[str, ...]:
        ours, theirs = (
            model.encode(scene.frames[0]).features for model in (models.native, models.original)
        )
        mean = float(F.cosine_similarity(ours, theirs, dim=1).mean())
        return (f"ours in {precision}", f"mean cosine similarity of the cells {mean:.6f}")

    yield Comparison(
        f"image encoder, {name}, against segment-anything in fp32",
        aim="8 where bf16 is native, 1.5 in fp32",
        work="one frame",
        ours=lambda: _encode(models.native, scene),
        theirs=lambda: _encode(models.original, scene),
        notes=likeness,
    )
    yield Comparison(
        f"PerSAM, 3 objects, {name}, against the reference's loop in fp32",
        aim="6",
        work=work,
        ours=lambda: _track(models.native, scene, "persam"),
        theirs=lambda: _track(models.original, scene, "upstream"),
        notes=lambda: _decoded(models, scene, ("persam", "upstream")),
    )
    yield Comparison(
        f"PerSAM-F with its fit, 3 objects, {name}, against the reference's loop in fp32",
        aim="20 on 10 frames",
        work=f"{work}; of the reference's {REFERENCE_STEPS} steps {steps} are run",
        ours=lambda: _track(models.native, scene, "persam_f"),
        theirs=lambda: (
            _track(models.original, scene, "upstream_f")
            + _reference_fits(models.original, scene, steps)
        ),
        notes=lambda: _decoded(models, scene, ("persam_f", "upstream_f")),
    )


def _of_lite(frames: int) -> Iterator[Comparison]:
    native, fp32 = (load_sam("lite", device="cpu", precision=each) for each in ("auto", "fp32"))
    one, eight = balls(1, frames), balls(8, frames)
    work = f"{frames} frames of 854x480, the first one learned from"
    yield Comparison(
        "embedded model: 1 object against 8",
        aim="at most 2.5",
        work=work,
        ours=lambda: _track(native, one, "persam"),
        theirs=lambda: _track(native, eight, "persam"),
    )
    yield Comparison(
        f"embedded model, 1 object: {native.info.precision} against fp32",
        aim="3, and 15 frames per second",
        work=work,
        ours=lambda: _track(native, one, "persam"),
        theirs=lambda: _track(fp32, one, "persam"),
        notes=lambda: (_agreement(native, fp32, eight),),
    )


def _encode(model: SamModel, scene: Scene) -> float:
    model.encode(scene.frames[0])
    return 0.0


def _track(model: SamModel, scene: Scene, preset: str) -> float:
    tracker = make_tracker(model, load_settings(preset))
    for number, frame in enumerate(scene.frames):
        tracker.step(frame, scene.labels if number == 0 else None)
    return 0.0


def _reference_fits(model: SamModel, scene: Scene, steps: int) -> float:
    """Fit with the decoder in the loop, and return the seconds of the steps that were left out."""
    begun = time.perf_counter()
    embedding = model.encode(scene.frames[0])
    encoded = time.perf_counter() - begun
    for object_id in range(1, int(scene.labels.max()) + 1):
        mask = scene.labels == object_id
        fit = FitScene("benchmark", model, embedding, [mask])
        truth = torch.from_numpy(mask).float()
        reference_fit(fit, reference_prompts(embedding, mask), truth, steps, LEARNING_RATE)
    fitted = time.perf_counter() - begun - encoded
    # the clip's tracking has encoded the frame already
    return fitted * (REFERENCE_STEPS / steps - 1) - encoded


def _decoded(models: VitModels, scene: Scene, presets: tuple[str, str]) -> tuple[str, ...]:
    """Tell how many object masks each side decoded: a side that lost its objects did less."""
    counts = []
    for model, preset in zip((models.native, models.original), presets, strict=True):
        before = model.decoded
        _track(model, scene, preset)
        counts.append(model.decoded - before)
    return (f"objects decoded: ours {counts[0]}, theirs {counts[1]}",)


def _agreement(native: SamModel, fp32: SamModel, scene: Scene) -> str:
    """Compare the final masks of two precisions."""
    trackers = [make_tracker(model, load_settings("persam")) for model in (native, fp32)]
    overlaps = []
    for number, frame in enumerate(scene.frames):
        given = scene.labels if number == 0 else None
        ours, theirs = (tracker.step(frame, given).labels for tracker in trackers)
        both, either = ((ours > 0) & (ours == theirs)).sum(), ((ours > 0) | (theirs > 0)).sum()
        overlaps.append(both / max(either, 1))
    return f"lowest IoU of the frames' label maps, 8 objects: {min(overlaps):.4f}"
