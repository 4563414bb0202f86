"""Segment Anything as the tracker sees it: encode an image once, decode many prompts."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from persam_video.sam.inference import inference
from persam_video.sam.memory import decode_in_parts, explained
from persam_video.sam.network import Sam
from persam_video.sam.prompts import MaskPrediction, Prompts
from persam_video.sam.readout import VALUE_DIM, MemoryReadout
from persam_video.sam.transform import InputTransform, View
from persam_video.video.picture import Pixels, size_of

_MOST_GRIDS = 16
"""Grids whose positions are kept; views of a frame come in many shapes."""


@dataclass(frozen=True)
class ImageEmbedding:
    """One encoded frame.

    Attributes:
        features: (1, C, h, w) float32 image embedding over the padded input.
        transform: mapping between the frame and the input.
        keys: (1, D, h, w) L2-normalised matching keys in the model's precision; without a head for
            them, the normalised features.
        skips: high-resolution features, where the model has them.
    """

    features: Tensor
    transform: InputTransform
    keys: Tensor
    skips: tuple[Tensor, ...] | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.features.shape[2], self.features.shape[3]

    @property
    def inside(self) -> tuple[int, int]:
        """Rows and columns of the cells that lie in the frame; the rest is padding."""
        cell = self.transform.padded_size[0] / self.grid[0]
        rows, columns = (int(np.ceil(side / cell)) for side in self.transform.input_size)
        return rows, columns

    @property
    def cell_sides(self) -> tuple[float, float]:
        """Width and height of a cell in frame pixels."""
        x0, y0, x1, y1 = self.transform.extent
        return (x1 - x0) / self.grid[1], (y1 - y0) / self.grid[0]

    def cell_centres(self, cells: Tensor) -> Tensor:
        """Turn cells (N, P, 2), (column, row), into points (N, P, 2), (x, y) in frame pixels."""
        transform = self.transform
        side = transform.padded_size[0] / self.grid[0]
        limit = cells.new_tensor([transform.seen[2] - 1, transform.seen[3] - 1])
        return transform.frame_coordinates((cells + 0.5) * side).minimum(limit)


@dataclass(frozen=True)
class ModelInfo:
    """Description of a model, for the record of a run.

    Attributes:
        name: as in ``persam_video.sam.registry``.
        sha256: of the weight file.
        image_size: long side of the input, in pixels.
        device: torch device.
        precision: fp32, bf16 or fp16.
    """

    name: str
    sha256: str
    image_size: int
    device: str
    precision: str


@dataclass(frozen=True)
class ValueLayout:
    """What the values in a model's memories look like.

    Attributes:
        shape: of one memory's values.
        dtype: of the values.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype


