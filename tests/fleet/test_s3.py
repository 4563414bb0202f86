"""Lists and benchmarks on S3, as moto serves it on this machine."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from eval.fleet_clips import FAST, fingerprints, write_clips

for needed in ("ray", "s3fs", "moto.server"):
    pytest.importorskip(needed, reason=f"{needed} is not installed (pip install -e '.[dev]')")


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster of one machine, whose S3 has an empty bucket ``bucket``."""
    import s3fs
    from moto.server import ThreadedMotoServer

    from eval.fleet_faults import machines

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        storage = s3fs.S3FileSystem(use_listings_cache=False)
        storage.mkdir("bucket")
        with machines(1) as ray:
            yield storage, ray.address
    server.stop()


def test_a_killed_list_is_resumed(run, cluster, tmp_path):
    storage, address = cluster
    jobs = write_clips(tmp_path / "clips", 3, frames=3)
    assert run("batch", jobs, "--out", tmp_path / "one", *FAST).status == 0
    storage.put(f"{tmp_path}/clips", "bucket/clips", recursive=True)
    jobs.write_text(jobs.read_text().replace(f"{tmp_path}/", "s3://bucket/"))
    how = ("batch", str(jobs), "--out", "s3://bucket/out", "--ray", address, *FAST)
    process = subprocess.Popen([sys.executable, "-m", "persam_video", *how], stdout=subprocess.PIPE)
    while process.poll() is None and not storage.glob("bucket/out/*/run.json"):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    first, *others = storage.glob("bucket/out/*/run.json")
    assert len(others) < 2
    before = storage.info(first)["LastModified"]
    ran = run(*how, "--resume")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("3 of 3 finished in s3://bucket/out")
    assert storage.info(first)["LastModified"] == before
    assert storage.cat_file("bucket/out/manifest.jsonl").count(b'"finished"') == 3
    storage.get("bucket/out", str(tmp_path / "out"), recursive=True)
    assert fingerprints(tmp_path / "out") == fingerprints(tmp_path / "one")


def test_a_benchmark_has_the_masks_of_a_folder_and_is_verified_when_run_again(
    run, cluster, tmp_path
):
    from eval.worker_runs import write_dataset

    storage, address = cluster
    write_dataset(tmp_path / "DAVIS")
    storage.put(f"{tmp_path}/DAVIS", "bucket/DAVIS", recursive=True)
    fast = (*FAST[:4], "--workers", 1)
    assert run("davis", tmp_path / "DAVIS", "--out", tmp_path / "one", *fast).status == 0
    how = ("davis", "s3://bucket/DAVIS", "--out", "s3://bucket/masks", "--ray", address, *fast)
    ran = run(*how)
    assert (ran.status, ran.err, ran.out.count("finished")) == (0, "", 3)
    assert ran.out.endswith("3 sequences: s3://bucket/masks\n")
    storage.get("bucket/masks", str(tmp_path / "masks"), recursive=True)
    assert fingerprints(tmp_path / "masks") == fingerprints(tmp_path / "one")
    assert (tmp_path / "masks" / "run.json").read_text().count("masks_sha256") == 3
    storage.pipe_file("bucket/masks/left/00001.png", b"damaged")
    ran = run(*how)
    assert (ran.status, ran.out.count("verified"), ran.out.count("finished")) == (0, 2, 1)
    assert "left: its masks have changed; tracking it again" in ran.err
    made = (tmp_path / "one" / "left" / "00001.png").read_bytes()
    assert storage.cat_file("bucket/masks/left/00001.png") == made


def test_a_data_set_that_is_not_there_is_one_line(run, cluster):
    for words, says in (
        (("davis", "s3://bucket/gone"), "s3://bucket/gone: no such file or folder"),
        (("davis", "s3://bucket/bare"), "s3://bucket/bare/Annotations/480p: no such folder"),
        (("benchmark", "s3://none/MOSE"), "s3://none/MOSE: no such file or folder"),
    ):
        cluster[0].pipe_file("bucket/bare/README", b"none")
        ran = run(*words, "--out", "s3://bucket/wrong", "--ray", "local")
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
        assert says in ran.err
        assert tempfile.gettempdir() not in ran.err
