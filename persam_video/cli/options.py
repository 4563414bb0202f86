"""Options that several commands share, and the panels that ``--help`` shows them in."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam_video.cli import completion
from persam_video.davis.dataset import DavisDataset, Task
from persam_video.drawing.styles import STYLES
from persam_video.errors import ConfigError, OutputError, SourceError
from persam_video.util.atomic import output_error

if TYPE_CHECKING:
    from persam_video.config import Settings
    from persam_video.fleet.options import RayOptions
    from persam_video.images import ReferenceFiles
    from persam_video.sinks.outputs import SinkOptions

_STYLES = ", ".join(kind.usage for kind in STYLES.values())

_LOGITS = "logits"
"""What ``--feather`` takes instead of a width."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, by the convention of shells."""

_SHOWN = 60
"""Longest part of a path that is quoted in an error message, in characters."""

INPUT = "Input"
OUTPUTS = "Outputs"
RUN = "Run"
FLEET = "Fleet"

input_option = partial(typer.Option, rich_help_panel=INPUT)
object_option = partial(typer.Option, rich_help_panel="Objects")
output_option = partial(typer.Option, rich_help_panel=OUTPUTS)
look_option = partial(typer.Option, rich_help_panel="Look")
model_option = partial(typer.Option, rich_help_panel="Model")
tracking_option = partial(typer.Option, rich_help_panel="Tracking")
run_option = partial(typer.Option, rich_help_panel=RUN)
fleet_option = partial(typer.Option, rich_help_panel=FLEET)


def output_path(text: str | Path) -> Path:
    """Check the path of a file or folder to write.

    Raises:
        OutputError: it is empty, too long for the file system, or a loop of symbolic links.
    """
    if not str(text).strip():
        raise OutputError("the path of an output is empty: name a file or folder")
    path = Path(text)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # it can be created, or the error on writing says why not
    except OSError as error:
        shown = str(path) if len(str(path)) < _SHOWN else f"{str(path)[:_SHOWN]}…"
        raise output_error(Path(shown), error) from error
    return path


def written(help: str, **more: Any) -> Any:
    """Return an option for the path of a file or folder that a command writes."""
    return output_option(help=help, parser=output_path, metavar="PATH", **more)


ScoresFile = Annotated[Path | None, written("File for all scores, as JSON.")]


class Method(str, Enum):
    """The two methods, by the names of their papers."""

    PERSAM = "persam"
    PERSAM_F = "persam-f"


class LostChoice(str, Enum):
    """What hides an object while it is lost."""

    KEEP = "keep"
    NONE = "none"


class DecoderChoice(str, Enum):
    """Libraries that decode video files."""

    PYAV = "pyav"
    DECORD = "decord"


SourceArgument = Annotated[
    str,
    typer.Argument(help="Video file, folder of images, glob, camera index or URL."),
]
BoxOption = Annotated[
    list[str] | None,
    object_option(
        "--box",
        metavar="ID:X0,Y0,X1,Y1",
        help="Box around object ID, in pixels or percent (14%,35%,37%,66%). Repeatable.",
    ),
]
PointOption = Annotated[
    list[str] | None,
    object_option(
        "--point",
        metavar="ID:X,Y[,X,Y…]",
        help="Points on object ID; --point=-ID:X,Y marks background. Repeatable.",
    ),
]
PhotoOption = Annotated[
    list[str] | None,
    object_option(
        "--ref",
        metavar="IMAGE:MASK[#NAME]",
        help="Photo of the objects to look for, and its mask, of any kind that --mask takes. "
        "Repeatable.",
    ),
]
OverwriteOption = Annotated[bool, output_option("--overwrite", help="Replace earlier results.")]
SaveOption = Annotated[
    list[str] | None,
    output_option(
        "--save",
        metavar="NAME[,NAME…]",
        help="Outputs to write besides masks and tracks: overlay (the default), cutout-png, "
        "cutout-webm, prores, coco, ytvos, mot, table, parquet, labelme, cvat. Repeatable.",
        autocompletion=completion.output_lists,
    ),
]


