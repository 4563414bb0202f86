"""The network of a SAM, with the capabilities that only some of them have."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from persam_video.sam.decoder import GuidedMaskDecoder
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.readout import MemoryReadout
from persam_video.sam.sam2_memory import Sam2Memory
from persam_video.sam.vit import FusedImageEncoderViT

CELL = 16
"""Side of one cell of the image embedding, in pixels of the input."""


@dataclass(frozen=True)
class ImageFeatures:
    """Output of an image encoder for a batch of images, in the network's precision.

    Attributes:
        embedding: (B, C, h, w) image embedding, one cell for 16 pixels.
        keys: (B, D, h, w) L2-normalised matching keys; without a head for them, the normalised
            embedding.
        skips: high-resolution features, if the model has them: (B, C/4, 2h, 2w) and
            (B, C/8, 4h, 4w), or HQ-SAM's (B, C/8, 4h, 4w) alone.
    """

    embedding: Tensor
    keys: Tensor
    skips: tuple[Tensor, ...] | None = None


def normalised(features: Tensor) -> Tensor:
    """Divide the features (B, D, h, w) of each cell by their length, computed in 32 bits."""
    return nn.functional.normalize(features.float(), dim=1).to(features.dtype)


class Sam(nn.Module):
    """SAM's three parts under segment-anything's names, so that its state dicts load.

    Args:
        image_encoder: maps (B, 3, H, W) to an image embedding.
        prompt_encoder: segment-anything's.
        mask_decoder: the guided decoder.

    Attributes:
        memory: SAM 2's memory of past frames; ``None`` for a model trained without it.
        padding: the input is padded to a multiple of this; ``None`` pads to a square.
        stretches: whether the input is stretched to a square, and not padded.
        takes_matching: whether it was trained with the dense matching prompt.
        fills_cores: whether encoding one image keeps all cores busy.
    """

    padding: int | None = None
    stretches = False
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
        self.memory: Sam2Memory | None = None

    @property
    def readout(self) -> MemoryReadout | None:
        """The memory readout; ``None`` for a model trained without it."""
        return None

    @property
    def dense_prompts(self) -> tuple[nn.Module, ...]:
        """Parts of the prompt encoder that embed dense prompts, from no coordinates."""
        return ()

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), padded."""
        embedding = self.image_encoder(images)
        return ImageFeatures(embedding, normalised(embedding))

    def cpu_encoder(self) -> Callable[[Tensor], ImageFeatures]:
        """Return what encodes one image on the CPU: ``encode``, or something faster.

        The image encoder may be of use for nothing else after that.
        """
        if isinstance(self.image_encoder, FusedImageEncoderViT):
            self.image_encoder.pack()
        return self.encode

    def embed_matching(self, maps: Tensor) -> Tensor | None:
        """Embed similarity maps as a dense prompt (N, C, h, w); ``None`` if not supported."""
        return None

    def leave_out_missing(self, names: Iterable[str]) -> None:
        """Drop optional parts that a file with these tensors lacks."""

    def prepare_for_rounding(self) -> None:
        """Rewrite weights so that they survive rounding to 16 bits."""
