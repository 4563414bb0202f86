"""Settings: typed, checked, loaded from YAML presets.

A preset is a YAML file; each command starts from one and lays single settings over it. An unknown
key is an error that names the nearest known one.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from persam_video.errors import ConfigError
from persam_video.util.yaml import load_yaml

_MOST_SHOWN = 80  # characters of a wrong value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Section):
    """Which SAM, where and how.

    Attributes:
        name: lite, vit_b, vit_l, vit_h or vit_t.
        checkpoint: weight file; lite needs none.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        image_size: long side of the input in pixels; ``None`` takes the model's own.
    """

    name: str = "lite"
    checkpoint: Path | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    image_size: int | None = None


class TargetSettings(_Section):
    """The target embedding.

    Attributes:
        pooling: mean of the reference's cells, or half mean and half maximum.
    """

    pooling: Literal["mean", "mean_max"] = "mean_max"


class PromptSettings(_Section):
    """The prompts of the first pass.

    Attributes:
        positive_points: points at the highest location confidence.
        negative_points: points at the lowest.
        box: give the last box, grown.
        box_margin: how far that box grows on each side, as a share of its size.
        mask: give the last mask.
        matching: give the matching maps to a model that takes them.
        readout: give what is read from memory to a model that reads it.
        window: look for a tracked object only around its last box, grown by this share of its
            longer side, and by 64 input pixels at least. ``None`` looks everywhere.
    """

    positive_points: int = Field(default=1, ge=0, le=16)
    negative_points: int = Field(default=1, ge=0, le=16)
    box: bool = True
    box_margin: float = Field(default=0.1, ge=0, le=2)
    mask: bool = False
    matching: bool = True
    readout: bool = True
    window: float | None = Field(default=1.0, ge=0, le=100)


class GuidanceSettings(_Section):
    """How the target steers the first pass.

    Attributes:
        attention: target-guided attention (TGA).
        semantic: target-semantic prompting (TSP).
    """

    attention: bool = False
    semantic: bool = True


class CascadeSettings(_Section):
    """The refinement after the first pass.

    Attributes:
        passes: how often the mask is given back to the decoder: 0, 1 (with the mask) or 2 (then
            with the mask and its box), as in PerSAM.
        matching: give the matching maps in these passes too.
        readout: and what was read from memory.
    """

    passes: int = Field(default=1, ge=0, le=2)
    matching: bool = False
    readout: bool = True


class PriorSettings(_Section):
    """The temporal prior.

    Attributes:
        alpha: share of the last mask in the location confidence, 0 to 1; 0 is the method without
            the prior, exactly.
        grow: how far the last mask grows before it is blended, in cells of the embedding.
        motion: move the last mask and box by the object's last displacement, damped by this.
    """

    alpha: float = Field(default=0.5, ge=0, le=1)
    grow: int = Field(default=1, ge=0, le=8)
    motion: float = Field(default=0.0, ge=0, le=1)


class MemorySettings(_Section):
    """The good past frames that are read besides the annotated one and the last one.

    Attributes:
        frames: how many at most; the oldest gives way.
        every: one in so many good frames.
        score: of that score at least.
    """

    frames: int = Field(default=2, ge=0, le=16)
    every: int = Field(default=5, ge=1, le=1000)
    score: float = Field(default=0.8, ge=0, le=1)


class ZoomSettings(_Section):
    """What the model is shown of a frame while no object is lost.

    Attributes:
        limit: how much more of the input the objects may get than in the whole frame, along a
            side; 1 always shows the whole frame.
        room: side of what is shown, in sides of the box around all objects, at least.
        least: the whole frame is shown where more than this share of its sides would be.
    """

    limit: float = Field(default=1.0, ge=1, le=8)
    room: float = Field(default=2.0, ge=1, le=10)
    least: float = Field(default=0.85, ge=0, le=1)


class LostSettings(_Section):
    """When an object is lost, and when it is found again.

    Attributes:
        score: an object whose score falls below this is lost.
        likeness_drop: so is one whose mask is by this much less like the object than its masks
            usually are (``persam_video.tracking.segmenter.Candidate.likeness``).
        found: a lost object is tracked again when its score reaches this and its likeness is back.
        confirm: for so many frames in a row.
    """

    score: float = Field(default=0.15, ge=0, le=1)
    likeness_drop: float = Field(default=0.3, ge=0, le=4)
    found: float = Field(default=0.4, ge=0, le=1)
    confirm: int = Field(default=2, ge=1, le=30)


class MaskSettings(_Section):
    """The masks that come out.

    Attributes:
        min_component: components smaller than this share of the largest are removed.
        reach: so are those of a tracked object that do not touch its last box, grown by this share
            of its longer side, while another one does: look-alikes elsewhere. ``None`` keeps them.
    """

    min_component: float = Field(default=0.02, ge=0, le=1)
    reach: float | None = Field(default=0.15, ge=0)


class WeightSettings(_Section):
    """PerSAM-F's fit of the mask weights.

    Attributes:
        steps: optimiser steps on the cached logits.
        learning_rate: at the start of the cosine schedule.
    """

    steps: int = Field(default=800, ge=1)
    learning_rate: float = Field(default=4e-4, gt=0)


class Settings(_Section):
    """All settings of a run.

    Attributes:
        procedure: tracker, or upstream to do what the reference implementation's video scripts do;
            of the other settings that one heeds ``method``, ``model`` and ``weights``.
        method: persam, or persam-f with its learned mask weights.
    """

    procedure: Literal["tracker", "upstream"] = "tracker"
    method: Literal["persam", "persam-f"] = "persam"
    model: ModelSettings = ModelSettings()
    target: TargetSettings = TargetSettings()
    prompts: PromptSettings = PromptSettings()
    guidance: GuidanceSettings = GuidanceSettings()
    cascade: CascadeSettings = CascadeSettings()
    prior: PriorSettings = PriorSettings()
    memory: MemorySettings = MemorySettings()
    zoom: ZoomSettings = ZoomSettings()
    lost: LostSettings = LostSettings()
    masks: MaskSettings = MaskSettings()
    weights: WeightSettings = WeightSettings()


def presets() -> dict[str, Path]:
    """Return the files of the presets that ship, by name."""
    packaged = Path(__file__).parent / "configs"
    # an editable install has no copy inside the package: the checkout's own folder serves
    folder = packaged if packaged.is_dir() else Path(__file__).parents[1] / "configs"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_settings(
    preset: str | Path = "persam", overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Load a preset and lay single settings over it.

    Args:
        preset: a preset's name, or the path of a YAML file.
        overrides: values by dotted key, as ``{"prior.alpha": 0.3}``.

    Raises:
        ConfigError: no such preset, an unknown key, or a value out of range.
    """
    values, origin = _read(preset)
    for key, value in (overrides or {}).items():
        if key not in known_keys():
            raise ConfigError(f"unknown setting '{key}'{_nearest(key)}")
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise ConfigError(
                    f"setting {part}: is a value in {origin}; write 'key: value' lines below it"
                )
        section[name] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from error


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` texts; values are YAML scalars.

    Raises:
        ConfigError: a text without ``=``, or a value that is not YAML.
    """
    parsed: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"'{text}' is not key=value: write for example prior.alpha=0.3")
        try:
            parsed[key.strip()] = load_yaml(value)
        except ValueError as error:
            raise ConfigError(f"the value in '{text}' is not valid YAML") from error
    return parsed


def known_keys() -> list[str]:
    """Return every setting as a dotted key."""
    return _keys(Settings, "")


def _keys(section: type[BaseModel], prefix: str) -> list[str]:
    found: list[str] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += _keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def _read(preset: str | Path) -> tuple[dict[str, Any], str]:
    shipped = presets()
    if str(preset) in shipped:
        text = shipped[str(preset)].read_text(encoding="utf-8")
    else:
        path = Path(preset)
        if not path.is_file():
            raise ConfigError(
                f"no preset '{preset}': choose one of {', '.join(shipped)}, or give a YAML file"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as text: give a YAML file") from error
    try:
        values = load_yaml(text) or {}
    except ValueError as error:
        raise ConfigError(f"{preset} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} holds no settings: write 'section:' and 'key: value' lines")
    return values, str(preset)


def _explain(error: ValidationError, origin: str) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {_short(key)} ({origin}){_nearest(key[:_MOST_SHOWN])}"
    return f"setting {key}: {problem['msg']} (got {_short(problem['input'])})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _nearest(key: str) -> str:
    """Say which known setting was probably meant: of the same last name, else of a like name."""
    known = known_keys()
    last = key.rsplit(".", maxsplit=1)[-1]
    close = [name for name in known if name.rsplit(".", maxsplit=1)[-1] == last]
    close += difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f": did you mean '{close[0]}'?" if close else f": known are {', '.join(known)}"
