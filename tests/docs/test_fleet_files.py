"""The files for clusters that the page on fleets hands out."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from persam_video.cli import main as program

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "docs" / "fleet"
SLURM = FLEET / "slurm.sh"


def kuberay():
    return yaml.safe_load((FLEET / "kuberay.yaml").read_text())


def test_slurm_takes_the_script():
    done = subprocess.run(["bash", "-n", SLURM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SLURM.read_text().startswith("#!/usr/bin/env bash\n")


def test_kubernetes_finds_what_the_manifest_mounts_and_limits():
    cluster = kuberay()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_manifest_has_the_version_of_ray_that_was_tried():
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert kuberay()["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def in_slurm():
    text = SLURM.read_text().replace("\\\n", " ")
    return re.search(r"persam-video (batch .*?) &$", text, re.MULTILINE)[1]


@pytest.mark.parametrize(
    "line", [kuberay()["spec"]["entrypoint"].removeprefix("persam-video "), in_slurm()]
)
def test_their_commands_are_understood(line):
    name, *words = shlex.split(line)
    command = typer.main.get_command(program.app).commands[name]
    assert command.make_context(name, words).params["ray"]
