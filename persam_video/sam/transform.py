"""Transform frames to the model's input, and its masks back to the frame."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from persam_video.masks.boxes import Box, box_of, clip, grow, moved
from persam_video.masks.labels import PlacedLogits
from persam_video.video.picture import Pixels, part_of

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

OUTSIDE = -32.0
"""Logit of pixels outside the input, which are certainly not the object."""


@dataclass(frozen=True)
class View:
    """A part of a frame, and how large the model sees it.

    Attributes:
        box: (x0, y0, x1, y1), exclusive ends: the part, within the frame.
        input_size: (height, width) of the input that shows it, in pixels.
    """

    box: Box
    input_size: tuple[int, int]


def scaled_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return a size (height, width) with another long side, of the same aspect ratio."""
    scale = long_side / max(size)
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


@dataclass(frozen=True)
class InputTransform:
    """How one frame size maps to the model's input.

    Attributes:
        frame_size: (height, width) of the frame.
        input_size: (height, width) of the resized frame, its long side the model's image size; a
            square for models that stretch the frame.
        padded_size: (height, width) after padding at the right and at the bottom.
        view: (x0, y0, x1, y1), exclusive ends: the part of the frame that the input shows;
            ``None`` for all of it.
    """

    frame_size: tuple[int, int]
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    view: Box | None = None

    @staticmethod
    def fit(
        frame_size: tuple[int, int],
        long_side: int,
        multiple: int | None,
        view: View | None = None,
        *,
        stretch: bool = False,
    ) -> "InputTransform":
        """Choose the input size for a frame, or for a view of it.

        Args:
            frame_size: (height, width) of the frame.
            long_side: the input's long side in pixels, where it shows the whole frame.
            multiple: pad to a multiple of this; ``None`` pads to a square, as SAM does.
            view: the visible part; ``None`` for all of the frame.
            stretch: stretch the frame to a square, as SAM 2 does; then nothing is padded.
        """
        box = None if view is None else view.box
        if stretch:
            square = (long_side, long_side)
            return InputTransform(frame_size, square, square, box)
        height, width = scaled_size(frame_size, long_side) if view is None else view.input_size
        if multiple is None:
            padded = (long_side, long_side)
        else:
            padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        return InputTransform(frame_size, (height, width), padded, box)

    @property
    def seen(self) -> Box:
        """The part of the frame (x0, y0, x1, y1) that the input shows."""
        return self.view or (0, 0, self.frame_size[1], self.frame_size[0])

    @property
    def seen_size(self) -> tuple[int, int]:
        """(height, width) of that part."""
        x0, y0, x1, y1 = self.seen
        return y1 - y0, x1 - x0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Area of the padded input, (x0, y0, x1, y1) in frame pixels; may exceed the frame."""
        x0, y0, _, _ = self.seen
        sizes = zip(self.padded_size, self.seen_size, self.input_size, strict=True)
        down, across = (padded * seen / resized for padded, seen, resized in sizes)
        return x0, y0, x0 + across, y0 + down

    def image(self, frame: Pixels, device: torch.device) -> Tensor:
        """Resize, normalise and then pad one frame, as SAM was trained.

        Args:
            frame: the frame.
            device: device of the result.

        Returns:
            float32 (1, 3, *padded_size), in channels-last layout.
        """
        height, width = self.input_size
        rgb = part_of(frame, self.seen)
        if self.input_size != self.seen_size:
            rgb = np.asarray(
                Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
            )
        # channels stay last, as convolutions take them, and whole rows are normalised at once
        image = _on_device(rgb, device).float()
        rows = image.view(height, -1)
        rows -= torch.tensor(PIXEL_MEAN, dtype=torch.float32, device=device).repeat(width)
        rows /= torch.tensor(PIXEL_STD, dtype=torch.float32, device=device).repeat(width)
        return self._pad(image).permute(2, 0, 1)[None]

    def coverage(self, masks: Tensor, grid: tuple[int, int], within: Box | None = None) -> Tensor:
        """Return the share of each cell of a grid over the padded input that masks cover.

        Two matrix products resize the masks by area and average over cells: adaptive pooling takes
        longer, and on MPS does not support sizes that do not divide.

        Args:
            masks: (..., H, W) of the frame's size, 0 to 1 or bool.
            grid: (h, w), which divide the padded size.
            within: the part (x0, y0, x1, y1) of the frame that the masks are given of; they are
                empty elsewhere. All of it when not given.

        Returns:
            float32 (..., h, w), 0 to 1.
        """
        axes = zip(self.seen_size, self.input_size, self.padded_size, grid, strict=True)
        rows, columns = (_cell_means(*axis).to(masks.device) for axis in axes)
        left, top = self.seen[:2]
        within = within or (0, 0, self.frame_size[1], self.frame_size[0])
        x0, y0, x1, y1 = clip(moved(within, -left, -top), self.seen_size) or (0, 0, 0, 0)
        across, down = left - within[0], top - within[1]
        part = masks[..., y0 + down : y1 + down, x0 + across : x1 + across].float()
        return rows[:, y0:y1] @ part @ columns[:, x0:x1].T

    def coordinates(self, xy: Tensor) -> Tensor:
        """Convert coordinates (..., 2), (x, y), from frame pixels to input pixels."""
        return (xy - xy.new_tensor(self.seen[:2])) * self._scale(xy)

    def lengths(self, xy: Tensor) -> Tensor:
        """Convert displacements (..., 2), (x, y), from frame pixels to input pixels."""
        return xy * self._scale(xy)

    def frame_coordinates(self, xy: Tensor) -> Tensor:
        """Convert coordinates (..., 2), (x, y), from input pixels to frame pixels."""
        return xy / self._scale(xy) + xy.new_tensor(self.seen[:2])

    def _scale(self, xy: Tensor) -> Tensor:
        height, width = (
            new / old for new, old in zip(self.input_size, self.seen_size, strict=True)
        )
        return xy.new_tensor([width, height])

    def restore(self, maps: Tensor, outside: float = OUTSIDE) -> Tensor:
        """Resize maps (N, M, h, w) over the padded input back to the frame: (N, M, H, W).

        As SAM's postprocessing: bilinear to the input, cropped, bilinear to the frame.
        Pixels outside the input get the value ``outside``.
        """
        maps = F.interpolate(maps.float(), self.padded_size, mode="bilinear", align_corners=False)
        maps = maps[..., : self.input_size[0], : self.input_size[1]]
        maps = F.interpolate(maps, self.seen_size, mode="bilinear", align_corners=False)
        if self.view is None:
            return maps
        x0, y0, x1, y1 = self.view
        height, width = self.frame_size
        return F.pad(maps, (x0, width - x1, y0, height - y1), value=outside)

    def placed(self, logits: Tensor) -> PlacedLogits:
        """Bring the logits of a mask back to the frame where they may be positive.

        They are those of ``restore``, up to rounding; around the mask there are at least two of
        its cells.

        Args:
            logits: (h, w) over the padded input.
        """
        logits = logits.float().cpu()
        cells = box_of((logits > 0).numpy())
        if cells is None:
            return PlacedLogits((0, 0, 0, 0), np.zeros((0, 0), np.float32))
        height, width = logits.shape
        axes = zip((height, width), self.padded_size, self.input_size, self.seen_size, strict=True)
        rows, columns = (_interpolation(*axis) for axis in axes)
        # what is interpolated between cells reaches one further, and soft edges two more
        x0, y0, x1, y1 = grow(cells, 4, (height, width)) or cells
        (top, bottom), (left, right) = _reached(rows, y0, y1), _reached(columns, x0, x1)
        # at most two further cells take part in these pixels
        x0, y0, x1, y1 = grow((x0, y0, x1, y1), 2, (height, width)) or cells
        found = rows[top:bottom, y0:y1] @ logits[y0:y1, x0:x1] @ columns[left:right, x0:x1].T
        return PlacedLogits(moved((left, top, right, bottom), *self.seen[:2]), found.numpy())

    def _pad(self, image: Tensor) -> Tensor:
        bottom = self.padded_size[0] - self.input_size[0]
        right = self.padded_size[1] - self.input_size[1]
        return F.pad(image, (0, 0, 0, right, 0, bottom))


def _on_device(rgb: NDArray[np.uint8], device: torch.device) -> Tensor:
    pixels = torch.tensor(rgb)
    if device.type == "cuda":
        # from pinned memory the copy is asynchronous, and encoding is queued behind it
        return pixels.pin_memory().to(device, non_blocking=True)
    return pixels.to(device)


def cell_means(frame: int, resized: int | Tensor, padded: int, cells: int) -> Tensor:
    """Return the weight (cells, frame) of each frame pixel in each cell, along one axis.

    Args:
        frame: pixels of the frame, which are resized by area.
        resized: pixels that they become; a tensor of one number while a graph is exported.
        padded: pixels with the padding, which has no weights.
        cells: a divisor of ``padded``.
    """
    places, pixels = torch.arange(padded)[:, None], torch.arange(frame)
    begins, ends = places * frame // resized, ((places + 1) * frame + resized - 1) // resized
    shares = ((pixels >= begins) & (pixels < ends)).float() / (ends - begins)
    return shares.view(cells, -1, frame).mean(dim=1)


_cell_means = lru_cache(maxsize=8)(cell_means)


@lru_cache(maxsize=8)
def _interpolation(cells: int, padded: int, resized: int, frame: int) -> Tensor:
    """Return the weight (frame, cells) of each cell in each frame pixel, along one axis."""
    spread = F.interpolate(torch.eye(cells)[None], padded, mode="linear", align_corners=False)
    back = F.interpolate(spread[..., :resized], frame, mode="linear", align_corners=False)
    return back[0].T.contiguous()


def _reached(weights: Tensor, begin: int, end: int) -> tuple[int, int]:
    """Return the first pixel, and that after the last, to which cells contribute; 0, 0 if none.

    Args:
        weights: (frame, cells).
        begin: the first cell.
        end: the cell after the last.
    """
    pixels = weights[:, begin:end].any(dim=1).nonzero()
    return (int(pixels[0]), int(pixels[-1]) + 1) if len(pixels) else (0, 0)
