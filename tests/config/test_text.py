from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from persam_video.config import (
    Settings,
    known_keys,
    load_settings,
    preset_titles,
    presets,
    settings_text,
)

OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "procedure": st.sampled_from(["tracker", "upstream"]),
        "method": st.sampled_from(["persam", "persam-f"]),
        "model.name": st.text() | st.sampled_from(["no", "null", "1", "1e3", "a: b", "a #b"]),
        "model.checkpoint": st.none() | st.text(min_size=1).map(Path),
        "model.image_size": st.none() | st.integers(),
        "prompts.box": st.booleans(),
        "prior.alpha": st.floats(0, 1),
        "masks.reach": st.none() | st.floats(min_value=0),
        "weights.learning_rate": st.floats(min_value=0, exclude_min=True),
    },
)


@given(preset=st.sampled_from(sorted(presets())), overrides=OVERRIDES)
def test_the_text_loads_again_to_equal_settings(tmp_path, preset, overrides):
    wanted = load_settings(preset, overrides)
    file = tmp_path / "shown.yaml"
    file.write_text(settings_text(wanted), encoding="utf-8")
    assert load_settings(file) == wanted


def test_every_line_says_what_its_setting_means():
    lines = [line for line in settings_text(Settings()).splitlines() if line]
    assert all(line.partition(" # ")[2] for line in lines)
    assert any(line.startswith("  alpha: 0.5              # weight of the last") for line in lines)


def test_every_setting_is_shown_once_and_values_are_the_given_ones():
    text = settings_text(load_settings("images", {"prior.alpha": 0.25}))
    assert "  alpha: 0.25             # weight of the last mask in" in text
    shown = [line.split(":")[0].strip() for line in text.splitlines() if line]
    assert [name for name in shown if name not in Settings.model_fields] == [
        key.split(".")[1] for key in known_keys() if "." in key
    ]


def test_every_preset_has_a_title():
    titles = preset_titles()
    assert titles.keys() == presets().keys()
    assert titles["persam"].startswith("PerSAM with the temporal prior")
    assert all(title and not title.startswith("#") for title in titles.values())
