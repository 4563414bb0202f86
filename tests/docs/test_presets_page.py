"""The presets' page shows the values that the presets have."""

from pathlib import Path

import pytest
import yaml

from persam_video.config import load_settings
from persam_video.util.nested import flatten

PAGE = Path(__file__).parents[2] / "docs" / "presets.md"
COLUMNS = {
    "Videos": (
        ("persam", "lite"),
        ("persam_f", "lite"),
        ("persam", "vit_h"),
        ("persam_f", "vit_h"),
    ),
    "SAM 2.1 and EdgeTAM": (
        ("persam", "vit_h"),
        ("persam", "sam2.1-tiny"),
        ("persam_f", "sam2.1-tiny"),
        ("sam2", "sam2.1-tiny"),
    ),
    "Photos": (
        ("images", "lite"),
        ("images_f", "lite"),
        ("images", "vit_h"),
        ("images_f", "vit_h"),
    ),
}


def table(section: str) -> dict[str, list[str]]:
    """Return the values of a section's table by setting."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {key.strip("`"): [value.strip() for value in values] for key, *values in lines}


def shown(value: object) -> str:
    """Write a value as the page does."""
    return yaml.safe_dump(value).split("\n")[0]


def values(columns: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Return the values of all settings but method, procedure and model, by column."""
    settings = [
        flatten(load_settings(preset, {"model.name": model}).model_dump(mode="json"))
        for preset, model in columns
    ]
    return {
        key: [shown(column[key]) for column in settings]
        for key in settings[0]
        if not key.startswith("model.") and key not in ("procedure", "method")
    }


def test_every_setting_of_every_video_preset_is_on_the_page():
    stated = table("Videos")
    assert {key: row[:4] for key, row in stated.items()} == values(COLUMNS["Videos"])


def test_the_photo_presets_are_told_where_they_differ():
    usual = flatten(load_settings("persam").model_dump(mode="json"))
    differing = {
        key: row
        for key, row in values(COLUMNS["Photos"]).items()
        if any(value != shown(usual[key]) for value in row)
    }
    assert {key: row[:4] for key, row in table("Photos").items()} == differing


def test_what_models_of_sam_2_s_kind_change_is_told():
    differing = {
        key: row
        for key, row in values(COLUMNS["SAM 2.1 and EdgeTAM"]).items()
        if row[1] != row[0] or row[3] != row[0]
    }
    assert {key: row[:4] for key, row in table("SAM 2.1 and EdgeTAM").items()} == differing


@pytest.mark.parametrize("section", COLUMNS)
def test_every_setting_has_its_evidence(section):
    for key, row in table(section).items():
        assert len(row) == 5, key
        assert any(word in row[4] for word in ("measured", "paper", "reasoning")), key
