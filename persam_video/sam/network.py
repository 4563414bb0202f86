"""What every SAM is made of, and what only some of them can take."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from persam_video.sam.decoder import GuidedMaskDecoder
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.readout import MemoryReadout

CELL = 16
"""Side of one cell of the image embedding, in pixels of the input."""


@dataclass(frozen=True)
class ImageFeatures:
    """What an image encoder gives for a batch of images.

    Attributes:
        embedding: (B, C, h, w) image embedding, one cell for 16 pixels.
        keys: (B, D, h, w) L2-normalised matching keys; without a head for them, the normalised
            embedding.
        skips: (B, C/4, 2h, 2w) and (B, C/8, 4h, 4w) high-resolution features, where there are any.
    """

    embedding: Tensor
    keys: Tensor
    skips: tuple[Tensor, Tensor] | None = None


class Sam(nn.Module):
    """SAM's three parts under segment-anything's names, so that its state dicts load.

    Args:
        image_encoder: from (B, 3, H, W) to an image embedding.
        prompt_encoder: segment-anything's.
        mask_decoder: the guided decoder.

    Attributes:
        padding: the input is padded to a multiple of this; ``None`` pads to a square.
        takes_matching: whether it was trained with the dense matching prompt.
        fills_cores: whether one image keeps all cores of a processor busy.
    """

    padding: int | None = None
    takes_matching = False
    fills_cores = True

    def __init__(
        self,
        image_encoder: nn.Module,
        prompt_encoder: PromptEncoder,
        mask_decoder: GuidedMaskDecoder,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder

    @property
    def readout(self) -> MemoryReadout | None:
        """What reads memory, of a model that was trained with it."""
        return None

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), padded; embedding and keys are float32."""
        embedding = self.image_encoder(images).float()
        return ImageFeatures(embedding, nn.functional.normalize(embedding, dim=1))

    def embed_matching(self, maps: Tensor) -> Tensor | None:
        """Embed similarity maps as a dense prompt (N, C, h, w); ``None`` if it takes none."""
        return None

    def leave_out_missing(self, names: Iterable[str]) -> None:
        """Leave out the parts that a file with these tensors was made without."""

    def prepare_for_rounding(self) -> None:
        """Rewrite weights for 16 bits without a change to what they compute."""
