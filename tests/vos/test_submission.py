import zipfile

import pytest

from persam_video.davis.dataset import DavisDataset
from persam_video.errors import DatasetError, OutputError
from persam_video.vos.benchmarks import Benchmark
from persam_video.vos.dataset import open_vos
from persam_video.vos.submission import check_archive, write_submission
from tests.vos.conftest import always, write_json

ONE = (10, 10, 30, 30)
FRAMES = ["00000", "00005"]


def names(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def add(miniature, split=""):
    return miniature.add(
        "clip", {"00000": {1: ONE}}, always({1: ONE}, FRAMES), split=split, images=FRAMES
    )


def test_youtube_vos_wants_every_fifth_frame_below_annotations(miniature, tmp_path):
    base = add(miniature, "valid")
    dense = [f"{index:05d}" for index in range(6)]
    miniature.add("clip", {}, always({1: ONE}, dense), split="valid_all_frames", images=dense)
    entry = {"category": "ape", "frames": FRAMES}
    write_json(base / "meta.json", {"videos": {"clip": {"objects": {"1": entry}}}})
    path = tmp_path / "new/submission.zip"
    dataset = open_vos(miniature.base, Benchmark.YOUTUBE_VOS)
    assert write_submission(path, dataset, miniature.results) == 2
    assert names(path) == [f"Annotations/clip/{frame}.png" for frame in FRAMES]
    first = path.read_bytes()
    write_submission(path, dataset, miniature.results)
    assert path.read_bytes() == first


def test_mose_wants_the_sequences_themselves(miniature, tmp_path):
    add(miniature, "valid")
    path = tmp_path / "submission.zip"
    write_submission(path, open_vos(miniature.base, Benchmark.MOSE), miniature.results)
    assert names(path) == [f"clip/{frame}.png" for frame in FRAMES]


def test_so_does_davis(miniature, tmp_path):
    add(miniature)
    path = tmp_path / "submission.zip"
    write_submission(path, DavisDataset(miniature.base), miniature.results)
    assert names(path) == [f"clip/{frame}.png" for frame in FRAMES]


def test_nothing_is_written_where_a_mask_is_missing(miniature, tmp_path):
    add(miniature, "valid")
    (miniature.results / "clip/00005.png").unlink()
    path = tmp_path / "submission.zip"
    with pytest.raises(DatasetError, match=r"clip/00005\.png: no such file"):
        write_submission(path, open_vos(miniature.base, Benchmark.MOSE), miniature.results)
    assert not list(tmp_path.glob("*.zip*"))


def test_the_archive_replaces_nothing_that_is_needed(miniature, tmp_path):
    base = add(miniature, "valid")
    dataset = open_vos(miniature.base, Benchmark.MOSE)
    inside = base / "Annotations/all.zip"
    inside.touch()
    for path in (inside, tmp_path / "submission.tar"):
        with pytest.raises(OutputError):
            check_archive(path, dataset, miniature.results, overwrite=True)
