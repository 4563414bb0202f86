"""A list of jobs on a Ray of this machine, from and to a storage, and what is wrong before it."""

import sys
from importlib.util import find_spec

import pytest

from eval.fleet_clips import FAST, fingerprints, write_clips
from persam_video.fleet.manifest import MANIFEST, REPORT

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    return write_clips(tmp_path / "clips", 2, frames=3)


@needs_ray
def test_what_lies_on_a_storage_is_tracked_onto_it_and_resumed(run, jobs, tmp_path):
    # for fsspec, local:// is a storage like any other
    jobs.write_text(
        jobs.read_text().replace(f"{tmp_path}/", f"local://{tmp_path}/")
        + f"local://{tmp_path}/gone.mp4,{tmp_path}/clips/clip000-first.png,gone\n"
    )
    how = (f"local://{jobs}", "--out", f"local://{tmp_path}/out", "--ray", "local", *FAST)
    first = run("batch", *how, "--workers", 1)
    assert (first.status, first.err.count("\n")) == (1, 1), first.err
    assert "gone.mp4: no such file" in first.err
    assert first.out.startswith("2 of 3 finished in local://")
    manifest = (tmp_path / "out" / MANIFEST).read_text()
    assert manifest.count('"finished"') == 2
    again = run("batch", *how, "--workers", 1, "--resume")
    # name, frames and status; the rate is rounded from what was measured or from what was kept
    before, after = (
        [line.split()[:3] for line in ran.out.splitlines()[2:4]] for ran in (first, again)
    )
    assert after == before
    assert (tmp_path / "out" / MANIFEST).read_text().count('"finished"') == 2
    assert (tmp_path / "out" / REPORT).read_text().count("finished") == 2
    jobs.write_text("\n".join(jobs.read_text().replace("local://", "").splitlines()[:3]))
    assert run("batch", jobs, "--out", tmp_path / "one", *FAST).status == 0
    assert fingerprints(tmp_path / "out") == fingerprints(tmp_path / "one")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "s3://bucket/out"), "needs --ray; --ray local does it on this machine"),
        (("--out", "out", "--retries", 1), "are for --ray"),
        (("--out", "out", "--ray", "ray://head:10001"), "on a machine of the cluster"),
    ],
)
def test_what_cannot_be_is_one_line(run, jobs, words, says):
    if "--ray" in words and find_spec("ray") is None:
        says = r"pip install 'persam-video\[ray\]'"
    ran = run("batch", jobs, *words)
    assert (ran.status, ran.out) == (2, "")
    assert says.replace("\\", "") in " ".join(ran.err.replace("│", " ").split())
