"""Readout of SAM 2's memory, by the rules that SAM 2 was trained with.

Read are the spatial tokens of the annotated frame and of the last six, and the object pointers of
the annotated frame and of the last fifteen; with other numbers of remembered frames
(``memory.frames``), of those that there are. Frames in which the object is out of sight are
remembered as such. An object's memory holds the model's own prediction, before other objects take
pixels from it. See ``persam_video.sam.sam2_memory`` for the computation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from persam_video.persam.matching import Memory
from persam_video.persam.recall import Recalled
from persam_video.persam.seen import Predicted, SeenObjects
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.sam2 import Sam2
from persam_video.sam.sam2_memory import Sam2Memory


@dataclass(frozen=True)
class Sam2Readout:
    """Readout of SAM 2.1 and EdgeTAM.

    Attributes:
        model: the model.
        network: its network.
        memory: the network's memory.
    """

    model: SamModel
    network: Sam2
    memory: Sam2Memory
    remembers_absence = True

    def values(self, embedding: ImageEmbedding, seen: SeenObjects) -> Sequence[Tensor]:
        """See ``persam_video.persam.readouts.Readout``."""
        features = self.network.without_memory(embedding.features)
        size = (self.model.info.image_size,) * 2
        if isinstance(seen.source, Predicted):
            found = seen.source
            shares = F.interpolate(found.logits[:, None], size, mode="bilinear").sigmoid()
            shown = found.presence > 0
        elif seen.source is not None:
            painted = embedding.transform.coverage(seen.source.to(features.device), size)
            shares = (painted >= 0.5).float()[:, None]
            found = self._answer(replace(embedding, features=features), shares)
            shown = shares.flatten(1).any(dim=1)
        else:
            raise ValueError("SAM 2 remembers annotations and its own predictions only")
        present = (found.presence > 0) & shown
        return list(self.memory.remember(features, shares, found.tokens, present, shown))

    def _answer(self, plain: ImageEmbedding, shares: Tensor) -> Predicted:
        """Return what the decoder makes of painted masks (N, 1, S, S), for their pointers."""
        prompts = Prompts(masks=self.memory.mask_prompt(shares).float())
        answer = self.model.decode(plain, prompts).masks(slice(1, None)).best()
        found = Predicted.first(answer)
        if found is None:
            raise ValueError("the model predicts no presence of objects")
        return found

    def read(self, embedding: ImageEmbedding, objects: Sequence[Recalled], prior: Tensor) -> Tensor:
        """See ``persam_video.persam.readouts.Readout``; the prior is not used."""
        features = self.network.without_memory(embedding.features)
        found = [self._read_one(features, o) for o in objects]
        # the decoder adds a dense prompt to the embedding, and is to see these features instead
        return torch.cat(found).float() - embedding.features

    def read_ahead(
        self, embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]
    ) -> ImageEmbedding:
        """Return the embedding: attention mixes all memories, the last frame's among them."""
        return embedding

    def _read_one(self, features: Tensor, o: Recalled) -> Tensor:
        annotated, *past = o.long_term
        # right after its annotation, the annotated frame is the last one, too
        later = past if o.recent.step == annotated.step else [*past, o.recent]
        spatial = [annotated, *later[-self.memory.frames :]]
        pointed = [annotated, *reversed(later[-self.memory.pointers :])]
        return self.memory.attend(
            features,
            [one.values for one in spatial if one.values is not None],
            [(one.values, o.step - one.step) for one in pointed if one.values is not None],
        )
