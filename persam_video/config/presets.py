"""Loading settings: a preset or a YAML file, and single settings that override it.

A preset holds only what differs from the defaults, which are those of the embedded model. Another
family of models may change a preset: ``configs/vit/persam.yaml`` holds what the preset ``persam``
changes for ``vit_b`` and its kin, and for SAM 2.1 and EdgeTAM, for which ``configs/sam2`` changes
more. An unknown key is an error that names the nearest known one.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from persam_video.config.settings import Settings
from persam_video.errors import ConfigError
from persam_video.util.nested import flatten
from persam_video.util.suggest import did_you_mean
from persam_video.util.yaml import load_yaml

# nothing was measured with any, and PerSAM's papers speak for all; then come the rules of SAM 2
_SAM2 = ("vit", "sam2")
_FAMILIES = {"sam2": _SAM2, "edgetam": _SAM2}

_MOST_SHOWN = 80  # characters of a wrong value


def presets() -> dict[str, Path]:
    """Return the files of the presets that ship, by name."""
    return {file.stem: file for file in sorted(_folder().glob("*.yaml"))}


def _folder() -> Path:
    package = Path(__file__).parents[1]
    packaged = package / "configs"
    # an editable install has no copy inside the package: the checkout's own folder serves
    return packaged if packaged.is_dir() else package.parent / "configs"


def load_settings(
    preset: str | Path = "persam", overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Load a preset and override single settings.

    A preset that ships depends on the model: with ``{"model.name": "vit_h"}`` it is the one for
    Meta's SAM. A YAML file is taken as it is.

    Args:
        preset: a preset's name, or the path of a YAML file.
        overrides: values by dotted key, as ``{"prior.alpha": 0.3}``.

    Raises:
        ConfigError: no such preset, an unknown key, or a value out of range.

    Examples:
        >>> settings = load_settings("persam", {"model.name": "vit_b"})
        >>> settings.model.name
        'vit_b'
        >>> settings.guidance.attention, load_settings("persam").guidance.attention
        (True, False)
    """
    overrides = overrides or {}
    values, origin, ships = _read(preset)
    if ships:
        model = overrides.get("model.name", values.get("model", {}).get("name", ""))
        overrides = {**_family_changes(origin, str(model)), **overrides}
    known = set(known_keys())
    for key, value in overrides.items():
        if key not in known:
            raise ConfigError(f"unknown setting '{key}': {_nearest(key)}")
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

    Examples:
        >>> parse_assignments(["prior.alpha=0.3", "model.checkpoint=null"])
        {'prior.alpha': 0.3, 'model.checkpoint': None}
    """
    parsed: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"'{text}' is not KEY=VALUE: write, for example, prior.alpha=0.3")
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


def preset_titles() -> dict[str, str]:
    """Return the first comment line of each preset that ships, by name."""
    return {
        name: file.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("#").strip()
        for name, file in presets().items()
    }


def _read(preset: str | Path) -> tuple[dict[str, Any], str, bool]:
    """Return the values, the name for messages, and whether the preset ships."""
    shipped = presets()
    ships = str(preset) in shipped
    if ships:
        text = shipped[str(preset)].read_text(encoding="utf-8")
    else:
        path = Path(preset)
        if not path.is_file():
            raise ConfigError(
                f"no preset '{preset}': choose one of {', '.join(shipped)}, or give a YAML file"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); check it") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} cannot be read as text: give a YAML file") from error
    try:
        values = load_yaml(text) or {}
    except ValueError as error:
        raise ConfigError(f"{preset} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} holds no settings: write 'section:' and 'key: value' lines")
    return values, str(preset), ships


def _family_changes(preset: str, model: str) -> dict[str, Any]:
    """Return what the family of a model, such as ``vit``, changes in a preset, by dotted key."""
    family = re.split(r"[_.-]", model)[0]
    # the folder of a model that transformers saved is one of SAM 2's kind
    saved = bool(model) and (Path(model) / "config.json").is_file()
    families = _SAM2 if saved else _FAMILIES.get(family, (family,))
    changes: dict[str, Any] = {}
    for name in families:
        file = _folder() / name / f"{preset}.yaml"
        # a name that is a path would lead elsewhere
        if name.isalnum() and file.is_file():
            changes |= flatten(load_yaml(file.read_text(encoding="utf-8")))
    return changes


def _explain(error: ValidationError, origin: str) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {_short(key)} ({origin}): {_nearest(key[:_MOST_SHOWN])}"
    return f"setting {key}: {problem['msg']} (got {_short(problem['input'])})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _nearest(key: str) -> str:
    """Say which known setting was probably meant: of the same last name, else of a like name."""
    known = known_keys()
    last = key.rsplit(".", maxsplit=1)[-1]
    same = [name for name in known if name.rsplit(".", maxsplit=1)[-1] == last]
    return did_you_mean(same[0] if same else key, known, cutoff=0.5)
