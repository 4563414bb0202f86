"""Perfect and imperfect results, whose scores are worked out by hand."""

import math

import numpy as np
import pytest

from persam_video.errors import DatasetError
from persam_video.vos.benchmarks import Benchmark
from persam_video.vos.dataset import open_vos
from persam_video.vos.evaluation import evaluate_vos
from tests.vos.conftest import always, boxes, write, write_json

ONE, TWO = (10, 10, 30, 30), (60, 10, 90, 40)
HALF_ONE = (10, 10, 30, 20)  # J of 0.5
FRAMES = [f"{index:05d}" for index in range(5)]


def own(miniature, benchmark, **options):
    return evaluate_vos(miniature.results, open_vos(miniature.base, benchmark, **options)).own


def test_youtube_vos_tells_seen_from_unseen_categories(miniature):
    truth = {frame: {1: ONE, 2: TWO} if at else {1: ONE} for at, frame in enumerate(FRAMES)}
    results = truth | {"00002": {1: HALF_ONE}, "00003": {1: ONE}, "00000": {}, "00001": {1: ONE}}
    base = miniature.add("clip", truth, results, split="valid")
    objects = {
        "1": {"category": "ape", "frames": FRAMES},
        "2": {"category": "yeti", "frames": FRAMES[1:]},
    }
    write_json(base / "meta.json", {"videos": {"clip": {"objects": objects}}})
    found = evaluate_vos(miniature.results, open_vos(miniature.base, Benchmark.YOUTUBE_VOS))
    assert found.own == {}
    assert "train/meta.json" in found.warnings[0]
    train = {"a": {"objects": {"1": {"category": "ape", "frames": ["00000"]}}}}
    write_json(miniature.base / "train/meta.json", {"videos": train})
    found = evaluate_vos(miniature.results, open_vos(miniature.base, Benchmark.YOUTUBE_VOS))
    assert found.warnings == ()
    # object 1 counts from frame 1 on: 1, 0.5, 1, 1; object 2 from frame 2 on: 0, 0, 1
    assert found.own["J-Seen"] == pytest.approx(3.5 / 4)
    assert found.own["J-Unseen"] == found.own["F-Unseen"] == pytest.approx(1 / 3)
    four = [found.own[key] for key in ("J-Seen", "J-Unseen", "F-Seen", "F-Unseen")]
    assert found.own["G"] == pytest.approx(sum(four) / 4)


def test_perfect_results_of_mose_have_full_marks(miniature):
    shown = {"00000": {1: ONE}, "00001": {1: ONE}, "00002": {}, "00003": {1: ONE}, "00004": {}}
    miniature.add("clip", shown, split="valid")
    figures = own(miniature, Benchmark.MOSE)
    assert figures == dict.fromkeys(
        ("J&Ḟ-Mean", "Ḟ-Mean", "J&Ḟ-Disappearance", "J&Ḟ-Reappearance"), 1
    )


def test_mose_has_figures_for_objects_that_go_and_come_back(miniature):
    frames = [f"{index:05d}" for index in range(7)]
    shown = [{1: ONE}, {1: ONE}, {}, {}, {1: ONE}, {1: ONE}, {1: ONE}]
    found = [{1: ONE}, {1: ONE}, {}, {1: TWO}, {}, {1: ONE}, {}]
    miniature.add(
        "clip", dict(zip(frames, shown, strict=True)), dict(zip(frames, found, strict=True))
    )
    figures = own(miniature, Benchmark.MOSE)
    # of frames 1 to 5: right, right (empty), wrong, wrong, right
    assert figures["J&Ḟ-Disappearance"] == 0.5
    assert figures["J&Ḟ-Reappearance"] == 0.5
    assert figures["J&Ḟ-Mean"] == figures["Ḟ-Mean"] == pytest.approx(3 / 5)


def boundary(mask):
    """The definition: pixels that differ from their right, lower or lower-right neighbour."""
    grown = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != grown[:-1, 1:]) | (mask != grown[1:, :-1]) | (mask != grown[1:, 1:])


def contour(truth, predicted, radius):
    a, b = (np.argwhere(boundary(mask)) for mask in (truth, predicted))
    near = ((a[:, None] - b[None]) ** 2).sum(axis=2) <= radius**2
    recall, precision = near.any(axis=1).mean(), near.any(axis=0).mean()
    return 2 * precision * recall / (precision + recall)


