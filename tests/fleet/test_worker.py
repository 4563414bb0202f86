from dataclasses import replace

import pytest

from persam_video.errors import ConfigError
from persam_video.fleet.options import RayOptions
from persam_video.fleet.worker import WorkerFacts, facts_difference, version_difference
from persam_video.sam.model import ModelInfo

FACTS = WorkerFacts(ModelInfo("lite", "abc", 512, "cuda:0", "bf16"), "def", {"torch": "2.8"})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (FACTS, None),
        (replace(FACTS, model=replace(FACTS.model, device="cuda:1")), None),
        (replace(FACTS, model=replace(FACTS.model, device="cpu")), "model.device is cpu there"),
        (replace(FACTS, model=replace(FACTS.model, sha256="abd")), "model.sha256 is abd there"),
        (replace(FACTS, settings="xyz"), "settings is xyz there, def here"),
        (replace(FACTS, versions={"torch": "2.9"}), "versions.torch is 2.9 there, 2.8 here"),
        (replace(FACTS, versions={}), "versions.torch is missing there"),
    ],
)
def test_workers_are_compared(other, says):
    found = facts_difference(FACTS, other)
    assert found is None if says is None else says in found


def test_a_package_that_only_the_other_has_is_a_difference():
    assert version_difference({}, {"decord2": "3"}) == "decord2 is 3 there, missing here"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"address": "ray://head:10001"}, "run the command on a machine of the cluster"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"cores": 0}, "cores must be 1 or more"),
        ({"gpus": -1.0}, "GPUs per worker"),
        ({"gpus": 1.5}, "GPUs per worker"),
        ({"retries": -1}, "retries must be 0 or more"),
        ({"stall_seconds": -1.0}, "stall seconds must be 0 or more"),
    ],
)
def test_what_no_fleet_can_be_is_told(wrong, says):
    with pytest.raises(ConfigError, match=says):
        RayOptions(**wrong)
