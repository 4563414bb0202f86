"""Readouts: how a model reads what it remembers of objects, behind one interface.

The embedded model reads values of remembered cells (``persam_video.persam.recall``), SAM 2.1 and
EdgeTAM attend to tokens of remembered frames (``persam_video.persam.sam2_readout``). Either result
is a dense prompt, and either's memories are tensors of a fixed shape, so that a tracker can store
them, and need not know which it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from persam_video.persam.matching import Memory, others
from persam_video.persam.recall import Recalled, recall, recall_ahead
from persam_video.persam.sam2_readout import Sam2Readout
from persam_video.persam.seen import SeenObjects
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.readout import MemoryReadout
from persam_video.sam.sam2 import Sam2


class Readout(Protocol):
    """Makes the values of a frame's memories, and reads memories for a new frame."""

    @property
    def remembers_absence(self) -> bool:
        """Whether frames in which an object was not found are remembered, too."""

    def values(self, embedding: ImageEmbedding, seen: SeenObjects) -> Sequence[Tensor]:
        """Return the values of a frame's memories, one for each object.

        Args:
            embedding: of the frame.
            seen: the objects in it.
        """

    def read(self, embedding: ImageEmbedding, objects: Sequence[Recalled], prior: Tensor) -> Tensor:
        """Read the memories of N objects.

        Args:
            embedding: of the frame.
            objects: their memories.
            prior: (N, 3, h, w), see ``persam_video.sam.readout.MemoryReadout.embed``.

        Returns:
            (N, C, h, w) dense prompt.
        """

    def read_ahead(
        self, embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]
    ) -> ImageEmbedding:
        """Read the long-term memories of N objects before the frame's turn, where that helps.

        Args:
            embedding: of the frame.
            memories: of each object.

        Returns:
            The embedding, with what was read.
        """


@dataclass(frozen=True)
class CellReadout:
    """The embedded model's readout.

    Attributes:
        readout: its network.
    """

    readout: MemoryReadout
    remembers_absence = False

    def values(self, embedding: ImageEmbedding, seen: SeenObjects) -> Sequence[Tensor]:
        """See ``Readout``."""
        return list(self.readout.values(embedding.features, seen.masks, others(seen.masks)))

    def read(self, embedding: ImageEmbedding, objects: Sequence[Recalled], prior: Tensor) -> Tensor:
        """See ``Readout``."""
        return recall(self.readout, embedding, objects, prior)

    def read_ahead(
        self, embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]
    ) -> ImageEmbedding:
        """See ``Readout``."""
        return recall_ahead(self.readout, embedding, memories)


def readout_of(model: SamModel) -> Readout | None:
    """Return the readout of a model; ``None`` for one that was trained without memories."""
    network = model.network
    if isinstance(network, Sam2) and network.memory is not None:
        return Sam2Readout(model, network, network.memory)
    return None if model.readout is None else CellReadout(model.readout)
