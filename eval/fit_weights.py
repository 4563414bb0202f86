"""Time PerSAM-F's fit against that of the upstream scripts, and compare the weights.

    python -m eval.fit_weights

Upstream's way runs the decoder, enlarges its masks to the frame and differentiates the loss at
each step, one object after the other. Ours runs the decoder once and fits all objects together
(``persam_video.persam.mask_weights``); its time includes that one decoding. Both get the prompts
of ``persam_video_f.py``: the most similar pixel, the box and its centre.

With the development data in ``../shared/data``, it is the nano SAM on the three objects of the
parity clip. Without, it is a ViT-B decoder with random weights on random features, which has the
real size but no meaning. Times are processor times of one thread, so that other programs on the
machine do not count.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eval import common
from eval.nano_sam import load_nano_sam
from persam_video.masks import box_of, read_annotation
from persam_video.persam.mask_weights import EQUAL, fit_mask_weights, mask_loss, mix_masks
from persam_video.persam.target import target_embedding
from persam_video.sam.build import build_network
from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import model_spec
from persam_video.sam.transform import InputTransform
from persam_video.upstream.steps import painted_cells, predict
from persam_video.upstream.tracker import SIMILARITY_POINTS, first_prompts

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """An annotated frame to fit on.

    Attributes:
        name: what it is.
        model: the SAM.
        embedding: of the frame.
        masks: (H, W) of each object.
    """

    name: str
    model: SamModel
    embedding: ImageEmbedding
    masks: Sequence[NDArray[np.bool_]]


@dataclass(frozen=True)
class ObjectFit:
    """The fits of one object.

    Attributes:
        ours: our two weights.
        reference: upstream's.
        difference: the largest absolute one between them.
        ours_loss: dice plus focal loss at our weights.
        reference_loss: and at upstream's.
    """

    ours: list[float]
    reference: list[float]
    difference: float
    ours_loss: float
    reference_loss: float


@dataclass(frozen=True)
class Comparison:
    """Both ways on one scene.

    Attributes:
        scene: its name.
        steps: optimiser steps.
        ours_seconds: our time for all objects.
        reference_seconds: upstream's.
        ratio: upstream's time divided by ours.
        objects: the fits.
    """

    scene: str
    steps: int
    ours_seconds: float
    reference_seconds: float
    ratio: float
    objects: list[ObjectFit]


def main(
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 800,
    learning_rate: Annotated[float, typer.Option(help="Initial learning rate.")] = 4e-4,
    random_vit_b: Annotated[
        bool, typer.Option(help="Use the ViT-B decoder even if there is development data.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--json", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Fit in both ways and print times, weights and differences."""
    torch.set_num_threads(1)
    parity = common.SHARED / "parity"
    scene = random_scene() if random_vit_b or not parity.is_dir() else parity_scene(parity)
    result = compare(scene, steps, learning_rate)
    Console().print(table_of(result))
    if output is not None:
        facts = {"machine": platform.machine(), "torch": torch.__version__, "threads": 1}
        common.write_facts(output, {**facts, **asdict(result)})


def parity_scene(folder: Path) -> Scene:
    """Return the nano SAM and the first frame of the parity clip."""
    model = load_nano_sam(folder)
    davis = folder / "davis"
    image = Image.open(davis / "JPEGImages" / "480p" / "clip" / "00000.jpg").convert("RGB")
    annotation = read_annotation(davis / "Annotations" / "480p" / "clip" / "00000.png")
    masks = [annotation.mask(object_id) for object_id in annotation.object_ids]
    return Scene("nano SAM, parity clip", model, model.encode(np.asarray(image)), masks)


def random_scene() -> Scene:
    """Return a ViT-B decoder with random weights, random features and a disc."""
    torch.manual_seed(0)
    spec, frame_size = model_spec("vit_b"), (480, 854)
    network = build_network(spec, spec.image_size)
    model = SamModel(
        network,
        ModelInfo(spec.name, "", spec.image_size, "cpu", "fp32"),
        torch.device("cpu"),
        torch.float32,
    )
    features = torch.randn(1, 256, 64, 64)
    transform = InputTransform.fit(frame_size, spec.image_size, None)
    embedding = ImageEmbedding(features, transform, torch.nn.functional.normalize(features, dim=1))
    rows, columns = np.ogrid[: frame_size[0], : frame_size[1]]
    disc = (rows - 240) ** 2 + (columns - 400) ** 2 < 120**2
    return Scene("random ViT-B decoder, 854x480", model, embedding, [disc])


