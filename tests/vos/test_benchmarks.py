import pytest

from persam_video.errors import DatasetError
from persam_video.vos.benchmarks import Benchmark, candidates, detect
from tests.vos.conftest import write_json

VIDEO = {"objects": {"1": {"category": "ape", "frames": ["00000"]}}}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["valid/Annotations/a/", "valid/meta.json"], Benchmark.YOUTUBE_VOS),
        (["Annotations/a/", "meta.json"], Benchmark.YOUTUBE_VOS),
        (["valid/Annotations/a/", "valid/valid_meta.json"], Benchmark.LVOS),
        (["Annotations/a/", "ImageSets/val.txt"], Benchmark.VOST),
        (["Annotations/480p/a/", "ImageSets/2017/val.txt"], Benchmark.DAVIS),
        (["list.txt"], Benchmark.VOTS),
        (["sequences/list.txt"], Benchmark.VOTS),
    ],
)
def test_a_benchmark_is_told_by_its_files(tmp_path, files, expected):
    for file in files:
        path = tmp_path / file
        if file.endswith("/"):
            path.mkdir(parents=True)
        else:
            write_json(path, {"videos": {"a": VIDEO}})
    assert detect(tmp_path) is expected


def test_mose_is_told_by_the_lengths_in_its_list(tmp_path):
    (tmp_path / "Annotations/a").mkdir(parents=True)
    write_json(tmp_path / "meta.json", {"videos": {"a": {**VIDEO, "length": 1}}})
    assert detect(tmp_path) is Benchmark.MOSE


def test_ambiguity_is_told_in_one_line(tmp_path):
    (tmp_path / "valid/Annotations/a").mkdir(parents=True)
    assert candidates(tmp_path) == ()
    with pytest.raises(DatasetError, match=r"^[^\n]*could be mose, or youtube-vos[^\n]*--dataset$"):
        detect(tmp_path)
    write_json(tmp_path / "valid/meta.json", {"videos": {"a": VIDEO}})
    (tmp_path / "list.txt").write_text("a\n")
    with pytest.raises(
        DatasetError, match=r"^[^\n]*could be vots or youtube-vos: pass the right one as --dataset"
    ):
        detect(tmp_path)
    with pytest.raises(DatasetError, match="holds no known benchmark: give the folder"):
        detect(tmp_path / "none")
