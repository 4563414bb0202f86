"""Memory readout: what a frame reads from remembered frames, as a dense prompt.

Each remembered cell has a key (its appearance) and, for each object, a value (how much of the
object and of other objects it holds). A cell of a new frame reads the mean of the values, weighted
by the similarity of the keys. The last frame is read separately: there, cells far from the object's
last position count less, in proportion to the trust in the temporal prior.

Sources: Oh et al., "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019 (keys
and values); Yang et al., "Associating Objects with Transformers", NeurIPS 2021 (all the frame's
objects in a value, a short-term memory that is local).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VALUE_DIM = 96
"""Channels of a value."""

PRIOR_CHANNELS = 3
"""Channels of the temporal prior; see ``MemoryReadout.embed``."""

_SUBCELLS = 4
"""Pixels of a low-resolution mask along one side of a cell."""

_HIDDEN = 192


class MemoryReadout(nn.Module):
    """Computes values of remembered frames, and embeds readings as a dense prompt.

    It is initialised to add nothing to the dense prompt, so that it can be added to a trained
    model.

    Args:
        embed_dim: channels of the image embedding and of the dense prompt.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.image = nn.Conv2d(embed_dim, VALUE_DIM, 1)
        self.masks = nn.Conv2d(2 * _SUBCELLS**2, VALUE_DIM, 3, padding=1)
        self.mix = nn.Sequential(nn.GELU(), nn.Conv2d(VALUE_DIM, VALUE_DIM, 3, padding=1))
        self.log_sharpness = nn.Parameter(torch.tensor([3.2, 3.2]))  # long term, last frame
        self.log_locality = nn.Parameter(torch.tensor(-3.2))
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * VALUE_DIM + PRIOR_CHANNELS, _HIDDEN, 1),
            nn.GELU(),
            nn.Conv2d(_HIDDEN, _HIDDEN, 3, padding=1, groups=_HIDDEN),
            nn.GELU(),
            nn.Conv2d(_HIDDEN, embed_dim, 1),
        )
        last = cast(nn.Conv2d, self.fuse[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))

    def values(self, features: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Compute the values of a frame for N objects.

        Args:
            features: (1 or N, C, h, w) image embedding.
            masks: (N, 4h, 4w) soft masks of the objects, 0 to 1.
            others: (N, 4h, 4w) what all other objects cover together, 0 to 1.

        Returns:
            (N, V, h, w), in the precision of the weights.
        """
        dtype = self.image.weight.dtype
        both = F.pixel_unshuffle(torch.stack([masks, others], dim=1), _SUBCELLS)
        mixed = self.image(features.to(dtype)) + self.masks(both.to(dtype))
        return cast(Tensor, mixed + self.mix(mixed))

    def affinities(self, keys: Tensor, memory_keys: Tensor, *, recent: bool = False) -> Tensor:
        """Compare the cells of frames with remembered cells.

        Args:
            keys: (B, D, h, w) L2-normalised keys of the frames that read.
            memory_keys: (B, D, M) L2-normalised keys of the remembered cells.
            recent: whether these are the last frame's, or those of the long-term memory.

        Returns:
            (B, h*w, M) logits, in the precision of the weights.
        """
        dtype = self.image.weight.dtype
        sharpness = self.log_sharpness[int(recent)].exp()
        queries = (keys.flatten(2).transpose(1, 2) * sharpness).to(dtype)
        return _product(queries, memory_keys.to(dtype))

    def far(self, distances: "Distances") -> Tensor:
        """Return what remembered cells of the last frame lose by their distance.

        Returns:
            (B, h*w, g*v), to be subtracted from their affinities.
        """
        dtype = self.image.weight.dtype
        locality = self.log_locality.exp()
        down = (locality * distances.down).to(dtype)[:, :, None, :, None]
        across = (locality * distances.across).to(dtype)[:, None, :, None, :]
        return (down + across).flatten(3).flatten(1, 2)

    def read(self, affinities: Tensor, values: Tensor, grid: tuple[int, int]) -> Tensor:
        """Read the values of remembered cells.

        Args:
            affinities: (B, h*w, M) of the cells that read with the remembered ones.
            values: (B, K, M) their values; K is V, or the concatenated V of several objects.
            grid: (h, w).

        Returns:
            (B, K, h, w).
        """
        weights = torch.softmax(affinities, dim=-1).to(values.dtype)
        # in this order: the transposed product takes three times as long
        read = _product(weights, values.transpose(1, 2)).transpose(1, 2)
        return read.reshape(*read.shape[:2], *grid)

    def embed(self, long_term: Tensor, recent: Tensor, prior: Tensor) -> Tensor:
        """Embed readings as a dense prompt.

        Args:
            long_term: (N, V, h, w) read from the annotated frame and from good past ones.
            recent: (N, V, h, w) read from the last frame.
            prior: (N, 3, h, w) the blended location confidence, then the last mask and the other
                objects' last masks on the grid, both times the prior's share.

        Returns:
            (N, C, h, w).
        """
        everything = torch.cat([long_term, recent, prior.to(recent.dtype)], dim=1)
        return cast(Tensor, self.fuse(everything))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply batches of matrices; a single product takes less time than a batch of one."""
    if len(left) == len(right) == 1:
        return (left[0] @ right[0])[None]
    return left @ right


@dataclass(frozen=True)
class Distances:
    """Squared distances between the cells of two grids, along each axis, in cells.

    Their sum is the squared distance of two cells.

    Attributes:
        down: (B, h, g) between rows.
        across: (B, w, v) between columns.
    """

    down: Tensor
    across: Tensor

    @staticmethod
    def between(
        rows: Tensor, others: Tensor, columns: Tensor, other_columns: Tensor
    ) -> "Distances":
        """Return the distances of two grids by the coordinates of their cells.

        Args:
            rows: (h,) of the first grid.
            others: (g,) of the second grid.
            columns: (w,) of the first grid.
            other_columns: (v,) of the second grid.
        """
        down = (rows[:, None] - others[None]).square()
        across = (columns[:, None] - other_columns[None]).square()
        return Distances(down[None], across[None])

    @staticmethod
    def within(grid: tuple[int, int]) -> "Distances":
        """Return the distances between the cells of one grid (h, w)."""
        rows, columns = (torch.arange(count, dtype=torch.float32) for count in grid)
        return Distances.between(rows, rows, columns, columns)

    def shared(self, share: Tensor | float) -> "Distances":
        """Return them times a share of the temporal prior, one or (B, 1, 1)."""
        return Distances(share * self.down, share * self.across)
