"""Draw results over frames, in one or more styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.drawing.anonymise import Anonymise
from persam_video.drawing.coverage import Coverage
from persam_video.drawing.outlines import fill
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.style import Stage, Style
from persam_video.drawing.styles import style_kind
from persam_video.drawing.tags import Tags
from persam_video.errors import ConfigError
from persam_video.masks.boxes import around, clip
from persam_video.results import FrameResult, ObjectResult
from persam_video.util.atomic import atomic_path
from persam_video.video.picture import Picture, Pixels, rgb_of

_BOX, _SIDE_BY_SIDE = "box", "side-by-side"


class Painter:
    """Draws the results of one video over its frames, in order.

    Styles may remember where objects were in earlier frames, but never show those frames.
    """

    def __init__(self, style: OverlayStyle | None = None) -> None:
        """Set up the styles.

        Args:
            style: how to draw; the default style when not given.

        Raises:
            ConfigError: a style is unknown, given twice, or does not take the given value.
            SourceError: a file that a style reads cannot be read.
        """
        self._steps = _steps(style or OverlayStyle())

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the pictures for frames of this size."""
        for step in self._steps:
            width, height = step.size(width, height)
        return width, height

    def pass_over(self, result: FrameResult) -> None:
        """Let the styles see the result of a frame that is not drawn."""
        for step in self._steps:
            step.observe(result)

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return a picture of the next frame.

        Args:
            rgb: uint8 array of shape (H, W, 3).
            result: of that frame, with a label map of shape (H, W).

        Returns:
            A new uint8 array of shape (H, W, 3), or of the size that ``size`` returns.
        """
        self.pass_over(result)
        return self._drawn(rgb.copy(order="C"), result)

    def paint(self, pixels: Pixels, result: FrameResult) -> Pixels:
        """Return a picture of the next frame, which is RGB only where that is needed.

        Args:
            pixels: the frame; of a picture that is not RGB, as much is converted as is drawn on.
            result: of that frame, with a label map of its size.

        Returns:
            What ``draw`` returns, or such a picture.
        """
        reaches = [step.reach(result) for step in self._steps]
        known = [reach for reach in reaches if reach is not None]
        if not isinstance(pixels, Picture) or len(known) < len(reaches):
            return self.draw(rgb_of(pixels), result)
        self.pass_over(result)
        inside = (clip(box, pixels.size) for reach in known for box in reach)
        part = around([box for box in inside if box is not None])
        if part is None:
            return pixels
        return pixels.painted(self._drawn(pixels.canvas(part), result), part)

    def _drawn(self, picture: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        for step in self._steps:
            picture = step.draw(picture, result)
        return picture

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that styles read."""
        return tuple(path for step in self._steps for path in step.files)

    @property
    def coverage(self) -> Coverage | None:
        """Frames in which something may not be hidden; ``None`` without an anonymising style."""
        return next((s.coverage for s in self._steps if isinstance(s, Anonymise)), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the pictures drawn so far, one line each."""
        return tuple(line for step in self._steps for line in step.warnings)

    def close(self) -> None:
        """Close the files that styles read."""
        for step in self._steps:
            step.close()


def draw_overlay(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    objects: Sequence[ObjectResult] = (),
    *,
    style: OverlayStyle | None = None,
) -> NDArray[np.uint8]:
    """Draw masks, contours and names over a copy of a single frame.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        labels: uint8 array of shape (H, W); 0 is background, other values are object ids.
        objects: results of the same frame, for the names of objects, and for those that are lost,
            which are named in a corner. What is visible is taken from ``labels``.
        style: how to draw; the default style when not given.

    Returns:
        A new uint8 array of shape (H, W, 3); some styles give another height and width.

    Raises:
        ValueError: the arrays are not of these types or their sizes differ.
        ConfigError: a style is unknown, or does not take the given value.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"the frame is {rgb.dtype} {rgb.shape}; give uint8 (H, W, 3).")
    if labels.dtype != np.uint8 or labels.shape != rgb.shape[:2]:
        raise ValueError(
            f"the label map is {labels.dtype} {labels.shape}; give uint8 {rgb.shape[:2]}."
        )
    painter = Painter(style)
    try:
        return painter.draw(rgb, FrameResult(0, 0.0, labels, tuple(objects)))
    finally:
        painter.close()


def side_by_side(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return no step: ``_steps`` itself places the pictures side by side."""
    return []


@dataclass(frozen=True)
class _SideBySide(Style):
    """Shows the frame as some styles leave it, and to its right as others do.

    Attributes:
        left: styles of both sides.
        right: styles of the right side, including those of the left one.
    """

    stage = Stage.CAMERA
    left: Sequence[Style]
    right: Sequence[Style]

    def observe(self, result: FrameResult) -> None:
        """Let every style see the result once."""
        for step in self.right:
            step.observe(result)

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return both pictures; see ``Style.draw``."""
        pictures = []
        for steps in (self.left, self.right):
            picture = rgb.copy(order="C")
            for step in steps:
                picture = step.draw(picture, result)
            pictures.append(picture)
        return np.concatenate(pictures, axis=1)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of both pictures together."""
        for step in self.left:
            width, height = step.size(width, height)
        return 2 * width, height

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all styles."""
        return tuple(path for step in self.right for path in step.files)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all styles."""
        return tuple(line for step in self.right for line in step.warnings)

    def close(self) -> None:
        """Close the files of all styles."""
        for step in self.right:
            step.close()


def _steps(style: OverlayStyle) -> list[Style]:
    """Return the steps of an overlay style, in the order in which they are applied.

    Raises:
        ConfigError: a style is unknown or given twice, or its value is none that it takes.
        SourceError: a file that a style reads cannot be read.
    """
    steps: list[Style] = []
    kinds = []
    for text in style.styles:
        kind = style_kind(text)
        if kind in kinds:
            raise ConfigError(f"style {kind.name} is given twice: leave one out")
        kinds.append(kind)
        _, has_value, value = text.partition("=")
        made = kind.make(value if has_value else None, style)
        steps += [step for step in made if step not in steps]
    names = [kind.name for kind in kinds]
    if any(kind.has_tags for kind in kinds) if style.tags is None else style.tags:
        steps.append(Tags(style.palette, on_boxes=_BOX in names))
    beside = _SIDE_BY_SIDE in names
    if beside and not any(Stage.GROUND <= step.stage <= Stage.DRAWING for step in steps):
        steps += fill(None, style)
    # each style sees only the output of the one before, so nothing hidden can reappear
    steps.sort(key=lambda step: step.stage)
    if not beside:
        return steps
    hiding = [step for step in steps if step.stage is Stage.HIDING]
    cameras = [step for step in steps if step.stage is Stage.CAMERA]
    return [*hiding, _SideBySide(cameras, steps[len(hiding) :])]


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write uint8 RGB (H, W, 3) as a PNG, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as sibling:
        Image.fromarray(rgb).save(sibling, format="PNG")