def compare(scene: Scene, steps: int, learning_rate: float) -> Comparison:
    """Fit all objects of a scene in both ways."""
    prompts = [reference_prompts(scene.embedding, mask) for mask in scene.masks]
    truth = torch.from_numpy(np.stack(scene.masks)).float()

    def fit_ours() -> tuple[Tensor, Tensor]:
        masks = [predict(scene.model, scene.embedding, asked).full for asked in prompts]
        logits = torch.stack(masks)
        return logits, fit_mask_weights(logits, truth, steps=steps, learning_rate=learning_rate)

    def fit_reference() -> Tensor:
        fits = [
            reference_fit(scene, asked, wanted, steps, learning_rate)
            for asked, wanted in zip(prompts, truth, strict=True)
        ]
        return torch.stack(fits)

    fit_mask_weights(torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8), steps=1)  # start-up
    ours_seconds, (logits, ours) = timed(fit_ours)
    reference_seconds, reference = timed(fit_reference)
    ours_loss, loss = (mask_loss(mix_masks(logits, w)[:, 0], truth) for w in (ours, reference))
    objects = [
        ObjectFit(
            ours[i].tolist(),
            reference[i].tolist(),
            float((ours[i] - reference[i]).abs().max()),
            float(ours_loss[i]),
            float(loss[i]),
        )
        for i in range(len(truth))
    ]
    ratio = reference_seconds / ours_seconds
    return Comparison(scene.name, steps, ours_seconds, reference_seconds, ratio, objects)


def reference_prompts(embedding: ImageEmbedding, mask: NDArray[np.bool_]) -> Prompts:
    """Make the prompts that PerSAM-F's video script fits with."""
    box = box_of(mask)
    if box is None:
        raise ValueError("an object needs a mask to be fitted on")
    cells = painted_cells(mask, embedding)
    target = target_embedding(embedding.features, cells[None].float())[0]
    return first_prompts(embedding, target, box, SIMILARITY_POINTS["persam-f"])


def reference_fit(
    scene: Scene, prompts: Prompts, truth: Tensor, steps: int, learning_rate: float
) -> Tensor:
    """Fit one object (H, W) with the decoder in the loop: (2,) weights."""
    weights = torch.tensor([EQUAL], requires_grad=True)
    optimizer = torch.optim.AdamW([weights], lr=learning_rate, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        masks = predict(scene.model, scene.embedding, prompts).full.clone()
        loss = mask_loss(mix_masks(masks[None], weights)[:, 0], truth[None]).sum()
        (weights.grad,) = torch.autograd.grad(loss, weights)
        optimizer.step()
        schedule.step()
    return weights.detach()[0]


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the processor time of a run, and its result."""
    begun = time.process_time()
    result = run()
    return time.process_time() - begun, result


def table_of(result: Comparison) -> Table:
    """Return a comparison as a table for the terminal."""
    title = f"{result.scene}: {result.steps} steps, {len(result.objects)} object(s)"
    table = Table(title=title, caption=caption_of(result))
    for column in ("object", "our w1, w2", "reference's", "difference", "our loss", "reference's"):
        table.add_column(column, justify="right", no_wrap=True)
    for number, fit in enumerate(result.objects, 1):
        ours, reference = (" ".join(f"{w:.4f}" for w in ws) for ws in (fit.ours, fit.reference))
        losses = f"{fit.ours_loss:.5f}", f"{fit.reference_loss:.5f}"
        table.add_row(str(number), ours, reference, f"{fit.difference:.1e}", *losses)
    return table


def caption_of(result: Comparison) -> str:
    """Describe the times."""
    return (
        f"ours {result.ours_seconds:.3f} s, reference {result.reference_seconds:.2f} s: "
        f"{result.ratio:.0f} times as fast"
    )


if __name__ == "__main__":
    common.run(lambda: typer.run(main))
