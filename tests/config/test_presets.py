import pytest

from persam_video.config import Settings, load_settings, parse_assignments, presets
from persam_video.errors import ConfigError
from persam_video.util.yaml import load_yaml


def test_the_presets_ship_and_load():
    assert {"persam", "persam_f", "sam2"} <= set(presets())
    assert load_settings("persam").method == "persam"
    assert load_settings("persam_f").method == "persam-f"


def leaves(values, prefix=""):
    """Give every value that is no mapping, by dotted key."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@pytest.mark.parametrize("name", presets())
def test_a_preset_holds_only_what_differs_from_the_defaults(name):
    default = dict(leaves(Settings().model_dump(mode="json")))
    said = dict(leaves(load_yaml(presets()[name].read_text(encoding="utf-8"))))
    assert said.pop("method") in ("persam", "persam-f")
    assert all(default[key] != value for key, value in said.items())


def test_single_settings_lie_over_the_preset():
    settings = load_settings("persam", {"prior.alpha": 0.25, "model.device": "cpu"})
    assert settings.prior.alpha == 0.25
    assert settings.model.device == "cpu"
    assert settings.prior.grow == load_settings("persam").prior.grow


def family_files():
    return sorted((presets()["persam"].parent).glob("*/*.yaml"))


@pytest.mark.parametrize("file", family_files(), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_family_changes_only_what_differs_from_its_preset(file):
    usual = dict(leaves(load_settings(file.stem).model_dump(mode="json")))
    changes = dict(leaves(load_yaml(file.read_text(encoding="utf-8"))))
    assert changes
    assert all(usual[key] != value for key, value in changes.items())


@pytest.mark.parametrize(
    "model",
    ["vit_t", "vit_b", "vit_l", "vit_h", "sam2.1-tiny", "sam2.1-base+", "edgetam", "folder"],
)
def test_meta_s_models_start_from_the_published_settings(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").touch()
    settings = load_settings("persam", {"model.name": model})
    assert settings.guidance.attention
    assert settings.guidance.semantic
    assert settings.cascade.passes == 2
    assert settings.prior == load_settings("persam").prior
    fitted = load_settings("persam_f", {"model.name": model})
    assert not fitted.guidance.semantic
    assert fitted.prompts.negative_points == 0


@pytest.mark.parametrize("model", ["sam2.1-large", "edgetam"])
@pytest.mark.parametrize("preset", ["persam", "persam_f", "sam2"])
def test_models_of_sam_2_s_kind_remember_by_its_rules(model, preset):
    memory = load_settings(preset, {"model.name": model}).memory
    assert memory == load_settings("sam2").memory
    assert memory != load_settings(preset, {"model.name": "vit_h"}).memory or preset == "sam2"


def test_single_settings_go_before_those_of_the_family():
    overrides = {"model.name": "vit_b", "guidance.attention": False, "cascade.passes": 0}
    settings = load_settings("persam", overrides)
    assert not settings.guidance.attention
    assert settings.cascade.passes == 0
    assert settings.prompts.window is None


def test_a_file_is_taken_as_it_is_whatever_its_model(tmp_path):
    file = tmp_path / "persam.yaml"
    file.write_text("model:\n  name: vit_b\n")
    assert load_settings(file).cascade.passes == 1


@pytest.mark.parametrize("model", ["../vit", "vit/../vit_b", "/", ""])
def test_a_model_s_name_leads_to_no_other_file(model):
    usual = load_settings("persam")
    settings = load_settings("persam", {"model.name": model})
    assert settings.guidance == usual.guidance


def test_upstream_stays_as_it_is_with_any_model():
    upstream = load_settings("upstream")
    assert load_settings("upstream", {"model.name": "vit_h"}) == upstream


def test_the_defaults_are_the_preset_persam():
    assert Settings() == load_settings("persam")


def test_a_file_of_one_s_own_serves_too(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("prior:\n  alpha: 0\n")
    assert load_settings(file).prior.alpha == 0


def test_values_are_yaml():
    assert parse_assignments(["a.b=1", "c=true", "d=null", "e=x"]) == {
        "a.b": 1,
        "c": True,
        "d": None,
        "e": "x",
    }


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"prior.alfa": 1}, "prior.alpha"),
        ({"tracking.alpha": 1}, "prior.alpha"),
        ({"alpha": 1}, "prior.alpha"),
        ({"prior.alpha": 2}, "less than or equal to 1"),
        ({"cascade.passes": "many"}, "cascade.passes"),
        ({"method": "cutie"}, "persam-f"),
        ({"method.x": 1}, "unknown setting 'method.x'"),
    ],
)
def test_a_wrong_setting_names_the_mend(overrides, says):
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")) as error:
        load_settings("persam", overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "holds no settings"),
        ("a: [1\n", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text, says):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_settings(file)


def test_no_such_preset():
    with pytest.raises(ConfigError, match=r"choose one of .*persam"):
        load_settings("nothing")


def test_assignments_need_an_equals_sign():
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_assignments(["prior.alpha"])


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        Settings().method = "persam-f"


BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BILLION_LAUGHS + "prior: {alpha: *l}", "alias"),
        ("prior: {alpha: &a [*a]}", "alias"),
        ("prior: {alpha: 2001-99-99}", "month"),
        ("prior: {alpha: !!int x}", "invalid literal"),
        ("prior: {alpha: 0b_}", "invalid literal"),
        ("prior: {alpha: !!bool perhaps}", "perhaps"),
        ("prior: {alpha: !!timestamp x}", "not valid YAML"),
        ("prior: !!python/object/apply:os.system [true]", "python/object"),
        ("[" * 5000, "recursion"),
        ("#" * (1 << 20) + "#", "1048577 characters"),
        (f"{'k' * 1000}: 1", "unknown setting"),
        ('"new\\nline": 1', "unknown setting"),
        (f"prior: {{alpha: [{'1, ' * 5000}]}}", "valid number"),
    ],
)
def test_a_file_that_means_harm_is_one_short_line(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["prior: 3", "prior: null", "prior: []"])
def test_a_value_where_a_section_belongs(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="setting prior"):
        load_settings(file, {"prior.alpha": 0.3})


@pytest.mark.parametrize("value", ["2001-99-99", "!!int x", "&a [*a]"])
def test_a_single_setting_that_is_no_value(value):
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse_assignments([f"prior.alpha={value}"])