@dataclass(frozen=True)
class DavisOptions:
    """Selects sequences of a DAVIS folder."""

    year: Annotated[int, input_option(help="2016 (one object per sequence), 2017 or 2019.")] = 2017
    split: Annotated[
        str | None,
        input_option(
            help="Set, or list in ImageSets: train, val, …", show_default="that for validation"
        ),
    ] = None
    resolution: Annotated[str, input_option(help="Subfolder of JPEGImages and Annotations.")] = (
        "480p"
    )
    sequence: Annotated[list[str] | None, input_option(help="Only this sequence. Repeatable.")] = (
        None
    )

    def dataset(self, root: Path, task: Task = Task.SEMI_SUPERVISED) -> DavisDataset:
        """Return the selected sequences.

        Raises:
            DatasetError: the folder does not have them.
        """
        only = self.sequence or ()
        return DavisDataset(
            root, self.year, self.split or "val", task=task, resolution=self.resolution, only=only
        )


@dataclass(frozen=True)
class RayCliOptions:
    """Whether a fleet does the work, and what its workers have."""

    ray: Annotated[
        str | None,
        fleet_option(
            metavar="ADDRESS",
            help="Track on a Ray cluster: HOST:PORT of its head, auto for the cluster of this "
            "machine, or local to start Ray here for this run.",
        ),
    ] = None
    cores_per_worker: Annotated[
        int | None,
        fleet_option(min=1, help="Cores, and threads, of a worker.", show_default="1"),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        fleet_option(
            min=0,
            help="GPUs of a worker; 0.5 lets two workers share one.",
            show_default="1 where the cluster has any",
        ),
    ] = None
    retries: Annotated[
        int | None,
        fleet_option(
            min=0,
            help="How often a video is tried again, by another worker, after its worker died.",
            show_default="3",
        ),
    ] = None
    stall_seconds: Annotated[
        float | None,
        fleet_option(
            min=0,
            help="After how long without a sign of a video, of a frame or while it is fetched, its "
            "worker counts as hanging and is replaced; 0 for never.",
            show_default="3600",
        ),
    ] = None

    def options(self, workers: int | None) -> "RayOptions | None":
        """Return what the fleet is made up of, or ``None`` without one.

        Raises:
            ConfigError: a value is out of range, Ray is not installed, or there is no fleet that an
                option is for.
        """
        from importlib.util import find_spec

        from persam_video.fleet.options import RayOptions

        given = {
            "cores": self.cores_per_worker,
            "gpus": self.gpus_per_worker,
            "retries": self.retries,
            "stall_seconds": self.stall_seconds,
        }
        more = {name: value for name, value in given.items() if value is not None}
        if self.ray is None:
            if more:
                raise typer.BadParameter(
                    "--cores-per-worker, --gpus-per-worker, --retries and --stall-seconds are for "
                    "--ray"
                )
            return None
        if find_spec("ray") is None:
            raise ConfigError("--ray needs Ray: pip install 'persam-video[ray]'")
        return RayOptions(self.ray, workers, **more)  # type: ignore[arg-type]

    def check_place(self, place: str) -> None:
        """Refuse a place on a storage where there is no fleet to use it.

        Raises:
            ConfigError: it is one.
        """
        from persam_video.fleet.storage import is_remote

        if self.ray is None and is_remote(place):
            raise ConfigError(f"{place}: needs --ray; --ray local does it on this machine")


