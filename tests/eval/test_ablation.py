import pytest

from eval.ablation import VARIANTS
from persam_video.config import load_settings


@pytest.mark.parametrize("variant", VARIANTS[2:], ids=lambda variant: variant.name)
def test_a_variant_is_no_preset_under_another_name(variant):
    assert load_settings(variant.preset, variant.overrides) != load_settings(variant.preset)


def test_every_row_has_a_name_of_its_own():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
