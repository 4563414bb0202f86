"""Options that several commands share."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam_video.config import Settings, load_settings, parse_assignments
from persam_video.errors import SourceError

if TYPE_CHECKING:
    from persam_video.images import ReferenceFiles
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


@dataclass(frozen=True)
class ModelOptions:
    """Which model runs, and where."""

    model: Annotated[
        str | None, typer.Option("--model", help="lite (embedded), vit_t, vit_b, vit_l or vit_h.")
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="Weight file (.pth or .safetensors) of --model."),
    ] = None
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")] = None
    precision: Annotated[
        str | None, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")
    ] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings that these options lay over a preset, by dotted key."""
        given = {
            "model.name": self.model,
            "model.checkpoint": self.checkpoint,
            "model.device": self.device,
            "model.precision": self.precision,
        }
        return {key: value for key, value in given.items() if value is not None}

    def settings(self) -> Settings:
        """Return the settings of a run with this model and nothing else of its own.

        Raises:
            ConfigError: a value is out of range.
        """
        return load_settings(overrides=self.overrides)


@dataclass(frozen=True)
class PresetOptions:
    """Which settings a run starts from, and what is laid over them."""

    method: Annotated[
        Method,
        typer.Option(
            "--method",
            help="persam learns nothing; persam-f learns two mask weights from the mask.",
        ),
    ] = Method.PERSAM
    config: Annotated[
        str | None,
        typer.Option(
            "--config", help="A preset's name or a YAML file, instead of --method's preset."
        ),
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="One setting, e.g. prior.alpha=0.3; repeatable."
        ),
    ] = None

    @property
    def preset(self) -> str:
        """The preset or file: the one that is given, else that of the method."""
        return self.config or self.method.value.replace("-", "_")

    @property
    def image_preset(self) -> str:
        """The same for single images."""
        return self.config or ("images" if self.method is Method.PERSAM else "images_f")

    def overrides(self, model: ModelOptions | None = None) -> dict[str, Any]:
        """Return what --set, and then the options of the model, lay over the preset, by dotted key.

        Raises:
            ConfigError: an assignment is none.
        """
        given = parse_assignments(self.assignments or [])
        return given | (model.overrides if model is not None else {})

    def settings(self, model: ModelOptions | None = None, *, for_images: bool = False) -> Settings:
        """Return the settings: the preset, then --set, then the options of the model.

        Raises:
            ConfigError: an unknown key, or a value out of range.
        """
        preset = self.image_preset if for_images else self.preset
        return load_settings(preset, self.overrides(model))


SaveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--save",
        metavar="NAME[,NAME]",
        help="Beside masks and tracks: overlay (the default), cutout-png, cutout-webm, prores, "
        "coco, ytvos, mot, table, parquet, labelme, cvat; repeatable.",
    ),
]


@dataclass(frozen=True)
class OverlayOptions:
    """How the overlay is drawn and videos are written."""

    style: Annotated[
        str,
        typer.Option(
            "--style", help="Overlay: fill, contour, box, spotlight, blur or side-by-side."
        ),
    ] = "fill"
    codec: Annotated[str, typer.Option("--codec", help="Overlay: h264, hevc, av1 or vp9.")] = "h264"
    crf: Annotated[
        int | None,
        typer.Option(
            "--crf", help="Quality of overlay and cutout-webm, 0 best; by codec if not given."
        ),
    ] = None

    def sink_options(self) -> "SinkOptions":
        """Return how outputs are written.

        Raises:
            ConfigError: the style or the codec is unknown.
        """
        from persam_video.drawing.overlay import Look, OverlayStyle
        from persam_video.sinks.outputs import SinkOptions, known_name
        from persam_video.video.formats import CODECS

        look = Look(known_name("style", self.style, [each.value for each in Look]))
        opaque = [name for name, each in CODECS.items() if not each.alpha]
        codec = known_name("codec", self.codec, opaque)
        return SinkOptions(style=OverlayStyle(look), codec=codec, crf=self.crf)


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
