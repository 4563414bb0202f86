import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.batch import Job, run_jobs
from persam_video.errors import ConfigError
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.prompting import ObjectPrompts
from persam_video.sinks import RunStatus, read_run
from persam_video.sinks.outputs import parse_outputs

FAST = {"model.image_size": 256, "model.device": "cpu"}
NO_VIDEO = parse_outputs(["table"])


@pytest.fixture
def frames(tmp_path):
    """Give a folder of six frames in which a square moves, with the mask of the first beside it."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(6):
        rgb = np.full((64, 96, 3), 70, np.uint8)
        rgb[20:44, 10 + 4 * index : 34 + 4 * index] = (230, 40, 30)
        Image.fromarray(rgb).save(folder / f"{index:05d}.png")
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 10:34] = 1
    write_label_png(tmp_path / "first.png", labels)
    return folder


def masked(name, source, **more):
    return Job(name, str(source), {0: Path(source).parent / "first.png"}, **more)


def test_one_that_fails_does_not_stop_the_others(frames, tmp_path):
    jobs = [
        masked("gone", frames.parent / "gone.mp4"),
        masked("mask", frames),
        Job("box", str(frames), prompts=(ObjectPrompts(3, (10.0, 20.0, 34.0, 44.0)),)),
        masked("no weights", frames, overrides={"model.name": "vit_b", "model.checkpoint": "no"}),
        masked("settings", frames, overrides={"prior.alpha": 0.125}),
    ]
    results = list(run_jobs(jobs, tmp_path / "out", overrides=FAST, outputs=NO_VIDEO))
    assert [result.name for result in results] == [job.name for job in jobs]
    done, failed = RunStatus.FINISHED, RunStatus.FAILED
    assert [result.status for result in results] == [failed, done, done, failed, done]
    assert [result.frames for result in results] == [0, 6, 6, 0, 6]
    assert "gone.mp4" in results[0].error
    assert set(np.unique(read_label_png(tmp_path / "out" / "box" / "masks" / "00005.png"))) <= {
        0,
        3,
    }
    alphas = [
        read_run(tmp_path / "out" / name / "run.json").settings["prior"]["alpha"]
        for name in ("mask", "settings")
    ]
    assert alphas == [0.5, 0.125]


def test_an_interrupt_is_the_last_result_and_resume_goes_on(frames, tmp_path):
    jobs = [masked("a", frames), masked("b", frames), masked("c", frames)]
    seen = []

    def stop(job):
        seen.append(job.progress.done)
        if len(seen) == 8:
            raise KeyboardInterrupt

    def run(**more):
        return [
            (result.name, result.status.value, result.frames)
            for result in run_jobs(jobs, tmp_path, overrides=FAST, outputs=NO_VIDEO, **more)
        ]

    assert run(on_progress=stop) == [("a", "finished", 6), ("b", "interrupted", 2)]
    assert not (tmp_path / "c").exists()
    assert run(resume=True) == [(name, "finished", 6) for name in "abc"]
    resumed = [read_run(tmp_path / name / "run.json").resumed_at for name in "abc"]
    assert [len(times) for times in resumed] == [0, 1, 0]  # the finished one was left alone
    assert [status for _, status, _ in run()] == ["failed"] * 3  # nothing is written over
    assert [status for _, status, _ in run(overwrite=True)] == ["finished"] * 3


def test_what_nobody_foresaw_fails_only_its_own_job(frames, tmp_path):
    def surprise(job):
        if job.name == "b" or job.progress.done < 3:
            return
        raise RuntimeError("two\nlines")

    jobs = [masked("a", frames), masked("b", frames)]
    first, second = run_jobs(
        jobs, tmp_path / "out", overrides=FAST, outputs=NO_VIDEO, on_progress=surprise
    )
    assert (first.status, first.frames) == (RunStatus.FAILED, 3)
    assert first.error == "RuntimeError: two lines"
    assert second.status is RunStatus.FINISHED


@pytest.mark.parametrize(
    ("jobs", "more", "says"),
    [
        ([Job("a", "x"), Job("A", "y")], {}, "two jobs are named A"),
        ([Job("\u00e9", "x"), Job("e\u0301", "y")], {}, "two jobs are named e\u0301"),
        ([Job("a", "x"), Job("b", "y", overrides={"alpha": 1})], {}, r"job b: .*prior\.alpha"),
        ([Job("a", "x", overrides={"prior.alpha": 3})], {}, "job a: setting prior.alpha"),
        ([Job("a", "x")], {"overwrite": True, "resume": True}, "pass only one of them"),
        ([Job("a", "x")], {"workers": 0}, "workers must be 1 or more"),
    ],
)
def test_what_is_wrong_with_the_list_shows_before_the_first_job(tmp_path, jobs, more, says):
    with pytest.raises(ConfigError, match=says):
        run_jobs(jobs, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


LONG = 60
"""Frames of a job that is still running when something happens to it."""


@pytest.fixture
def long(frames):
    """Make the folder longer, so that a job that runs does not end by itself."""
    for index in range(6, LONG):
        shutil.copy(frames / "00005.png", frames / f"{index:05d}.png")
    return frames


def test_a_failing_and_a_killed_job_do_not_stop_the_others_in_processes(long, tmp_path):
    def kill(job):
        if job.name == "killed" and job.progress.done == 2:
            oldest = min(multiprocessing.active_children(), key=lambda child: child.pid)
            oldest.kill()

    jobs = [masked("killed", long), masked("gone", long / "gone.mp4"), masked("after", long)]
    how = {"overrides": FAST, "outputs": NO_VIDEO, "workers": 2, "on_progress": kill}
    results = {result.name: result for result in run_jobs(jobs, tmp_path / "out", **how)}
    assert multiprocessing.active_children() == []
    assert {name: result.status.value for name, result in results.items()} == {
        "gone": "failed",
        "killed": "failed",
        "after": "finished",
    }
    assert "gone.mp4" in results["gone"].error
    assert "died (out of memory?)" in results["killed"].error
    assert 2 <= results["killed"].frames < LONG
    assert results["after"].frames == LONG


def test_an_interrupt_ends_all_processes_in_order_and_resume_goes_on(long, tmp_path):
    def stop(job):
        if job.progress.done == 3:
            raise KeyboardInterrupt

    jobs = [masked("a", long), masked("b", long), masked("c", long)]
    how = {"overrides": FAST, "outputs": NO_VIDEO, "workers": 2}
    results = {result.name: result for result in run_jobs(jobs, tmp_path, **how, on_progress=stop)}
    assert multiprocessing.active_children() == []
    assert "c" not in results
    assert max(result.frames for result in results.values()) >= 3
    for name, result in results.items():
        assert result.status is RunStatus.INTERRUPTED
        if result.frames:  # on a busy machine the second process may not have come that far
            assert read_run(tmp_path / name / "run.json").status is RunStatus.INTERRUPTED
            masks = len(list((tmp_path / name / "masks").glob("*.png")))
            # the last one may not have been counted yet
            assert masks - 1 <= result.frames <= masks < LONG
    resumed = {result.name: result for result in run_jobs(jobs, tmp_path, **how, resume=True)}
    assert {name: result.frames for name, result in resumed.items()} == dict.fromkeys("abc", LONG)
    assert all(result.status is RunStatus.FINISHED for result in resumed.values())
