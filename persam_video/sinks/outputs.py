"""The kinds of output by name, and the sinks that write them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path

from persam_video.drawing.overlay import Painter
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import ConfigError
from persam_video.sinks.base import Sink
from persam_video.sinks.coco import CocoSink, YouTubeVosSink
from persam_video.sinks.csv_lines import MotSink, TableSink
from persam_video.sinks.cutout import CutoutPngSink, CutoutVideoSink
from persam_video.sinks.labelling import CvatSink, LabelmeSink
from persam_video.sinks.mask_png import MaskPngSink
from persam_video.sinks.overlay_video import OverlayPictureSink, OverlayVideoSink
from persam_video.sinks.parquet import ParquetSink, require_pyarrow
from persam_video.sinks.preview import PreviewSink
from persam_video.sinks.selected import SelectedObjects
from persam_video.sinks.tracks_jsonl import TracksJsonlSink
from persam_video.util.atomic import check_suffix
from persam_video.util.live_page import LivePage
from persam_video.util.suggest import did_you_mean
from persam_video.video.source import SourceInfo
from persam_video.video.writer import video_form

_CUTOUT_CODEC = "vp9-alpha"


@dataclass(frozen=True)
class SinkOptions:
    """Options for writing outputs.

    Attributes:
        stride: distance between the frames that are written, in frames of the source.
        style: how the overlay is drawn; cut-outs have its feather.
        objects: ids of the objects that are shown or listed; all when not given.
        names: names of objects by id, instead of those in the results.
        codec: the overlay's codec, a name in ``persam_video.video.formats.CODECS``.
        crf: constant quality of the overlay and of the cut-out in VP9, lower is better; the
            codec's default when not given.
    """

    stride: int = 1
    style: OverlayStyle = field(default_factory=OverlayStyle)
    objects: frozenset[int] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    codec: str = "h264"
    crf: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that outputs read, such as the picture of a background."""
        return Painter(self.style).files

    @property
    def hides(self) -> bool:
        """Whether the overlay is to hide objects."""
        return Painter(self.style).coverage is not None


@dataclass(frozen=True)
class OutputKind:
    """The description of a kind of output.

    Attributes:
        name: its name for ``--save`` and ``--to``.
        place: its file or folder in the folder of a run.
        open: opens its sink, given the place, facts about the source, and options.
        shows_frames: whether it needs the frames of the source.
        folder_suffixes: suffixes of its files, if it is a folder; empty for a single file.
        check: raises, before anything is written, if it cannot be written to a place.
    """

    name: str
    place: str
    open: Callable[[Path, SourceInfo, SinkOptions], Sink]
    shows_frames: bool = False
    folder_suffixes: frozenset[str] = frozenset()
    check: Callable[[Path, SinkOptions], object] = lambda path, options: None


def _overlay(path: Path, info: SourceInfo, options: SinkOptions) -> Sink:
    return OverlayVideoSink(
        path,
        info,
        stride=options.stride,
        style=options.style,
        codec=options.codec,
        crf=options.crf,
    )


def _check_overlay(path: Path, options: SinkOptions) -> None:
    video_form(path, options.codec, options.crf, Fraction(1))
    Painter(options.style)


def _cutout_webm(path: Path, info: SourceInfo, options: SinkOptions) -> Sink:
    return CutoutVideoSink(
        path,
        info,
        codec=_CUTOUT_CODEC,
        stride=options.stride,
        crf=options.crf,
        feather=options.style.feather or 0,
    )


class Output(str, Enum):
    """The outputs of a tracked video; a new one is added here and nowhere else.

    Attributes:
        kind: its description.
    """

    kind: OutputKind

    def __new__(cls, kind: OutputKind) -> "Output":
        """Make the member that is called like its output."""
        member = str.__new__(cls, kind.name)
        member._value_ = kind.name
        member.kind = kind
        return member

    MASKS = OutputKind(
        "masks",
        "masks",
        lambda path, info, options: MaskPngSink(path),
        folder_suffixes=frozenset({".png"}),
    )
    OVERLAY = OutputKind(
        "overlay",
        "overlay.mp4",
        _overlay,
        shows_frames=True,
        check=_check_overlay,
    )
    TRACKS = OutputKind("tracks", "tracks.jsonl", lambda path, info, options: TracksJsonlSink(path))
    CUTOUT_PNG = OutputKind(
        "cutout-png",
        "cutout",
        lambda path, info, options: CutoutPngSink(path, options.style.feather or 0),
        shows_frames=True,
        folder_suffixes=frozenset({".png"}),
    )
    CUTOUT_WEBM = OutputKind(
        "cutout-webm",
        "cutout.webm",
        _cutout_webm,
        shows_frames=True,
        check=lambda path, options: video_form(path, _CUTOUT_CODEC, options.crf, Fraction(1)),
    )
    PRORES = OutputKind(
        "prores",
        "cutout.mov",
        lambda path, info, options: CutoutVideoSink(
            path,
            info,
            codec="prores",
            stride=options.stride,
            feather=options.style.feather or 0,
        ),
        shows_frames=True,
        check=lambda path, options: video_form(path, "prores", None, Fraction(1)),
    )
    COCO = OutputKind("coco", "coco.json", lambda path, info, options: CocoSink(path, info))
    YTVOS = OutputKind(
        "ytvos", "ytvos.json", lambda path, info, options: YouTubeVosSink(path, info)
    )
    MOT = OutputKind("mot", "mot.txt", lambda path, info, options: MotSink(path))
    TABLE = OutputKind("table", "table.csv", lambda path, info, options: TableSink(path))
    PARQUET = OutputKind(
        "parquet",
        "table.parquet",
        lambda path, info, options: ParquetSink(path),
        check=lambda path, options: require_pyarrow(),
    )
    LABELME = OutputKind(
        "labelme",
        "labelme",
        lambda path, info, options: LabelmeSink(path),
        shows_frames=True,
        folder_suffixes=frozenset({".json", ".jpg"}),
    )
    CVAT = OutputKind(
        "cvat", "cvat.xml", lambda path, info, options: CvatSink(path, info, options.stride)
    )


