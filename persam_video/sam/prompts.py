"""Prompt and prediction containers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prompts:
    """Prompts for N objects of one image, all of the same structure.

    Attributes:
        points: (N, P, 2) float, (x, y) in frame pixels.
        point_labels: (N, P), 1 for the object and 0 for the background.
        boxes: (N, 4) float, (x0, y0, x1, y1) in frame pixels.
        masks: (N, 1, h, w) low-resolution mask logits from an earlier prediction.
        attention_bias: (N, 1, 1, cells), 0 to 1, for PerSAM's target-guided attention.
        target_embedding: (N, 1, C), not normalised, for PerSAM's target-semantic prompting.
        matching: (N, 4, rows, columns) similarity maps; ignored by models that do not take them.
        dense: (N, C, rows, columns) embedded dense prompt; see
            ``persam_video.sam.model.SamModel.embed_matching``.
        readout: (N, C, rows, columns) memory readout as an embedded dense prompt
            (``persam_video.persam.recall``).
        windows: (N, 4) int, (x0, y0, x1, y1) in cells, exclusive ends: where each object is
            searched for. Outside, its logits are negative.
    """

    points: Tensor | None = None
    point_labels: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None
    attention_bias: Tensor | None = None
    target_embedding: Tensor | None = None
    matching: Tensor | None = None
    dense: Tensor | None = None
    readout: Tensor | None = None
    windows: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of objects."""
        values = (getattr(self, field.name) for field in fields(self))
        return next((len(value) for value in values if value is not None), 0)

    def repeat(self, count: int) -> "Prompts":
        """Return the prompts of one object as those of several."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Prompts(
            **{k: v if v is None else v.repeat_interleave(count, 0) for k, v in values.items()}
        )

    def take(self, chosen: Tensor) -> "Prompts":
        """Select the prompts of some objects, by a bool mask (N,) or by index."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Prompts(**{k: v if v is None else v[chosen] for k, v in values.items()})


@dataclass(frozen=True)
class MaskPrediction:
    """The masks that a SAM predicts for N objects.

    Attributes:
        logits: (N, M, h, w) low-resolution mask logits, over the padded input.
        iou: (N, M) predicted IoU of each mask.
        tokens: (N, M, C) what the decoder's token of each mask became, where it is needed.
        presence: (N,) logit of the object's being in sight, for a model that predicts it.
    """

    logits: Tensor
    iou: Tensor
    tokens: Tensor | None = None
    presence: Tensor | None = None

    def masks(self, which: slice) -> "MaskPrediction":
        """Keep some of the masks of every object."""
        tokens = None if self.tokens is None else self.tokens[:, which]
        return replace(self, logits=self.logits[:, which], iou=self.iou[:, which], tokens=tokens)

    def best(self) -> "MaskPrediction":
        """Keep, for each object, the mask of the highest predicted IoU: (N, 1, ...)."""
        index = self.iou.argmax(dim=1)
        rows = index.new_tensor(range(len(index)))
        return replace(
            self,
            logits=self.logits[rows, index][:, None],
            iou=self.iou[rows, index][:, None],
            tokens=None if self.tokens is None else self.tokens[rows, index][:, None],
        )

    @staticmethod
    def concatenate(parts: Sequence["MaskPrediction"]) -> "MaskPrediction":
        """Put predictions of a model for some objects each together, in order."""
        tokens = [part.tokens for part in parts if part.tokens is not None]
        presence = [part.presence for part in parts if part.presence is not None]
        return MaskPrediction(
            torch.cat([part.logits for part in parts]),
            torch.cat([part.iou for part in parts]),
            torch.cat(tokens) if tokens else None,
            torch.cat(presence) if presence else None,
        )

    def updated(self, chosen: Tensor, newer: "MaskPrediction") -> "MaskPrediction":
        """Replace the prediction for some objects, by a bool mask (N,)."""
        values = {}
        for field in fields(self):
            old, new = getattr(self, field.name), getattr(newer, field.name)
            if old is not None:
                old = old.clone()
                old[chosen] = new
            values[field.name] = old
        return MaskPrediction(**values)
