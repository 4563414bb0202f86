import sys
from importlib import import_module

import pytest

from eval import common
from eval.ablation import PLAIN_VARIANTS, VARIANTS
from persam_video.config import load_settings


@pytest.mark.parametrize("variant", VARIANTS[2:], ids=lambda variant: variant.name)
def test_a_variant_is_no_preset_under_another_name(variant):
    assert load_settings(variant.preset, variant.overrides) != load_settings(variant.preset)


@pytest.mark.parametrize("variants", [VARIANTS, PLAIN_VARIANTS], ids=["all", "plain"])
def test_every_row_has_a_name_and_settings_of_its_own(variants):
    assert len({variant.name for variant in variants}) == len(variants)
    settings = [load_settings(variant.preset, variant.overrides) for variant in variants]
    assert all(settings.index(one) == place for place, one in enumerate(settings))


def test_plain_rows_have_neither_maps_nor_readout():
    for variant in PLAIN_VARIANTS:
        prompts = load_settings(variant.preset, variant.overrides).prompts
        assert not prompts.matching
        assert not prompts.readout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["eval.ablation", "--data", ".", "--only", "nope"], "invalid choice: 'nope'"),
        (["eval.ablation", "--data", "nowhere"], "error: nowhere/davis/Annotations"),
        (["eval.cuts", "--data", "nowhere"], "error: nowhere/davis/JPEGImages"),
        (["eval.precision", "--data", "nowhere"], "error: nowhere/davis/Annotations"),
        (["eval.precision", "--data", ".", "--frames", "0"], "'0' is not a whole number of 1"),
        (["eval.davis2016", "--root", "nowhere"], "error: nowhere/Annotations/480p: no such"),
        (["eval.davis2016", "--root", ".", "--set", "nope=1"], "nope"),
        (["eval.robustness", "--case", "nope"], "no case of zoo, faults"),
        (["eval.robustness", "--only", "nope"], "invalid choice: 'nope'"),
        (["eval.benchmark", "--vit", "nope"], "invalid choice: 'nope'"),
        (["eval.engines", "--engines", "nope"], "invalid choice: 'nope'"),
        (["eval.lost_and_found", "--data", "nowhere"], "error: nowhere/davis/Annotations"),
    ],
)
def test_what_selects_nothing_is_an_error_before_anything_runs(line, says, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        common.run(import_module(line[0]).main)
    printed = capsys.readouterr()
    assert ended.value.code == 2, printed.out
    assert says in printed.err
    assert printed.out == ""
