"""What is wrong with a fleet shows before anything starts."""

from importlib.util import find_spec

import pytest

from eval.fleet_clips import write_clips


@pytest.fixture
def jobs(tmp_path):
    return write_clips(tmp_path / "clips", 2, frames=3)


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
