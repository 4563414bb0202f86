from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.config import Settings, known_keys, load_settings, presets
from persam_video.config_text import preset_titles, settings_text

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
    file.write_text(settings_text(wanted, preset), encoding="utf-8")
    assert load_settings(file) == wanted


def test_the_preset_itself_comes_out_but_for_its_title_and_what_it_leaves_open():
    title, *lines = presets()["persam"].read_text(encoding="utf-8").splitlines()
    shown = settings_text(Settings()).splitlines()
    assert shown[0].startswith("procedure: tracker")
    assert "# tracker, or upstream" in shown[0]
    assert shown[1:] == lines[1:]
    assert title not in shown


def test_every_setting_is_shown_once_and_values_are_the_given_ones():
    text = settings_text(load_settings("images", {"prior.alpha": 0.25}), "images")
    assert "  alpha: 0.25             # share of the last mask in" in text
    assert "# target-guided attention (TGA); published with true" in text  # its own words
    shown = [line.split(":")[0].strip() for line in text.splitlines() if line]
    assert [name for name in shown if name not in Settings.model_fields] == [
        key.split(".")[1] for key in known_keys() if "." in key
    ]


@pytest.mark.parametrize("preset", ["mine.yaml", Path("folder/mine.yaml")])
def test_a_file_of_one_s_own_is_shown_in_the_words_of_the_presets(preset):
    assert settings_text(Settings(), preset) == settings_text(Settings())


def test_every_preset_has_a_title():
    titles = preset_titles()
    assert titles.keys() == presets().keys()
    assert titles["persam"].startswith("PerSAM with the temporal prior")
    assert all(title and not title.startswith("#") for title in titles.values())
