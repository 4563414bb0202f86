"""Workers that crash, are refused, or have a full disk, on a cluster of two small machines."""

import os
import socket
import sys
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from persam_video.errors import ConfigError, PersamVideoError
from persam_video.fleet.options import RayOptions
from persam_video.util.workers import TaskLost

pytest.importorskip("ray", reason="Ray is not installed (pip install -e '.[ray]')")
sys.path.insert(0, str(Path(__file__).parent))
import fleet_tasks  # beside this file, where the workers find it


@pytest.fixture(scope="module")
def address():
    """Start a cluster, whose workers can import what they are to do."""
    from eval.fleet_faults import machines

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        with machines(2) as cluster:
            yield cluster.address


def run(address, make, tasks, warned, **options):
    from persam_video.fleet.ray_workers import RayWorkers

    events = []
    with (
        RayWorkers(make, RayOptions(address, **options), warned.append) as workers,
        closing(workers.run(tasks, events.append)) as results,
    ):
        return list(results), events


def test_a_task_that_crashes_its_worker_is_tried_again_and_the_others_are_done(address):
    warned = []
    results, events = run(address, fleet_tasks.make, ["a", "crash", "b"], warned, retries=1)
    lost = [result for result in results if isinstance(result, TaskLost)]
    assert sorted(result for result in results if isinstance(result, str)) == ["did a", "did b"]
    assert [each.task for each in lost] == ["crash"]
    assert lost[0].why.startswith("tried 2 times, last by worker ")
    assert "crashes the decoder" in lost[0].why
    assert sorted(task for _, task in events if task != "crash") == ["a", "b"]
    assert warned == []


def test_a_worker_that_hangs_is_replaced(address):
    tasks = ["hang", "a", "b"]
    results, _ = run(address, fleet_tasks.make, tasks, [], workers=1, retries=1, stall_seconds=1.0)
    (lost,) = [result for result in results if isinstance(result, TaskLost)]
    assert sorted(result for result in results if isinstance(result, str)) == ["did a", "did b"]
    assert (lost.task, lost.why.startswith("tried 2 times")) == ("hang", True)
    assert "nothing was heard of it for 1 seconds" in lost.why


def test_what_no_worker_can_do_is_one_line(address):
    for make, tasks, says in (
        (fleet_tasks.make, ["full", "a"], "the disk is full"),
        (fleet_tasks.make_none, ["a"], "there are no weights here"),
        (fleet_tasks.make, ["wrong"], "nobody can do this"),
    ):
        warned = []
        with pytest.raises(PersamVideoError, match=says) as error:
            run(address, make, tasks, warned, workers=1)
        assert "\n" not in str(error.value)
        assert len(warned) == (tasks != ["wrong"])


def test_a_worker_that_differs_from_the_first_one_is_refused(address):
    warned = []
    results, _ = run(address, fleet_tasks.make_different, list("abcdef"), warned)
    assert sorted(results) == [f"did {task}" for task in "abcdef"]
    assert all("differs from the first worker (model.sha256 is " in line for line in warned)


def test_a_cluster_without_room_is_told(address):
    with pytest.raises(ConfigError, match="no machine of the cluster has 1000 cores and 0 GPUs"):
        run(address, fleet_tasks.make, ["a"], [], cores=1000)


@contextmanager
def listening(answer):
    """Give the address of a server that sends this to whoever connects, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as connections:

        def serve():
            with suppress(OSError):  # closed
                while True:
                    connection = connections.enter_context(server.accept()[0])
                    connection.sendall(answer)

        Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_where_no_cluster_is_one_line_says_so_at_once(monkeypatch):
    from persam_video.fleet import ray_workers

    with socket.create_server(("127.0.0.1", 0)) as server:
        free = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(ray_workers, "_ANSWER_SECONDS", 0.2)
    with listening(b"HTTP/1.0 400 Bad Request\r\n") as web, listening(b"") as silent:
        for address, says in (
            (free, "Connection refused"),
            (web, "something else than Ray's head answers"),
            (silent, "timed out"),
            ("head.invalid:6379", "not known|resolution"),
            ("nonsense", "Invalid address"),
        ):
            with pytest.raises(
                ConfigError, match=f"^no Ray cluster at {address} .*({says})"
            ) as error:
                run(address, fleet_tasks.make, ["a"], [])
            assert "\n" not in str(error.value)
            assert "pass --ray local" in str(error.value)
    monkeypatch.setenv("RAY_ADDRESS", free)
    with pytest.raises(ConfigError, match=r"no Ray cluster at auto .*Connection refused"):
        run("auto", fleet_tasks.make, ["a"], [])


def test_a_benchmark_has_the_masks_of_one_machine_and_is_verified_when_run_again(address, tmp_path):
    from eval.worker_runs import LENGTHS, write_dataset
    from persam_video.benchmark.runner import SequenceState, run_benchmark
    from persam_video.config import load_settings
    from persam_video.davis.dataset import DavisDataset

    write_dataset(tmp_path / "DAVIS")
    dataset = DavisDataset(tmp_path / "DAVIS", 2017, "val")
    settings = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})
    one = run_benchmark(dataset, tmp_path / "one", settings=settings)
    seen = []
    for _ in range(2):
        fleet = run_benchmark(
            dataset,
            tmp_path / "fleet",
            settings=settings,
            ray=RayOptions(address),
            on_progress=lambda progress: seen.append(progress.state),
        )
        for name in LENGTHS:
            assert fleet.sequences[name].masks_sha256 == one.sequences[name].masks_sha256
            tracks = [
                (tmp_path / out / "tracks" / f"{name}.jsonl").read_bytes()
                for out in ("one", "fleet")
            ]
            assert tracks[0] == tracks[1]
    assert seen[-3:] == [SequenceState.VERIFIED] * 3
    hidden = [path.name for path in (tmp_path / "fleet").iterdir() if path.name.startswith(".")]
    assert hidden == []
