"""What is published: it installs away from the checkout, and runs there."""

import json
import os
import site
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the package is built with build and hatchling")
pytest.importorskip("hatchling", reason="the package is built with build and hatchling")

ROOT = Path(__file__).parents[2]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the source distribution, and the wheel out of it; give their folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory):
    """Give an empty environment with nothing but the wheel; what it depends on is borrowed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / SCRIPTS / "python"
    (wheel,) = built.glob("*.whl")
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    # A folder in a .pth file comes after the environment's own, and .pth files in it, such as that
    # of an editable installation of the checkout, are not read.
    lines = "\n".join(site.getsitepackages())
    (Path(packages.stdout.strip()) / "borrowed.pth").write_text(lines, encoding="utf-8")
    return folder


def run(environment, folder, *words):
    """Run a program of the environment in a folder that is not the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    program, *arguments = words
    done = subprocess.run(
        [environment / SCRIPTS / program, *arguments],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_hold_all_that_the_package_needs_and_nothing_odd(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    installed = set(zipfile.ZipFile(wheel).namelist())
    tracked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "persam_video").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert tracked <= installed
    presets = {
        f"persam_video/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "configs").rglob("*.yaml")
    }
    assert presets <= installed
    assert all(name.split("/")[0].startswith("persam_video") for name in installed)
    with tarfile.open(source) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked | {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= files


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_alone(environment, tmp_path):
    place = run(
        environment, tmp_path, "python", "-c", "import persam_video as p; print(p.__file__)"
    )
    assert Path(place.strip()).is_relative_to(environment)
    told = run(environment, tmp_path, "persam-video", "demo", "--json")
    *_, mean = json.loads(told)["figures"]
    assert mean["name"] == "mean"
    assert mean["mean"] >= 0.90
    assert (tmp_path / "persam-video-demo").is_dir()
