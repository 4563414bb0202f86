"""What a benchmark gives a tracker: the frames in which it may first see an object."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GivenFrame(Protocol):
    """A frame whose annotation is given, or may show objects that are."""

    @property
    def frame(self) -> str:
        """Name of the frame, such as ``00000``."""

    @property
    def place(self) -> str:
        """Where it comes from, for messages."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What ``labels`` reads."""

    def moved(self, move: Callable[[Path], Path]) -> "GivenFrame":
        """Return the same, with its files at other places."""

    def labels(self, size: tuple[int, int]) -> "NDArray[np.uint8]":
        """Return the label map (H, W), in which 0 is background and 255 void.

        Args:
            size: (H, W) of the frame.

        Raises:
            PersamVideoError: the annotation cannot be used, or has another size.
        """


@dataclass(frozen=True)
class GivenPng:
    """A label PNG, taken at its word.

    Attributes:
        path: the file.
        single_object: whether all its labels are one object.
    """

    path: Path
    single_object: bool = False

    @property
    def frame(self) -> str:
        """Name of the frame."""
        return self.path.stem

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def moved(self, move: Callable[[Path], Path]) -> "GivenFrame":
        """See ``GivenFrame``."""
        return replace(self, path=move(self.path))

    def labels(self, size: tuple[int, int]) -> "NDArray[np.uint8]":
        """See ``GivenFrame``."""
        labels = self._read(size)
        return (labels > 0).view("uint8") if self.single_object else labels

    def _read(self, size: tuple[int, int]) -> "NDArray[np.uint8]":
        # imported late: the command line opens data sets, and --help should not wait for NumPy
        from persam_video.davis.labels import read_labels  # noqa: PLC0415

        return read_labels(self.path, size)


@dataclass(frozen=True)
class FirstPng(GivenPng):
    """The only annotation of a sequence, in any form that an annotation may have."""

    def _read(self, size: tuple[int, int]) -> "NDArray[np.uint8]":
        from persam_video.masks import read_annotation  # noqa: PLC0415

        return read_annotation(self.path, size=size).labels
