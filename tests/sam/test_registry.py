import re
from urllib.parse import urlsplit

import pytest

from persam_video.errors import ModelError
from persam_video.sam.download import PUBLISHERS
from persam_video.sam.registry import MODELS, model_spec

PUBLISHED = [spec for spec in MODELS.values() if spec.weights is not None]


def test_the_family_is_complete():
    sam2 = [f"sam2.1-{size}" for size in ("tiny", "small", "base+", "large")]
    assert list(MODELS) == ["lite", "vit_t", "vit_b", "vit_l", "vit_h", *sam2, "edgetam"]
    assert all(name == spec.name for name, spec in MODELS.items())


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.name)
def test_published_weights_can_be_fetched_and_checked(spec):
    address = urlsplit(spec.weights.url)
    assert address.scheme == "https"
    assert address.hostname in PUBLISHERS
    assert address.path.endswith(f"/{spec.weights.file_name}")
    assert re.fullmatch("[0-9a-f]{64}", spec.weights.sha256)
    assert spec.weights.size > 1e7
    assert spec.licence


@pytest.mark.parametrize(
    ("name", "message"),
    [("vit_x", "did you mean 'vit_"), ("resnet", "known are lite, vit_t, vit_b, vit_l, vit_h")],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name, message):
    with pytest.raises(ModelError, match=message):
        model_spec(name)
