"""From a frame to the model's input, and from its masks back to the frame."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class InputTransform:
    """How one frame size maps to the model's input.

    Attributes:
        frame_size: (height, width) of the frame.
        input_size: (height, width) of the resized frame, its long side the model's image size.
        padded_size: (height, width) after padding at the right and at the bottom.
    """

    frame_size: tuple[int, int]
    input_size: tuple[int, int]
    padded_size: tuple[int, int]

    @staticmethod
    def fit(frame_size: tuple[int, int], long_side: int, multiple: int | None) -> "InputTransform":
        """Choose the input size for a frame.

        Args:
            frame_size: (height, width) of the frame.
            long_side: the input's long side in pixels.
            multiple: pad to a multiple of this; ``None`` pads to a square, as SAM does.
        """
        scale = long_side / max(frame_size)
        height, width = (max(1, int(side * scale + 0.5)) for side in frame_size)
        if multiple is None:
            padded = (long_side, long_side)
        else:
            padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        return InputTransform(frame_size, (height, width), padded)

    def image(self, rgb: NDArray[np.uint8], device: torch.device) -> Tensor:
        """Resize, normalise and then pad one frame, as SAM was trained.

        Args:
            rgb: uint8 (H, W, 3).
            device: where the result goes.

        Returns:
            float32 (1, 3, *padded_size).
        """
        height, width = self.input_size
        if self.input_size != self.frame_size:
            rgb = np.asarray(
                Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
            )
        image = _on_device(rgb, device).permute(2, 0, 1).float()
        mean = torch.tensor(PIXEL_MEAN, dtype=torch.float32, device=device)[:, None, None]
        std = torch.tensor(PIXEL_STD, dtype=torch.float32, device=device)[:, None, None]
        return self._pad((image - mean) / std)[None]

    def coverage(self, masks: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return how much of each cell of a grid over the padded input masks cover.

        The masks are brought to the input by area and the means over each cell taken, both in two
        products: adaptive pooling would take longer, and MPS has none for sizes that do not divide.

        Args:
            masks: (N, H, W) of the frame's size, 0 to 1 or bool.
            grid: (h, w), which divide the padded size.

        Returns:
            float32 (N, h, w), 0 to 1.
        """
        sizes = zip(self.frame_size, self.input_size, self.padded_size, grid, strict=True)
        rows, columns = (_cell_means(*each).to(masks.device) for each in sizes)
        return rows @ masks.float() @ columns.T

    def coordinates(self, xy: Tensor) -> Tensor:
        """Scale coordinates (..., 2), (x, y) in frame pixels, to input pixels."""
        height, width = (
            new / old for new, old in zip(self.input_size, self.frame_size, strict=True)
        )
        return xy * torch.tensor([width, height], device=xy.device, dtype=xy.dtype)

    def restore(self, maps: Tensor) -> Tensor:
        """Bring maps (N, M, h, w) over the padded input back to the frame: (N, M, H, W).

        Bilinear to the input, the padding cut off, bilinear to the frame: SAM's postprocessing.
        """
        maps = F.interpolate(maps.float(), self.padded_size, mode="bilinear", align_corners=False)
        maps = maps[..., : self.input_size[0], : self.input_size[1]]
        return F.interpolate(maps, self.frame_size, mode="bilinear", align_corners=False)

    def _pad(self, image: Tensor) -> Tensor:
        bottom = self.padded_size[0] - self.input_size[0]
        right = self.padded_size[1] - self.input_size[1]
        return F.pad(image, (0, right, 0, bottom))


def _on_device(rgb: NDArray[np.uint8], device: torch.device) -> Tensor:
    pixels = torch.tensor(rgb)
    if device.type == "cuda":
        # from pinned memory the copy runs by itself, and encoding is queued behind it
        return pixels.pin_memory().to(device, non_blocking=True)
    return pixels.to(device)


@lru_cache(maxsize=8)
def _cell_means(frame: int, resized: int, padded: int, cells: int) -> Tensor:
    """Return the share (cells, frame) of each pixel of the frame in each cell, along one side."""
    places, pixels = torch.arange(resized)[:, None], torch.arange(frame)
    begins, ends = places * frame // resized, ((places + 1) * frame + resized - 1) // resized
    shares = ((pixels >= begins) & (pixels < ends)).float() / (ends - begins)
    return F.pad(shares, (0, 0, 0, padded - resized)).view(cells, -1, frame).mean(dim=1)
