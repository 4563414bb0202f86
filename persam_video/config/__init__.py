"""Settings: typed, checked, explained, loaded from presets and written as YAML."""

from persam_video.config.presets import (
    known_keys,
    load_settings,
    parse_assignments,
    preset_titles,
    presets,
)
from persam_video.config.settings import ModelSettings, Settings
from persam_video.config.text import settings_text

__all__ = [
    "ModelSettings",
    "Settings",
    "known_keys",
    "load_settings",
    "parse_assignments",
    "preset_titles",
    "presets",
    "settings_text",
]