def test_the_tolerance_of_mose_shrinks_with_the_object(miniature):
    moved = (13, 10, 33, 30)
    truth = always({1: ONE}, FRAMES)
    miniature.add("clip", truth, always({1: moved}, FRAMES), split="valid")
    found = evaluate_vos(miniature.results, open_vos(miniature.base, Benchmark.MOSE))
    masks = boxes({1: ONE}) == 1, boxes({1: moved}) == 1
    assert found.f.mean == pytest.approx(contour(*masks, radius=4)) == 1  # 0.008 * 400, up
    # a tenth of the side of the box, 20
    assert found.own["Ḟ-Mean"] == pytest.approx(contour(*masks, radius=2))
    assert found.own["Ḟ-Mean"] < 0.9


LONG = [f"{index:08d}" for index in range(1, 42, 5)]


@pytest.fixture
def lvos(miniature):
    """An object in frames 1 to 41, and one from 11 to 31, whose ends do not count."""
    truth = {frame: {1: ONE, 2: TWO} if 2 <= at <= 6 else {1: ONE} for at, frame in enumerate(LONG)}
    # object 2 is missed in its second frame; nothing else counts of what is wrong
    results = truth | {LONG[0]: {}, LONG[2]: {1: ONE}, LONG[3]: {1: ONE}, LONG[8]: {1: TWO}}
    spans = {1: (1, 41, 9), 2: (11, 31, 5)}
    objects = {
        str(label): {"frame_range": dict(zip(("start", "end", "frame_nums"), span, strict=True))}
        for label, span in spans.items()
    }
    for name, found in (("late", results), ("calm", None)):
        base = miniature.add(name, truth, found, split="valid")
    videos = {name: {"objects": objects} for name in ("late", "calm")}
    videos["late"] = {**videos["late"], "attributes": ["OCC", "LRA"]}
    write_json(base / "valid_meta.json", {"videos": videos})
    return miniature


def test_lvos_counts_each_object_in_its_own_frames(lvos):
    (lvos.base / "valid/unseen_videos.txt").write_text("late\n")
    write_json(lvos.base / "valid/attributes.json", {"calm": ["OCC"]})
    found = evaluate_vos(lvos.results, open_vos(lvos.base, Benchmark.LVOS))
    late = found.objects["late_2"].region
    assert np.isnan(late).tolist() == [True] * 3 + [False] * 3 + [True] * 3
    assert late[3:6].tolist() == [0, 1, 1]
    assert found.own["J-Seen"] == 1
    assert found.own["J-Unseen"] == pytest.approx((1 + 2 / 3) / 2)
    assert found.own["G"] == pytest.approx((1 + 5 / 6) / 2)
    assert found.own["J-LRA"] == pytest.approx(5 / 6)
    assert found.own["J-OCC"] == pytest.approx((5 / 6 + 1) / 2)
    assert found.own["V-Mean"] == pytest.approx(math.sqrt(2 / 9) / 4)


def test_lvos_without_its_list_of_unseen_sequences_says_so(lvos):
    found = evaluate_vos(lvos.results, open_vos(lvos.base, Benchmark.LVOS))
    assert "G" not in found.own
    assert "unseen_videos.txt" in found.warnings[0]


def test_vost_has_the_last_quarter(miniature):
    frames = [f"frame{index:05d}" for index in range(10)]
    truth = always({1: ONE}, frames)
    miniature.add("cut", truth, truth | always({1: HALF_ONE}, frames[7:9]))
    (miniature.base / "ImageSets").mkdir()
    (miniature.base / "ImageSets/val.txt").write_text("cut\n")
    found = evaluate_vos(miniature.results, open_vos(miniature.base, Benchmark.VOST))
    assert found.j.mean == pytest.approx(7 / 8)  # frames 1 to 8
    assert found.own == {"J-Last": 0.5}  # of these, the last two


def test_a_set_for_testing_cannot_be_scored(lvos):
    for path in (lvos.base / "valid/Annotations/late").glob("*.png"):
        if path.stem not in (LONG[0], LONG[2]):
            path.unlink()
    with pytest.raises(DatasetError, match="frames of object 1 of late have no annotation"):
        own(lvos, Benchmark.LVOS)


def test_wrong_objects_are_told_with_their_list(miniature):
    base = miniature.add("clip", always({1: ONE}, FRAMES), split="valid")
    entry = {"category": "ape", "frames": FRAMES}
    write_json(base / "meta.json", {"videos": {"clip": {"objects": {"1": entry, "3": entry}}}})
    with pytest.raises(DatasetError, match="object 3 of clip, which no annotation shows"):
        own(miniature, Benchmark.YOUTUBE_VOS)
    write(miniature.results / "clip/00002.png", boxes({4: TWO}))
    with pytest.raises(DatasetError, match=r"clip/00002\.png: holds label 4"):
        own(miniature, Benchmark.YOUTUBE_VOS)