@dataclass(frozen=True)
class ModelOptions:
    """Selects the model and where it runs."""

    model: Annotated[
        str | None,
        model_option(
            help="lite, vit_t, vit_b, vit_l, vit_h, sam2.1-tiny, -small, -base+, -large, edgetam, "
            "or a folder of SAM 2 that transformers saved.",
            autocompletion=completion.models,
        ),
    ] = None
    checkpoint: Annotated[
        Path | None, model_option(help="Weight file (.pth or .safetensors) or folder for --model.")
    ] = None
    device: Annotated[
        str | None, model_option(help="auto, cpu, cuda or mps.", autocompletion=completion.devices)
    ] = None
    precision: Annotated[
        str | None,
        model_option(help="auto, fp32, bf16 or fp16.", autocompletion=completion.precisions),
    ] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings that these options override, by dotted key."""
        given = {
            "model.name": self.model,
            "model.checkpoint": self.checkpoint,
            "model.device": self.device,
            "model.precision": self.precision,
        }
        return {key: value for key, value in given.items() if value is not None}

    def settings(self) -> "Settings":
        """Return the default settings with this model.

        Raises:
            ConfigError: a value is out of range.
        """
        from persam_video.config import load_settings

        return load_settings(overrides=self.overrides)


@dataclass(frozen=True)
class PresetOptions:
    """The preset that a run starts from, and the settings that override it."""

    method: Annotated[
        Method,
        tracking_option(
            help="persam needs no training; persam-f fits two mask weights to the annotation."
        ),
    ] = Method.PERSAM
    config: Annotated[
        str | None,
        tracking_option(
            help="Name of a preset, or a YAML file, instead of --method's preset.",
            autocompletion=completion.presets,
        ),
    ] = None
    assignments: Annotated[
        list[str] | None,
        tracking_option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one setting, e.g. prior.alpha=0.3. Repeatable.",
            autocompletion=completion.assignments,
        ),
    ] = None

    @property
    def preset(self) -> str:
        """The preset or file: --config if given, otherwise the preset of the method."""
        return self.config or self.method.value.replace("-", "_")

    @property
    def files(self) -> list[Path]:
        """The file with the settings, unless they come from a preset."""
        path = Path(self.preset)
        return [path] if path.is_file() else []

    @property
    def image_preset(self) -> str:
        """The preset or file for single images."""
        return self.config or ("images" if self.method is Method.PERSAM else "images_f")

    def overrides(self, model: ModelOptions | None = None) -> dict[str, Any]:
        """Return the settings that --set and the model options override, by dotted key.

        Raises:
            ConfigError: an assignment is not KEY=VALUE.
        """
        from persam_video.config import parse_assignments

        given = parse_assignments(self.assignments or [])
        return given | (model.overrides if model is not None else {})

    def settings(
        self, model: ModelOptions | None = None, *, for_images: bool = False
    ) -> "Settings":
        """Return the settings: the preset, then --set, then the model options.

        Raises:
            ConfigError: an unknown key, or a value out of range.
        """
        from persam_video.config import load_settings

        preset = self.image_preset if for_images else self.preset
        return load_settings(preset, self.overrides(model))


@dataclass(frozen=True)
class OverlayOptions:
    """How the overlay is drawn and videos are written."""

    styles: Annotated[
        list[str] | None,
        look_option(
            "--style",
            metavar="NAME[=VALUE][,…]",
            help=f"Look of the overlay, one or more of: {_STYLES}. Repeatable.",
            show_default="fill",
            autocompletion=completion.style_lists,
        ),
    ] = None
    objects: Annotated[
        list[str] | None,
        look_option(
            metavar="ID[,ID…]",
            help="Objects to show or list; masks and tracks always have all. Repeatable.",
            show_default="all",
        ),
    ] = None
    labels: Annotated[
        bool | None,
        look_option(
            "--labels/--no-labels", help="Whether to name the objects.", show_default="by style"
        ),
    ] = None
    names: Annotated[
        list[str] | None,
        look_option(metavar="ID=NAME[,…]", help="Names of objects: 1=dog,2=cat. Repeatable."),
    ] = None
    colours: Annotated[
        list[str] | None,
        look_option(
            metavar="ID=COLOUR[,…]", help="Colours of objects: 1=#ff8800,2=white. Repeatable."
        ),
    ] = None
    opacity: Annotated[float, look_option(help="Opacity of coloured masks, 0 to 1.")] = 0.42
    feather: Annotated[
        str | None,
        look_option(
            metavar="PIXELS|logits",
            help="Width of the soft edges of objects, also in cut-outs; while tracking also "
            "'logits', for edges by the confidence of the model.",
            show_default="by style; hard in cut-outs",
        ),
    ] = None
    when_lost: Annotated[
        LostChoice,
        look_option(
            help="What anonymise hides while an object is lost: keep its last box, enlarged, or "
            "none."
        ),
    ] = LostChoice.KEEP
    followed: Annotated[
        int | None,
        look_option(
            "--follow",
            metavar="ID",
            help="Object that --style follow keeps in view.",
            show_default="the first that is visible",
        ),
    ] = None
    codec: Annotated[
        str,
        output_option(
            help="Codec of the overlay: h264, hevc, av1 or vp9.", autocompletion=completion.codecs
        ),
    ] = "h264"
    crf: Annotated[
        int | None,
        output_option(
            help="Constant quality of overlay and cutout-webm; 0 is best.", show_default="by codec"
        ),
    ] = None

    @property
    def soft(self) -> bool:
        """Whether edges come from the model's logits."""
        return self.feather == _LOGITS

    @property
    def _width(self) -> float | None:
        """Width of the edges in pixels.

        Raises:
            ConfigError: it is no number.
        """
        if self.feather is None or self.soft:
            return None
        try:
            return float(self.feather)
        except ValueError:
            raise ConfigError(
                f"--feather {self.feather}: give a width in pixels, or {_LOGITS}"
            ) from None

    def sink_options(self, *, tracking: bool = True) -> "SinkOptions":
        """Return how outputs are written.

        Args:
            tracking: whether results come from the model, not from a stored run.

        Raises:
            ConfigError: a style, its value or the codec is unknown.
        """
        if self.soft and not tracking:
            raise ConfigError(
                f"--feather {_LOGITS}: logits are not stored with a run; give a width in pixels, "
                "or use it with track"
            )
        from persam_video.drawing.colours import parse_colour
        from persam_video.drawing.overlay import Painter
        from persam_video.drawing.overlay_style import OverlayStyle, WhenLost
        from persam_video.drawing.styles import parse_styles
        from persam_video.sinks.outputs import SinkOptions, known_name
        from persam_video.video.formats import CODECS

        opaque = [name for name, codec in CODECS.items() if not codec.alpha]
        codec = known_name("codec", self.codec, opaque)
        colours = parse_by_object("--colours", self.colours or [])
        names = parse_by_object("--names", self.names or [])
        style = OverlayStyle(
            parse_styles(self.styles or ["fill"]),
            alpha=self.opacity,
            tags=self.labels if self.labels is not None or not names else True,
            colours={object_id: parse_colour(text) for object_id, text in colours.items()},
            feather=self._width,
            when_lost=WhenLost(self.when_lost.value),
            follow=self.followed,
        )
        Painter(style)  # raises on wrong values of styles
        objects = frozenset(parse_ids("--objects", self.objects)) if self.objects else None
        return SinkOptions(style=style, objects=objects, names=names, codec=codec, crf=self.crf)


