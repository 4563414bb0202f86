"""Settings as YAML text in which every line says what it means."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from persam_video.config.settings import Settings
from persam_video.util.yaml import load_yaml

_PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_COLUMN = 26  # where comments begin
_ONE_LINE = 1 << 30  # characters before the YAML writer breaks a line


def settings_text(settings: Settings) -> str:
    """Write all settings, in their order, as YAML that ``load_settings`` loads again, equal."""
    return "\n".join(_lines(settings, "")).lstrip("\n") + "\n"


def _lines(section: BaseModel, indent: str) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        below = _lines(value, indent + "  ") if isinstance(value, BaseModel) else None
        line = f"{indent}{name}:" if below else f"{indent}{name}: {_scalar(value)}"
        line = f"{line:<{_COLUMN - 1}} # {field.description}"
        lines += ["", line, *below] if below else [line]
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, Path | str):
        text = str(value)
        if _PLAIN.fullmatch(text) and load_yaml(text) == text:
            return text
        return yaml.safe_dump(text, default_style='"', width=_ONE_LINE).rstrip("\n")
    # the writer marks the end of a document that is one bare value by a second line
    return yaml.safe_dump(value).split("\n", 1)[0]
