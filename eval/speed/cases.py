"""The comparisons of ``eval.benchmark``."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from eval.fit_weights import Scene as FitScene
from eval.fit_weights import reference_fit, reference_prompts
from eval.speed.models import TimedSam, VitModels, vit_models
from eval.speed.peers import Cutie
from eval.speed.rates import matrix_rate
from eval.speed.runs import film
from eval.speed.scenes import Scene, balls
from eval.speed.timing import Comparison, Spent
from persam_video.config import load_settings
from persam_video.run.tracker_factory import make_tracker
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel
from persam_video.tracking.ahead import encoding_ahead
from persam_video.video import Frame

REFERENCE_STEPS = 800
LEARNING_RATE = 4e-4


@dataclass(frozen=True)
class Extent:
    """How much work each comparison does.

    Attributes:
        lite_frames: frames of the embedded model's clips.
        run_frames: frames of the videos of whole runs.
        vit_frames: frames of the ViT's clips.
        steps: how many of its 800 optimiser steps upstream's fit really takes; all take equally
            long, so the time of the others is extrapolated.
        warm_up: whether the ViT encodes a frame before those that are timed.
    """

    lite_frames: int
    run_frames: int
    vit_frames: int
    steps: int
    warm_up: bool


def comparisons(
    vit: str | None, extent: Extent, cutie: Cutie | None = None
) -> Iterator[Comparison]:
    """Yield one comparison after the other; a model is released before the next one is built.

    Args:
        vit: vit_b, vit_l or vit_h; none of a ViT when not given.
        extent: how much is done.
        cutie: to compare with.
    """
    if vit is not None:
        yield from _of_vit(vit_models(vit), extent)
    yield from _of_lite(extent.lite_frames)
    yield from _of_runs(extent.run_frames, cutie)


def _of_vit(models: VitModels, extent: Extent) -> Iterator[Comparison]:
    name, precision = models.native.info.name, models.native.info.precision
    scene = balls(3, extent.vit_frames)
    work = (
        f"{extent.vit_frames} frames of 854x480, the first one learned from; encoding a frame is "
        "reckoned as above"
    )

    def of_encoder(median: Spent) -> tuple[str, ...]:
        ours, theirs = (m.kept.features for m in (models.native, models.original) if m.kept)
        mean = float(F.cosine_similarity(ours, theirs, dim=1).mean())
        fused = {torch.ops.mkldnn._linear_pointwise: _operations_of_linear}
        with FlopCounterMode(display=False, custom_mapping=fused) as counter:
            _encode(models.native, scene)
        rate = counter.get_total_flops() / median.processor
        share = rate / matrix_rate(models.native.dtype)
        return (
            f"ours in {precision}",
            f"mean cosine similarity of the cells {mean:.6f}",
            f"{rate / 1e9:.0f} GFLOP/s of each core, {100 * share:.0f} % of the rate of a product "
            "of two large matrices",
        )

    yield Comparison(
        f"image encoder, {name}, against segment-anything in fp32",
        aim="8 where bf16 is native, 1.5 in fp32",
        work="one frame",
        ours=lambda: _encode(models.native, scene),
        theirs=lambda: _encode(models.original, scene),
        notes=of_encoder,
        warm_up=extent.warm_up,
    )
    models.native.reckons = models.original.reckons = True
    ours, theirs = _Tracking(models.native, scene), _Tracking(models.original, scene)

    def decoded(_: Spent) -> tuple[str, ...]:
        return (f"objects decoded: ours {ours.decoded}, theirs {theirs.decoded}",)

    yield Comparison(
        f"PerSAM, 3 objects, {name}, against the reference's loop in fp32",
        aim="6",
        work=work,
        ours=lambda: ours.track("persam"),
        theirs=lambda: theirs.track("upstream"),
        notes=decoded,
    )
    yield Comparison(
        f"PerSAM-F with its fit, 3 objects, {name}, against the reference's loop in fp32",
        aim="20 on 10 frames",
        work=f"{work}; of the reference's {REFERENCE_STEPS} steps {extent.steps} are run",
        ours=lambda: ours.track("persam_f"),
        theirs=lambda: (
            theirs.track("upstream_f") + _reference_fits(models.original, scene, extent.steps)
        ),
        notes=decoded,
    )


def _of_lite(frames: int) -> Iterator[Comparison]:
    native, fp32 = (
        load_sam("lite", device="cpu", precision=precision) for precision in ("auto", "fp32")
    )
    one, eight = balls(1, frames), balls(8, frames)
    work = f"{frames} frames of 854x480, the first one learned from"

    def speed(median: Spent) -> tuple[str, ...]:
        return (f"ours in {native.info.precision}: {frames / median.wall:.1f} frames per second",)

    yield Comparison(
        "embedded model: 1 object against 8",
        aim="at most 2",
        work=work,
        ours=lambda: _follow(native, one),
        theirs=lambda: _follow(native, eight),
    )
    yield Comparison(
        "embedded model, 1 object, as `track` runs it, against frame by frame in fp32",
        aim="3, and 25 frames per second",
        work=work,
        ours=lambda: _follow(native, one, ahead=True),
        theirs=lambda: _follow(fp32, one),
        notes=speed,
    )


def _of_runs(frames: int, cutie: Cutie | None) -> Iterator[Comparison]:
    """Yield those of whole runs: the video is decoded, tracked, drawn over and encoded."""
    model = load_sam("lite", device="cpu")
    run = "embedded model, 1 object, `track` with masks and overlay"
    with film(frames, (854, 480)) as small:
        for name, size, aim in (("1080p", (1920, 1080), 1.5), ("4K", (3840, 2160), 2.5)):
            with film(frames, size) as large:
                yield Comparison(
                    f"{run}: 480p against {name}",
                    aim=f"at most {aim}",
                    work=f"{frames} frames",
                    ours=partial(small.track, model),
                    theirs=partial(large.track, model),
                )
        if cutie is not None:
            scene = balls(1, frames)
            yield Comparison(
                f"{run}, against the steps of Cutie-small in fp32",
                aim="10 where bf16 is native, 6 with AVX2",
                work=f"{frames} frames of 854x480, the first one learned from",
                ours=partial(small.track, model),
                theirs=partial(cutie.follow, scene),
            )


def _operations_of_linear(inputs: torch.Size, weight: torch.Size, *_: object, **__: object) -> int:
    """Return the operations of a linear layer, by the shapes of its input and of its weight."""
    return 2 * inputs.numel() * weight[0]


def _encode(model: SamModel, scene: Scene) -> Spent:
    model.encode(scene.frames[0])
    return Spent()


class _Tracking:
    """Tracks a clip with presets; ``decoded`` counts the objects decoded in the last run."""

    def __init__(self, model: TimedSam, scene: Scene) -> None:
        self._model = model
        self._scene = scene
        self.decoded = 0

    def track(self, preset: str) -> Spent:
        """Track, and return the time that was added instead of measured."""
        model, tracker = self._model, make_tracker(self._model, load_settings(preset))
        before, decoded = model.reckoned, model.decoded
        for number, frame in enumerate(self._scene.frames):
            tracker.step(frame, self._scene.labels if number == 0 else None)
        self.decoded = model.decoded - decoded
        return model.reckoned.since(before)


def _follow(model: SamModel, scene: Scene, *, ahead: bool = False) -> Spent:
    """Track with the default preset."""
    tracker = make_tracker(model, load_settings("persam"))
    frames = (Frame(number, rgb, number / 25) for number, rgb in enumerate(scene.frames))
    with encoding_ahead(tracker, frames, begin=0) if ahead else nullcontext(frames) as coming:
        for frame in coming:
            tracker.step(frame, scene.labels if frame.index == 0 else None)
    return Spent()


def _reference_fits(model: TimedSam, scene: Scene, steps: int) -> Spent:
    """Fit with the decoder in the loop, and return the extrapolated time of the skipped steps."""
    if model.kept is None:
        raise RuntimeError("no frame was encoded")
    begun = Spent.now()
    for object_id in range(1, int(scene.labels.max()) + 1):
        mask = scene.labels == object_id
        fit = FitScene("benchmark", model, model.kept, [mask])
        truth = torch.from_numpy(mask).float()
        reference_fit(fit, reference_prompts(model.kept, mask), truth, steps, LEARNING_RATE)
    return Spent.now().since(begun) * (REFERENCE_STEPS / steps - 1)