def parse_by_object(option: str, texts: Iterable[str]) -> dict[int, str]:
    """Split lists such as ``1=dog,2=cat`` into texts by object id.

    Raises:
        ConfigError: a part is not ID=TEXT, or the id is not an object id.
    """
    found: dict[int, str] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        number, _, value = part.partition("=")
        if not value.strip():
            raise ConfigError(f"{option} {part}: give ID=VALUE, such as 1=…")
        (object_id,) = parse_ids(option, [number])
        found[object_id] = value.strip()
    return found


def parse_ids(option: str, texts: Iterable[str]) -> list[int]:
    """Split lists of object ids such as ``1,3``.

    Raises:
        ConfigError: a part is not an id.
    """
    found = []
    for part in (part.strip() for text in texts for part in text.split(",")):
        if not (part.isascii() and part.isdigit() and len(part) < 4 and 1 <= int(part) <= 254):
            raise ConfigError(f"{option} {part}: object ids are whole numbers from 1 to 254")
        found.append(int(part))
    return found


def parse_reference(text: str) -> "ReferenceFiles":
    """Split IMAGE:MASK where both sides exist, as names may hold a colon too.

    Raises:
        SourceError: no colon in the text separates an existing image from an existing mask.
    """
    from persam_video.images import ReferenceFiles
    from persam_video.masks import MaskFile

    parts = text.split(":")
    for cut in range(1, len(parts)):
        image, mask = Path(":".join(parts[:cut])), MaskFile.of(":".join(parts[cut:]))
        if image.is_file() and mask.path.exists():
            return ReferenceFiles(image, mask)
    raise SourceError(f"--ref {text}: expected IMAGE:MASK, both existing files")
