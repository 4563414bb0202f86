"""Reading VOTS, its measures worked out by hand, and what is handed in."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import DatasetError
from persam_video.vos.quality import Quality, evaluate_vots
from persam_video.vos.regions import format_mask, parse_mask
from persam_video.vos.submission import write_submission
from persam_video.vos.vots import open_vots
from tests.vos.conftest import SHAPE, boxes, write

ONE, TWO = (10, 10, 30, 30), (60, 10, 90, 40)
HALF_ONE = (10, 10, 30, 20)
ABSENT = None


def line(box):
    return format_mask(boxes({} if box is None else {1: box}) > 0)


@pytest.fixture
def written(tmp_path):
    """Write a sequence: what the truth and the results show of each object, frame by frame."""

    def write_sequence(truth, results, name="clip"):
        folder = tmp_path / "VOTS" / name
        (folder / "color").mkdir(parents=True)
        with (tmp_path / "VOTS/list.txt").open("a") as listed:
            listed.write(f"{name}\n")
        for object_name, shown in truth.items():
            text = "".join(f"{line(box)}\n" for box in shown)
            (folder / f"groundtruth_{object_name}.txt").write_text(text)
        for index, found in enumerate(zip(*results, strict=True), start=1):
            Image.new("RGB", SHAPE[::-1]).save(folder / f"color/{index:08d}.jpg")
            labels = {at: box for at, box in enumerate(found, start=1) if box is not None}
            write(tmp_path / f"results/{name}/{index:08d}.png", boxes(labels))
        return tmp_path / "VOTS"

    return write_sequence


def test_perfect_results_have_full_marks(written, tmp_path):
    shown = [ONE, ONE, *[ABSENT] * 11, ONE]
    root = written({"a": shown}, [shown])
    mean = evaluate_vots(tmp_path / "results", open_vots(root)).mean
    assert mean == Quality(1, 1, 1, 0, 0, 1)


def test_the_measures_by_hand(written, tmp_path):
    truth = {"a": [ONE, ONE, ONE, ONE, ONE, ABSENT], "b": [TWO] * 6}
    results = [
        [ONE, HALF_ONE, ONE, (200, 100, 220, 120), ABSENT, ABSENT],
        [TWO, TWO, TWO, TWO, TWO, TWO],
    ]
    root = written(truth, results)
    found = evaluate_vots(tmp_path / "results", open_vots(root)).sequences[0]
    one = found.objects["a"]
    # after the frame in which it is given: half, whole, elsewhere, not reported, rightly absent
    assert one.quality == pytest.approx((0.5 + 1 + 0 + 0 + 1) / 5)
    assert (one.accuracy, one.robustness) == (0.75, 0.5)
    assert (one.drift, one.not_reported) == (0.25, 0.25)
    assert np.isnan(one.absence)  # too few frames without it
    assert found.mean.quality == pytest.approx((0.5 + 1) / 2)


def test_what_is_to_be_ignored_does_not_count(written, tmp_path):
    root = written({"a": [ONE] * 3}, [[ONE, HALF_ONE, ONE]])
    lower = (10, 20, 30, 30)
    (root / "clip/groundtruth__ignore.txt").write_text(f"{line(lower)}\n" * 3)
    assert evaluate_vots(tmp_path / "results", open_vots(root)).mean.quality == 1
    (root / "clip/groundtruth__ignore.txt").unlink()
    (root / "clip/evaluation.tag").write_text("1\n0\n1\n")
    assert evaluate_vots(tmp_path / "results", open_vots(root)).mean.quality == 1


def test_objects_are_given_where_they_begin_and_the_smaller_lies_above(written):
    inner = (15, 15, 20, 20)
    truth = {"2": [ABSENT, ONE], "10": [inner, inner], "1": [ONE, ONE]}
    root = written(truth, [[ABSENT] * 2] * 3)
    first, second = open_vots(root).given("clip")
    labels = first.labels(SHAPE)
    assert (labels == boxes({1: ONE, 3: inner})).all()  # the order of names is 1, 2, 10
    assert (second.frame, np.unique(second.labels(SHAPE)).tolist()) == ("00000002", [0, 2])


def test_the_archive_is_what_the_vot_toolkit_packs(written, tmp_path):
    root = written({"a": [ONE] * 3, "b": [ABSENT, TWO, TWO]}, [[ONE, ABSENT, ONE], [TWO] * 3])
    path = tmp_path / "vots.zip"
    assert write_submission(path, open_vots(root), tmp_path / "results") == 2
    with zipfile.ZipFile(path) as archive:
        folder = "results/persam-video/baseline/clip"
        assert archive.namelist() == [f"{folder}/clip_a_001.txt", f"{folder}/clip_b_001.txt"]
        a, b = (archive.read(name).decode().splitlines() for name in archive.namelist())
    assert (a[0], b[0], b[1]) == ("1", "0", "1")
    assert not parse_mask(a[1]).pixels.any()
    assert (parse_mask(a[2]).on_frame(SHAPE) == (boxes({1: ONE}) == 1)).all()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "list.txt").unlink(), r"list\.txt: no such file"),
        (lambda root: (root / "list.txt").write_text("\n"), "names no sequence"),
        (lambda root: (root / "list.txt").write_text("other\n"), "other: no such folder"),
        (lambda root: (root / "list.txt").write_text("../clip\n"), "not the name of a folder"),
        (lambda root: [path.unlink() for path in root.rglob("*.jpg")], "no images"),
        (lambda root: (root / "clip/groundtruth_a.txt").unlink(), "no groundtruth_OBJECT"),
        (lambda root: (root / "clip/groundtruth_a.txt").write_text("1,2,3,4\n"),
            r"groundtruth_a\.txt: line 1 is not a mask; VOTS has masks"),
        (lambda root: (root / "clip/groundtruth_a.txt").write_text("0\n0\n"), "no frame shows"),
        (lambda root: (root / "clip/groundtruth_a.txt").write_bytes(b"\xff\xfe"), "not a text"),
        (lambda root: (root / "clip/groundtruth_a.txt").write_text(f"{line(ONE)}\n" * 9),
            "has 9 lines for 3 images"),
        (lambda root: (root / "clip/groundtruth_a.txt").write_text("m900,900,2,2,0,4\n"),
            "or it lies outside"),
        (lambda root: (root / "clip/sequence").write_text("channels.color=../x/%08d.jpg\n"),
            "lie outside of the sequence"),
    ],
)  # fmt: skip
def test_hostile_layouts_are_one_line(written, spoil, said):
    root = written({"a": [ONE] * 3}, [[ONE] * 3])
    spoil(root)
    with pytest.raises(DatasetError, match=said) as caught:
        dataset = open_vots(root)
        for name in dataset.names:
            dataset.images(name)
            for one in dataset.given(name):
                one.labels(SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda results: (results / "clip/00000002.png").unlink(), "no such file"),
        (lambda results: write(results / "clip/00000002.png", boxes({5: ONE})), "holds label 5"),
        (lambda results: write(results / "clip/00000002.png", boxes({}, (9, 9))), "9x9 pixels"),
    ],
)
def test_results_that_do_not_fit_are_told(written, tmp_path, spoil, said):
    root = written({"a": [ONE] * 3}, [[ONE] * 3])
    spoil(tmp_path / "results")
    with pytest.raises(DatasetError, match=rf"^nothing was scored because of 1 fault:\n.*{said}"):
        evaluate_vots(tmp_path / "results", open_vots(root))


def test_a_set_for_testing_cannot_be_scored(written, tmp_path):
    root = written({"a": [ONE]}, [[ONE] * 3])
    with pytest.raises(DatasetError, match="only the server of VOTS can score it"):
        evaluate_vots(tmp_path / "results", open_vots(root))