class SamModel:
    """A SAM on a device, in a precision.

    Args:
        network: the network; it is moved to the device, and its weights prepared for it: in bf16 on
            the CPU, those of a ViT cannot be copied, saved or moved any more.
        info: its description.
        device: where it runs.
        dtype: dtype of the encoder, the decoder and what embeds dense prompts; the rest of the
            prompt encoder stays in fp32.

    Attributes:
        encode_images: encodes one normalised image (1, 3, H, W), padded.
    """

    def __init__(
        self,
        network: Sam,
        info: ModelInfo,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.info = info
        self.device = device
        self.dtype = dtype
        self.network = network.eval()
        _to(network.image_encoder, device, dtype)
        # coordinates lose too much precision in 16 bits, and this part is cheap
        _to(network.prompt_encoder, device, torch.float32)
        for part in network.dense_prompts:  # these parts handle none
            _to(part, device, dtype)
        if network.memory is not None:
            network.memory.to(device, dtype)
        _to(network.mask_decoder, device, dtype)
        self.encode_images = network.cpu_encoder() if device.type == "cpu" else network.encode
        self._positions: dict[tuple[int, int], Tensor] = {}

    @property
    def takes_matching(self) -> bool:
        """Whether the model was trained with the dense matching prompt."""
        return self.network.takes_matching

    @property
    def readout(self) -> MemoryReadout | None:
        """The memory readout; ``None`` for a model trained without it."""
        return self.network.readout

    def value_layout(self, grid: tuple[int, int]) -> ValueLayout | None:
        """Return the layout of the values in memories of a grid; ``None`` if they have none."""
        if self.network.memory is not None:
            return ValueLayout(self.network.memory.value_shape(grid), self.dtype)
        return None if self.readout is None else ValueLayout((VALUE_DIM, *grid), self.dtype)

    @property
    def encodes_side_by_side(self) -> bool:
        """Whether encoding several frames in parallel is faster than one after another."""
        return self.device.type == "cpu" and not self.network.fills_cores

    def _position(self, grid: tuple[int, int]) -> Tensor:
        """Return the positional encoding (1, C, h, w) of the cells, the same for all prompts."""
        if grid not in self._positions:
            if len(self._positions) == _MOST_GRIDS:
                self._positions.pop(next(iter(self._positions)))
            side = max(grid)
            whole: Tensor = self.network.prompt_encoder.pe_layer((side, side))[None]
            position = whole[:, :, : grid[0], : grid[1]].to(self.dtype)
            # the decoder's tokens have their channels last: adding other layouts takes long
            self._positions[grid] = position.contiguous(memory_format=torch.channels_last)
        return self._positions[grid]

    @inference()
    def encode(self, frame: Pixels, view: View | None = None) -> ImageEmbedding:
        """Encode one frame, or a part of it.

        Args:
            frame: uint8 RGB (H, W, 3), or a picture that is not RGB yet.
            view: the part of the frame that the model sees; ``None`` for the whole frame at the
                model's image size. Only ``lite`` takes other sizes.

        Raises:
            ModelError: memory does not suffice.
        """
        with explained("encoding a frame"):
            return self._encode(frame, view)

    def _encode(self, frame: Pixels, view: View | None) -> ImageEmbedding:
        network = self.network
        transform = InputTransform.fit(
            size_of(frame),
            self.info.image_size,
            network.padding,
            view,
            stretch=network.stretches,
        )
        image = transform.image(frame, self.device).to(self.dtype)
        found = self.encode_images(image.contiguous(memory_format=torch.channels_last))
        return ImageEmbedding(found.embedding.float(), transform, found.keys, found.skips)

    @inference()
    def embed_matching(self, prompts: Prompts) -> Prompts:
        """Embed the matching maps of prompts, for use in several passes.

        ``decode`` does this for prompts that still have maps.
        """
        dense = prompts.dense
        if prompts.matching is not None:
            maps = self.network.embed_matching(prompts.matching)
            if maps is not None:
                dense = maps if dense is None else dense + maps
        return replace(prompts, matching=None, dense=dense)

    @inference()
    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """Predict all masks of every object: the single mask, then the three multimask ones.

        If memory does not suffice for all objects at once, they are decoded in parts.

        Args:
            embedding: embedding of the frame.
            prompts: prompts of N objects.

        Returns:
            float32 logits (N, 4, 4h, 4w) and predicted IoU (N, 4).

        Raises:
            ModelError: memory does not suffice for one object.
        """
        return decode_in_parts(lambda part: self._decode(embedding, part), prompts)

    def _decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        sparse, dense = self._embed(embedding, prompts)
        target = prompts.target_embedding
        decoded = self.network.mask_decoder.decode(
            embedding.features.to(self.dtype),
            self._position(embedding.grid),
            sparse,
            dense,
            attention_bias=prompts.attention_bias,
            target_embedding=None if target is None else target.to(self.dtype),
            skips=embedding.skips,
            windows=None if prompts.windows is None else prompts.windows.tolist(),
        )
        if decoded.presence is None:
            return MaskPrediction(decoded.masks.float(), decoded.iou.float())
        return MaskPrediction(
            decoded.masks.float(),
            decoded.iou.float(),
            decoded.tokens.float(),
            decoded.presence.float(),
        )

    def _embed(self, embedding: ImageEmbedding, prompts: Prompts) -> tuple[Tensor, Tensor]:
        transform, encoder = embedding.transform, self.network.prompt_encoder
        points = boxes = None
        if prompts.points is not None and prompts.point_labels is not None:
            points = (self._coordinates(prompts.points, transform), prompts.point_labels)
        if prompts.boxes is not None:
            boxes = self._coordinates(prompts.boxes.view(-1, 2, 2), transform).view(-1, 4)
        sparse, dense = encoder(points, boxes, prompts.masks)
        rows, columns = embedding.grid
        count = len(prompts)
        sparse = sparse.expand(count, -1, -1)
        if prompts.masks is None:  # the same everywhere, and of the size of another grid
            dense = dense[:, :, :1, :1]
        dense = dense.to(self.dtype).expand(count, -1, rows, columns)
        for part in (self.embed_matching(prompts).dense, prompts.readout):
            if part is not None:
                dense = dense + part.to(self.dtype)
        return sparse.to(self.dtype), dense

    def _coordinates(self, xy: Tensor, transform: InputTransform) -> Tensor:
        """Bring (..., 2), (x, y) in frame pixels, to pixels of an input of the image size."""
        xy = transform.coordinates(xy)
        scale = self.info.image_size / max(transform.input_size)
        # the prompt encoder takes the middle of a pixel
        return xy if scale == 1 else (xy + 0.5) * scale - 0.5


def _to(part: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Move a part of a network, and let its convolutions keep the channels last."""
    part.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
