import numpy as np
import pytest

from persam_video.errors import DatasetError
from persam_video.vos.benchmarks import Benchmark
from persam_video.vos.dataset import open_vos
from tests.vos.conftest import SHAPE, boxes, write, write_json

ONE, TWO = (10, 10, 30, 30), (60, 10, 90, 40)
FRAMES = [f"{index:05d}" for index in range(0, 15, 5)]


@pytest.fixture
def youtube(miniature):
    """Two objects, of which the second begins in the second annotated frame."""
    truth = {"00000": {1: ONE}, "00005": {2: TWO}}
    base = miniature.add("clip", truth, {}, split="valid", images=FRAMES)
    objects = {
        "1": {"category": "ape", "frames": FRAMES},
        "2": {"category": "dog", "frames": FRAMES[1:]},
    }
    write_json(base / "meta.json", {"videos": {"clip": {"objects": objects}}})
    return miniature.base


def test_objects_of_youtube_vos_begin_where_they_are_listed(youtube):
    dataset = open_vos(youtube, Benchmark.YOUTUBE_VOS)
    assert dataset.identity == {"dataset": "youtube-vos", "split": "valid"}
    assert [one.frame for one in dataset.given("clip")] == ["00000", "00005"]
    assert np.unique(dataset.given("clip")[1].labels(SHAPE)).tolist() == [0, 2]
    assert open_vos(youtube / "valid", Benchmark.YOUTUBE_VOS).names == ("clip",)


def test_all_frames_are_tracked_and_every_fifth_is_handed_in(youtube, miniature):
    dense = [f"{index:05d}" for index in range(11)]
    miniature.add("clip", {}, {}, split="valid_all_frames", images=dense)
    dataset = open_vos(youtube, Benchmark.YOUTUBE_VOS)
    assert [image.stem for image in dataset.images("clip")] == dense
    assert list(dataset.submitted("clip")) == FRAMES


def test_the_first_annotation_of_vost_is_all_that_is_given(miniature):
    miniature.add("cut", {"frame00012": {1: ONE}, "frame00018": {1: ONE, 2: TWO}}, {})
    (miniature.base / "ImageSets").mkdir()
    (miniature.base / "ImageSets/val.txt").write_text("cut\n")
    dataset = open_vos(miniature.base, Benchmark.VOST)
    assert [one.frame for one in dataset.given("cut")] == ["frame00012"]
    with pytest.raises(DatasetError, match=r"test\.txt: no such file.*there is val: pass --split"):
        open_vos(miniature.base, Benchmark.VOST, "test")


def test_every_folder_of_mose_is_a_sequence(miniature):
    for name in ("b", "a"):
        miniature.add(name, {"00000": {1: ONE}}, {}, split="valid", images=["00000", "00001"])
    dataset = open_vos(miniature.base, Benchmark.MOSE)
    assert dataset.names == ("a", "b")
    assert dataset.subset(["b"]).names == ("b",)
    for only in (["c"], ["../a"]):
        with pytest.raises(DatasetError, match=r"has no sequence c|not the name of a folder"):
            open_vos(miniature.base, Benchmark.MOSE, only=only)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "valid/meta.json").unlink(), r"meta\.json: no such file"),
        (lambda root: (root / "valid/Annotations/clip").rename(root / "valid/Annotations/other"),
            r"lists sequences that .* lacks \(clip\)"),
        (lambda root: (root / "valid/Annotations/clip/00005.png").unlink(),
            "object 2 of clip begins in frame 00005, which has no annotation"),
        (lambda root: write(root / "valid/Annotations/clip/00005.png", boxes({7: TWO})),
            r"00005\.png: shows object 7, which .*meta\.json does not list"),
        (lambda root: (root / "valid").rename(root / "other"),
            "there is other: pass --split other"),
        (lambda root: [path.unlink() for path in root.rglob("*.jpg")], "no images"),
    ],
)  # fmt: skip
def test_hostile_layouts_are_one_line(youtube, spoil, said):
    spoil(youtube)
    with pytest.raises(DatasetError, match=said) as caught:
        dataset = open_vos(youtube, Benchmark.YOUTUBE_VOS)
        dataset.images("clip")
        for one in dataset.given("clip"):
            one.labels(SHAPE)
    assert "\n" not in str(caught.value)
