"""What was seen of objects in a frame that is to be remembered."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from persam_video.sam.prompts import MaskPrediction


@dataclass(frozen=True)
class Predicted:
    """The model's own predictions for N objects, before they were merged or cleaned.

    Attributes:
        logits: (N, 4h, 4w) mask logits.
        tokens: (N, C) what the decoder's tokens of the masks became.
        presence: (N,) logits of the objects' being in sight.
    """

    logits: Tensor
    tokens: Tensor
    presence: Tensor

    @staticmethod
    def first(answer: MaskPrediction) -> "Predicted | None":
        """Return what was predicted with the first masks; ``None`` without a presence."""
        if answer.tokens is None or answer.presence is None:
            return None
        return Predicted(answer.logits[:, 0], answer.tokens[:, 0], answer.presence)

    def split(self) -> list["Predicted"]:
        """Return the predictions for each object alone."""
        parts = (torch.split(part, 1) for part in (self.logits, self.tokens, self.presence))
        return [Predicted(*one) for one in zip(*parts, strict=True)]

    @staticmethod
    def of(objects: Sequence["Predicted | None"]) -> "Predicted | None":
        """Put the predictions for some objects each together; ``None`` if there are none."""
        known = [one for one in objects if one is not None]
        if not known:
            return None
        return Predicted(
            torch.cat([one.logits for one in known]),
            torch.cat([one.tokens for one in known]),
            torch.cat([one.presence for one in known]),
        )


@dataclass(frozen=True)
class SeenObjects:
    """N objects in a frame.

    Attributes:
        masks: (N, 4h, 4w) soft masks over the model's input, 0 to 1.
        source: the annotation that the masks are from, (N, H, W) bool of the frame's size; or the
            predictions, of a model that predicts an object's presence.
    """

    masks: Tensor
    source: Tensor | Predicted | None
