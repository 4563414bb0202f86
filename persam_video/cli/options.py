"""Options that several commands share."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam_video.config import Settings, load_settings, parse_assignments
from persam_video.errors import SourceError

if TYPE_CHECKING:
    from persam_video.images import ReferenceFiles

if TYPE_CHECKING:
    from persam_video.sinks.outputs import SinkOptions

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Method(str, Enum):
    """The two methods, by the names of their papers."""

    PERSAM = "persam"
    PERSAM_F = "persam-f"


class DecoderChoice(str, Enum):
    """Libraries that decode video files."""

    PYAV = "pyav"
    DECORD = "decord"


MethodOption = Annotated[
    Method,
    typer.Option(
        "--method", help="persam learns nothing; persam-f learns two mask weights from the mask."
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="lite (embedded), vit_t, vit_b, vit_l or vit_h.")
]
CheckpointOption = Annotated[
    Path | None, typer.Option("--checkpoint", help="Weight file (.pth or .safetensors) of --model.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="ID:X0,Y0,X1,Y1",
        help="A box around object ID, in pixels, instead of a painted mask; repeatable.",
    ),
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="ID:X,Y[,X,Y…]",
        help="Points on object ID; with a minus before the ID, beside it. Repeatable.",
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", help="A preset's name or a YAML file, instead of --method's preset."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One setting, e.g. prior.alpha=0.3; repeatable."
    ),
]


def resolve_settings(
    method: Method,
    config: str | None,
    assignments: list[str] | None,
    **model: Any,
) -> Settings:
    """Turn options into settings: the preset, then --set, then the options of their own.

    Args:
        method: whose preset is taken when ``config`` is not given.
        config: preset or file.
        assignments: ``key=value`` texts.
        model: values of the section ``model``; ``None`` leaves the preset's.

    Raises:
        ConfigError: an unknown key, or a value out of range.
    """
    return load_settings(preset_of(method, config), setting_overrides(assignments, **model))


def setting_overrides(assignments: list[str] | None, **model: Any) -> dict[str, Any]:
    """Return what --set and the options of their own lay over a preset, by dotted key."""
    overrides = parse_assignments(assignments or [])
    return overrides | {f"model.{key}": value for key, value in model.items() if value is not None}


def preset_of(method: Method, config: str | None) -> str:
    """Return the preset or file that a run starts from: ``config``, else that of the method."""
    return config or method.value.replace("-", "_")


def image_preset(method: Method) -> str:
    """Return the name of the preset of a method for single images."""
    return "images" if method is Method.PERSAM else "images_f"


SaveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--save",
        metavar="NAME[,NAME]",
        help="Beside masks and tracks: overlay (the default), cutout-png, cutout-webm, prores, "
        "coco, ytvos, mot, table, labelme, cvat; repeatable.",
    ),
]
StyleOption = Annotated[
    str,
    typer.Option("--style", help="Overlay: fill, contour, box, spotlight, blur or side-by-side."),
]
CodecOption = Annotated[str, typer.Option("--codec", help="Overlay: h264, hevc, av1 or vp9.")]
CrfOption = Annotated[
    int | None, typer.Option("--crf", help="Quality of the overlay, 0 best; by codec if not given.")
]


def sink_options(style: str, codec: str, crf: int | None) -> "SinkOptions":
    """Turn the options of the overlay into how it is written.

    Raises:
        ConfigError: the style or the codec is unknown.
    """
    from persam_video.report.overlay import Look, OverlayStyle
    from persam_video.sinks.outputs import SinkOptions, known_name
    from persam_video.video.formats import CODECS

    look = Look(known_name("style", style, [each.value for each in Look]))
    opaque = [name for name, each in CODECS.items() if not each.alpha]
    return SinkOptions(style=OverlayStyle(look), codec=known_name("codec", codec, opaque), crf=crf)


def parse_reference(text: str) -> "ReferenceFiles":
    """Split IMAGE:MASK where both sides are files, as names may hold a colon too.

    Raises:
        SourceError: no such split names two files.
    """
    from persam_video.images import ReferenceFiles

    parts = text.split(":")
    for cut in range(1, len(parts)):
        pair = ReferenceFiles(Path(":".join(parts[:cut])), Path(":".join(parts[cut:])))
        if pair.image.is_file() and pair.mask.is_file():
            return pair
    raise SourceError(f"--ref {text}: names no two files; give IMAGE:MASK")
