"""The outputs that the page offers, and previews of them."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay import draw_overlay
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.styles import STYLES, parse_styles
from persam_video.errors import ConfigError
from persam_video.masks.palette import davis_palette
from persam_video.sinks.outputs import Output, SinkOptions, parse_outputs
from persam_video.studio.marking import MarkedVideo
from persam_video.studio.outputs import as_shown

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
_SQUARE = 16  # size in pixels of the squares of the chequerboard that shows transparency


def offers_json() -> dict[str, Any]:
    """Return the outputs that can be written here, as JSON types."""
    offered = [o for o in _TITLES if o is not Output.PARQUET or find_spec("pyarrow") is not None]
    return {
        "outputs": [
            {
                "name": output.value,
                "title": _TITLES[output][0],
                "kind": _TITLES[output][1],
                "styles": _looks() if output is Output.OVERLAY else None,
            }
            for output in offered
        ]
    }


def sink_options(
    session: MarkedVideo, style: str | None, *, only_visible: bool = False
) -> SinkOptions:
    """Return how an output is written.

    Args:
        session: whose objects are shown, under their names and in their colours.
        style: the look of an overlay; ``None`` for the usual one.
        only_visible: leave out the objects that are hidden on the page.

    Raises:
        ConfigError: there is no such style.
    """
    hidden = {shown.id for shown in session.objects if not shown.visible}
    options = SinkOptions(objects=session.found_objects - hidden if only_visible else None)
    if style is not None:
        options = replace(options, style=OverlayStyle(_known(style)))
    return as_shown(session, options)


def preview(
    session: MarkedVideo, index: int, output: str, options: SinkOptions
) -> NDArray[np.uint8]:
    """Return a preview of a frame in an output, uint8 RGB (height and width by the look, 3).

    Args:
        session: the session.
        index: of the frame.
        output: its name.
        options: how it is written.

    Raises:
        ConfigError: there is no such output or style.
        SourceError: there is no such frame.
    """
    (chosen,) = parse_outputs([output])
    rgb = session.frame(index).rgb
    result = session.result(index).named(options.names)
    if options.objects is not None:
        result = result.only(options.objects)
    if chosen in _CUTOUTS:
        rows, columns = np.indices(result.labels.shape) // _SQUARE
        board = np.where((rows + columns) % 2 == 0, np.uint8(205), np.uint8(245))
        return np.where(result.labels[..., None] > 0, rgb, board[..., None])
    if chosen is Output.MASKS:
        return davis_palette()[result.labels]
    return draw_overlay(rgb, result.labels, result.objects, style=options.style)


def _looks() -> list[dict[str, Any]]:
    return [{"name": kind.name, "values": list(kind.examples)} for kind in STYLES.values()]


def _known(style: str) -> tuple[str, ...]:
    """Take no values but those that are offered: others may be files of this machine."""
    styles = parse_styles([style])
    for text in styles:
        name, _, value = text.partition("=")
        if value and value not in STYLES[name].examples:
            raise ConfigError(f"style {text[:30]!r} has a value that the studio does not offer")
    return styles