def _check_picture(path: Path, options: SinkOptions) -> None:
    check_suffix(path, ".png")
    Painter(options.style)


OVERLAY_PICTURE = OutputKind(
    "picture",
    "overlay.png",
    lambda path, info, options: OverlayPictureSink(path, info, options.style),
    shows_frames=True,
    check=_check_picture,
)
"""One frame of the overlay, to see how it will look; no output of a run."""

DEFAULT_OUTPUTS = (Output.MASKS, Output.OVERLAY, Output.TRACKS)

STORES = (Output.MASKS, Output.TRACKS)
"""What every run writes, as it resumes from them and other outputs are made of them."""


def parse_outputs(texts: Iterable[str]) -> tuple[Output, ...]:
    """Return the outputs for names, or comma-separated lists of names, without duplicates.

    Raises:
        ConfigError: a name is unknown, or none is given.
    """
    found: list[Output] = []
    for name in (part.strip() for text in texts for part in text.split(",")):
        output = known_output(name)
        if output not in found:
            found.append(output)
    if not found:
        names = ", ".join(output.value for output in Output)
        raise ConfigError(f"no output was named; choose from {names}")
    return tuple(found)


def known_output(name: str) -> Output:
    """Return the output with a name.

    Raises:
        ConfigError: the name is unknown.
    """
    known = {output.value: output for output in Output}
    return known[known_name("output", name, list(known))]


def known_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return a name if it is known.

    Raises:
        ConfigError: it is not; the message suggests the nearest one, or lists all.
    """
    if name not in known:
        raise ConfigError(f"{what} {name!r} is unknown: {did_you_mean(name, known)}")
    return name


def place_of(output: Output, folder: Path) -> Path:
    """Return the file or folder of an output in the folder of a run."""
    return folder / output.kind.place


def existing_files(folder: Path) -> list[Path]:
    """Return the files of outputs of any kind in the folder of a run."""
    files: list[Path] = []
    for output in Output:
        place = place_of(output, folder)
        if output.kind.folder_suffixes and place.is_dir():
            files += sorted(
                file
                for file in place.iterdir()
                if file.suffix in output.kind.folder_suffixes and not file.name.startswith(".")
            )
        elif place.is_file():
            files.append(place)
    return files


def check_options(outputs: Iterable[Output], folder: Path, options: SinkOptions) -> None:
    """Check that the outputs can be written, before anything is.

    Raises:
        ConfigError: a setting is out of range.
        OutputError: the installed FFmpeg lacks the codec, or pyarrow is not installed.
    """
    for output in outputs:
        output.kind.check(place_of(output, folder), options)


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
    return open_kind(output.kind, path, info, options)


def open_kind(kind: OutputKind, path: Path, info: SourceInfo, options: SinkOptions) -> Sink:
    """Open the sink of a kind of output; see ``open_sink``.

    Raises:
        PersamVideoError: as for ``open_sink``.
    """
    return _selecting(kind.open(path, info, options), options)


def open_preview(page: LivePage, info: SourceInfo, options: SinkOptions) -> Sink:
    """Open a sink that shows frames on a page as the overlay will show them.

    Raises:
        ConfigError: a style is unknown, or its value is none that it takes.
    """
    return _selecting(PreviewSink(page, info, options.style), options)


def _selecting(sink: Sink, options: SinkOptions) -> Sink:
    """Return a sink that passes on the objects that are to be shown, by their names."""
    if options.objects is None and not options.names:
        return sink
    return SelectedObjects(sink, options.objects, options.names)
