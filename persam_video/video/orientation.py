"""Rotating and mirroring decoded pictures for display."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to place a picture by quarter turns and mirroring.

    Attributes:
        transpose: swap rows and columns, before the flips.
        flip_rows: then turn upside down.
        flip_columns: then mirror left and right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> "Orientation":
        """Read FFmpeg's display matrix: nine little- or big-endian native 32-bit integers.

        A stored pixel (x, y) is shown at (a·x + c·y, b·x + d·y), where a, b, c, d are the
        matrix's first, second, fourth and fifth values. Angles other than quarter turns, which
        players do not show either, count as the nearest quarter turn.
        """
        a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, dtype=np.int32, count=5))
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, flip_rows=b < 0, flip_columns=c < 0)
        return cls(flip_rows=d < 0, flip_columns=a < 0)

    @classmethod
    def from_rotation(cls, degrees: int) -> "Orientation":
        """Turn counterclockwise, by the nearest quarter turn."""
        quarters = round(degrees / 90) % 4
        return cls(quarters in (1, 3), quarters in (1, 2), quarters in (2, 3))

    @property
    def mirrors(self) -> bool:
        """Whether the picture is mirrored, not only turned."""
        return self.transpose ^ self.flip_rows ^ self.flip_columns

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the displayed (width, height) of a stored picture."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (H, W, 3) picture as displayed, C-contiguous."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        if self.flip_rows:
            rgb = rgb[::-1]
        if self.flip_columns:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(rgb)
