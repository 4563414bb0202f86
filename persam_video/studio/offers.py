"""The outputs that the page offers, and how they will look."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay import draw_overlay
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.styles import STYLES, parse_styles
from persam_video.errors import ConfigError
from persam_video.masks.palette import davis_palette
from persam_video.results import FrameResult
from persam_video.sinks.outputs import Output, SinkOptions, parse_outputs

_TITLES = {
    Output.OVERLAY: ("Video with masks (MP4)", "video"),
    Output.CUTOUT_WEBM: ("Cut-out with transparency (WebM)", "video"),
    Output.PRORES: ("Cut-out with transparency (ProRes MOV)", "video"),
    Output.CUTOUT_PNG: ("Cut-outs as PNG, zipped", "images"),
    Output.MASKS: ("Masks as indexed PNG, zipped", "images"),
    Output.COCO: ("COCO instances (JSON)", "labels"),
    Output.YTVOS: ("YouTube-VIS (JSON)", "labels"),
    Output.MOT: ("MOT Challenge (text)", "labels"),
    Output.LABELME: ("labelme, zipped", "labels"),
    Output.CVAT: ("CVAT for video (XML)", "labels"),
    Output.TRACKS: ("Tracks (JSON lines)", "labels"),
    Output.TABLE: ("Table (CSV)", "table"),
    Output.PARQUET: ("Table (Parquet)", "table"),
}

_CUTOUTS = (Output.CUTOUT_WEBM, Output.PRORES, Output.CUTOUT_PNG)
_SQUARE = 16  # pixels of a field of the chequerboard that stands for transparency


def offers_json() -> dict[str, Any]:
    """Return the outputs that can be written here, in the types of JSON."""
    offered = [o for o in _TITLES if o is not Output.PARQUET or find_spec("pyarrow") is not None]
    return {
        "outputs": [
            {
                "name": output.value,
                "title": _TITLES[output][0],
                "kind": _TITLES[output][1],
                "styles": list(STYLES) if output is Output.OVERLAY else None,
            }
            for output in offered
        ]
    }


def sink_options(style: str | None) -> SinkOptions:
    """Return how an output is written in a look; ``None`` for the usual one.

    Raises:
        ConfigError: there is no such look.
    """
    return SinkOptions() if style is None else SinkOptions(style=OverlayStyle(_named(style)))


def preview(
    rgb: NDArray[np.uint8], result: FrameResult, output: str, style: str | None
) -> NDArray[np.uint8]:
    """Return how an output shows a frame, uint8 RGB (H, W or 2 W, 3).

    Args:
        rgb: the frame, uint8 (H, W, 3).
        result: of the frame.
        output: its name.
        style: the look of an overlay.

    Raises:
        ConfigError: there is no such output or look.
    """
    (chosen,) = parse_outputs([output])
    if chosen in _CUTOUTS:
        rows, columns = np.indices(result.labels.shape) // _SQUARE
        board = np.where((rows + columns) % 2 == 0, np.uint8(205), np.uint8(245))
        return np.where(result.labels[..., None] > 0, rgb, board[..., None])
    if chosen is Output.MASKS:
        return davis_palette()[result.labels]
    return draw_overlay(rgb, result.labels, result.objects, style=sink_options(style).style)


def _named(style: str) -> tuple[str, ...]:
    """Take names only: values may be files of this machine, which a page has no business with."""
    styles = parse_styles([style])
    for text in styles:
        if "=" in text:
            raise ConfigError(f"style {text[:30]!r} has a value; give its name only")
    return styles
