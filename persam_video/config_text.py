"""Settings as YAML text in which every line says what it means, in the words of the presets."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from persam_video.config import Settings, presets
from persam_video.util.yaml import load_yaml

_LINE = re.compile(r"(?P<indent> *)(?P<name>\w+):[^#]*(?:# (?P<comment>.*))?")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_COLUMN = 26  # where comments begin, as in the presets
_ONE_LINE = 1 << 30  # characters before the YAML writer breaks a line


def settings_text(settings: Settings, preset: str | Path = "persam") -> str:
    """Write settings as YAML that ``persam_video.config.load_settings`` loads again, equal.

    Args:
        settings: all of them are written, in their order.
        preset: whose comments are taken where it has one; a file that does not ship has none to
            give. What it leaves open comes from the other presets that ship, ``persam`` first.
    """
    comments: dict[str, str] = {}
    shipped = presets()
    for name in dict.fromkeys((str(preset), "persam", *shipped)):
        if name in shipped:
            comments = _comments(shipped[name].read_text(encoding="utf-8")) | comments
    return "\n".join(_lines(settings, "", comments)).lstrip("\n") + "\n"


def preset_titles() -> dict[str, str]:
    """Return the first comment line of each preset that ships, by name."""
    return {
        name: file.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("#").strip()
        for name, file in presets().items()
    }


def _comments(text: str) -> dict[str, str]:
    """Return the comments of a shipped preset's lines by dotted key."""
    found, section = {}, ""
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            name = match["name"]
            section = section if match["indent"] else name
            if match["comment"]:
                found[f"{section}.{name}" if match["indent"] else name] = match["comment"]
    return found


def _lines(section: BaseModel, prefix: str, comments: dict[str, str]) -> list[str]:
    indent, lines = "  " if prefix else "", []
    for name in type(section).model_fields:
        value, key = getattr(section, name), prefix + name
        below = _lines(value, f"{key}.", comments) if isinstance(value, BaseModel) else None
        line = f"{indent}{name}:" if below else f"{indent}{name}: {_scalar(value)}"
        if comment := comments.get(key):
            line = f"{line:<{_COLUMN - 1}} # {comment}"
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
