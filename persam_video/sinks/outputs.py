"""The kinds of output by name, and the sinks that write them."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path

from persam_video.drawing.overlay import OverlayStyle
from persam_video.errors import ConfigError
from persam_video.sinks.base import Sink
from persam_video.sinks.coco import CocoSink, YouTubeVosSink
from persam_video.sinks.csv_lines import MotSink, TableSink
from persam_video.sinks.cutout import CutoutPngSink, CutoutVideoSink
from persam_video.sinks.labelling import CvatSink, LabelmeSink
from persam_video.sinks.mask_png import MaskPngSink
from persam_video.sinks.overlay_video import OverlayVideoSink
from persam_video.sinks.parquet import ParquetSink, require_pyarrow
from persam_video.sinks.tracks_jsonl import TracksJsonlSink
from persam_video.video.source import SourceInfo
from persam_video.video.writer import video_form


class Output(str, Enum):
    """What can be made of a tracked video."""

    MASKS = "masks"
    OVERLAY = "overlay"
    TRACKS = "tracks"
    CUTOUT_PNG = "cutout-png"
    CUTOUT_WEBM = "cutout-webm"
    PRORES = "prores"
    COCO = "coco"
    YTVOS = "ytvos"
    MOT = "mot"
    TABLE = "table"
    PARQUET = "parquet"
    LABELME = "labelme"
    CVAT = "cvat"


DEFAULT_OUTPUTS = (Output.MASKS, Output.OVERLAY, Output.TRACKS)

_CUTOUT_CODEC = "vp9-alpha"

_PICTURES = (
    Output.OVERLAY,
    Output.CUTOUT_PNG,
    Output.CUTOUT_WEBM,
    Output.PRORES,
    Output.LABELME,
)

STORES = (Output.MASKS, Output.TRACKS)
"""What every run writes, as it resumes from them and other outputs are made of them."""


@dataclass(frozen=True)
class SinkOptions:
    """How outputs are written.

    Attributes:
        stride: distance between the frames that are written, in frames of the source.
        style: how the overlay is drawn.
        codec: the overlay's codec, a name in ``persam_video.video.formats.CODECS``.
        crf: constant quality of the overlay and of the cut-out in VP9, lower is better; the
            codec's default when not given.
    """

    stride: int = 1
    style: OverlayStyle = field(default_factory=OverlayStyle)
    codec: str = "h264"
    crf: int | None = None


@dataclass(frozen=True)
class _Kind:
    """What an output is called in the folder of a run, and how its sink is made."""

    place: str
    make: Callable[[Path, SourceInfo, SinkOptions], Sink]


_KINDS: Mapping[Output, _Kind] = {
    Output.MASKS: _Kind("masks", lambda path, info, how: MaskPngSink(path)),
    Output.OVERLAY: _Kind(
        "overlay.mp4",
        lambda path, info, how: OverlayVideoSink(
            path, info, stride=how.stride, style=how.style, codec=how.codec, crf=how.crf
        ),
    ),
    Output.TRACKS: _Kind("tracks.jsonl", lambda path, info, how: TracksJsonlSink(path)),
    Output.CUTOUT_PNG: _Kind("cutout", lambda path, info, how: CutoutPngSink(path)),
    Output.CUTOUT_WEBM: _Kind(
        "cutout.webm",
        lambda path, info, how: CutoutVideoSink(
            path, info, codec=_CUTOUT_CODEC, stride=how.stride, crf=how.crf
        ),
    ),
    Output.PRORES: _Kind(
        "cutout.mov",
        lambda path, info, how: CutoutVideoSink(path, info, codec="prores", stride=how.stride),
    ),
    Output.COCO: _Kind("coco.json", lambda path, info, how: CocoSink(path, info)),
    Output.YTVOS: _Kind("ytvos.json", lambda path, info, how: YouTubeVosSink(path, info)),
    Output.MOT: _Kind("mot.txt", lambda path, info, how: MotSink(path)),
    Output.TABLE: _Kind("table.csv", lambda path, info, how: TableSink(path)),
    Output.PARQUET: _Kind("table.parquet", lambda path, info, how: ParquetSink(path)),
    Output.LABELME: _Kind("labelme", lambda path, info, how: LabelmeSink(path)),
    Output.CVAT: _Kind("cvat.xml", lambda path, info, how: CvatSink(path, info, how.stride)),
}


def parse_outputs(texts: Iterable[str]) -> tuple[Output, ...]:
    """Return the outputs that names, or lists of names with commas, ask for; each one once.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    known = [output.value for output in Output]
    found: list[Output] = []
    for name in (part.strip() for text in texts for part in text.split(",")):
        output = Output(known_name("output", name, known))
        if output not in found:
            found.append(output)
    if not found:
        raise ConfigError(f"no output is asked for; choose of {', '.join(known)}")
    return tuple(found)


def known_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return a name that is one of those known.

    Raises:
        ConfigError: it is not; the message tells the nearest one and all others.
    """
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{what} {name!r} is unknown{hint} (known: {', '.join(known)})")
    return name


def needs_pictures(output: Output) -> bool:
    """Return whether an output shows the frames of the source."""
    return output in _PICTURES


def place_of(output: Output, folder: Path) -> Path:
    """Return the file or folder of an output in the folder of a run."""
    return folder / _KINDS[output].place


def existing_files(folder: Path) -> list[Path]:
    """Return the files that outputs of any kind left in the folder of a run."""
    places = [place_of(output, folder) for output in Output]
    files = [place for place in places if place.is_file()]
    return files + sorted(
        file
        for place in places
        if place.is_dir()
        for file in place.glob("[!.]*")
        if file.suffix in (".png", ".json", ".jpg")
    )


def check_options(outputs: Collection[Output], folder: Path, options: SinkOptions) -> None:
    """Refuse what cannot be written, before anything is.

    Raises:
        ConfigError: a setting is out of range.
        OutputError: the installed FFmpeg lacks the codec, or pyarrow is not installed.
    """
    if Output.PARQUET in outputs:
        require_pyarrow()
    if Output.OVERLAY in outputs:
        place = place_of(Output.OVERLAY, folder)
        video_form(place, options.codec, options.crf, Fraction(1))
    if Output.CUTOUT_WEBM in outputs:
        place = place_of(Output.CUTOUT_WEBM, folder)
        video_form(place, _CUTOUT_CODEC, options.crf, Fraction(1))


def open_sink(output: Output, path: Path, info: SourceInfo, options: SinkOptions) -> Sink:
    """Open the sink of one output.

    Args:
        output: what to write.
        path: the file or folder to write to.
        info: facts about the source of the frames.
        options: how to write.

    Raises:
        OutputError: the output cannot be written there.
        ConfigError: a setting is out of range.
    """
    return _KINDS[output].make(path, info, options)
