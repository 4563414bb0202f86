import json
import math
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.tables import global_figures, object_figures
from persam_video.errors import ConfigError, DatasetError


@pytest.mark.parametrize("workers", [1, 3, None])
def test_the_official_figures_are_reproduced(shared_data, workers):
    folder = shared_data / "evaluator"
    expected = json.loads((folder / "official_scores.json").read_text())
    only = () if workers is None else ("car-shadow", "kite-surf")
    found = evaluate(folder / "results", DavisDataset(folder / "davis", only=only), workers=workers)
    for name, score in found.objects.items():
        assert object_figures(score) == pytest.approx(expected["objects"][name], abs=1e-9)
    if not only:
        assert len(found.objects) == len(expected["objects"]) == 13
        assert global_figures(found) == pytest.approx(expected["global"], abs=1e-9)
        assert round(found.mean, 5) == 0.60187


def test_the_first_and_last_frame_are_left_out(written_set, boxes):
    truth, wrong = boxes((1, 4, 4, 12, 12)), boxes((1, 20, 4, 28, 12))
    written_set.list_sequences("dog\n")
    written_set.add("dog", [truth] * 5, [wrong, truth, truth, truth, wrong])
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    assert found.mean == 1.0
    assert found.sequences[0].frames == ("00001", "00002", "00003")
    written_set.result("dog", 0).unlink()
    written_set.result("dog", 4).unlink()
    assert evaluate(written_set.results, DavisDataset(written_set.root)).mean == 1.0


def test_global_figures_are_means_over_objects(written_set, boxes):
    both = boxes((1, 4, 4, 12, 12), (2, 18, 4, 26, 12))
    one = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("dog\ncat\n")
    written_set.add("dog", [both] * 4, [both] * 4)
    written_set.add("cat", [one] * 4, [boxes()] * 4)
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    assert list(found.objects) == ["dog_1", "dog_2", "cat_1"]
    assert found.j.mean == found.f.mean == found.mean == pytest.approx(2 / 3)


def test_all_labels_of_2016_are_one_object(written_set, boxes):
    truth = boxes((255, 4, 4, 20, 12))
    written_set.list_sequences("dog\ncat\n", "2016/val.txt")
    written_set.add("dog", [truth] * 3, [boxes((1, 4, 4, 12, 12), (2, 12, 4, 20, 12))] * 3)
    written_set.add("cat", [boxes((3, 4, 4, 20, 12))] * 3, [boxes((255, 4, 4, 12, 12))] * 3)
    found = evaluate(written_set.results, DavisDataset(written_set.root, 2016))
    assert [score.j.mean for score in found.objects.values()] == [1.0, 0.5]
    assert list(found.objects) == ["dog_1", "cat_1"]


def test_unsupervised_results_are_matched_and_every_frame_counts(written_set, boxes):
    truth = boxes((1, 2, 2, 10, 10), (2, 18, 2, 26, 10))
    swapped = boxes((2, 2, 2, 10, 10), (1, 18, 2, 26, 10), (3, 12, 14, 16, 20))
    written_set.list_sequences("dog\n")
    written_set.add(
        "dog", [truth] * 3, [swapped, swapped, boxes()], "Annotations_unsupervised/480p"
    )
    found = evaluate(written_set.results, DavisDataset(written_set.root, task="unsupervised"))
    assert [score.proposal for score in found.objects.values()] == [2, 1]
    assert found.mean == pytest.approx(2 / 3)


def test_sparse_annotations_count_from_the_frame_after_an_object_appears(written_set, boxes):
    first, both = boxes((1, 4, 4, 12, 12)), boxes((1, 4, 4, 12, 12), (2, 18, 4, 26, 12))
    written_set.add("a1", [first, both, both], [boxes(), first, both], "Annotations")
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    one, two = found.objects.values()
    assert one.region.tolist()[1:] == [1.0, 1.0]
    assert math.isnan(one.region[0])
    assert np.isnan(two.region).tolist() == [True, True, False]
    assert found.mean == 1.0


def test_sequences_of_one_or_two_frames_are_listed_but_do_not_count(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("one\ntwo\ndog\n")
    written_set.add("one", [truth])
    written_set.add("two", [truth] * 2)
    written_set.add("dog", [truth] * 3, [truth] * 3)
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    assert [len(sequence.frames) for sequence in found.sequences] == [0, 0, 1]
    assert math.isnan(found.sequences[0].mean)
    assert found.mean == 1.0
    with pytest.raises(DatasetError, match="no frame to score"):
        evaluate(written_set.results, DavisDataset(written_set.root, only=["one", "two"]))


def test_a_gap_in_the_labels_is_no_object_unless_it_is_filled_later(written_set, boxes):
    gap = boxes((1, 2, 2, 10, 10), (3, 18, 2, 26, 10))
    filled = boxes((1, 2, 2, 10, 10), (2, 12, 2, 16, 10), (3, 18, 2, 26, 10))
    written_set.list_sequences("gap\nfilled\n")
    written_set.add("gap", [gap] * 4, [gap] * 4)
    written_set.add("filled", [gap, gap, filled, gap], [gap] * 4)
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    assert list(found.objects) == ["gap_1", "gap_3", "filled_1", "filled_2", "filled_3"]
    assert found.objects["filled_2"].region.tolist() == [1.0, 0.0]


def test_an_object_unseen_after_the_first_frame_still_counts(written_set, boxes):
    first, rest = boxes((1, 2, 2, 10, 10), (2, 18, 2, 26, 10)), boxes((1, 2, 2, 10, 10))
    written_set.list_sequences("dog\n")
    written_set.add("dog", [first] + [rest] * 3, [first] * 4)
    found = evaluate(written_set.results, DavisDataset(written_set.root))
    assert found.objects["dog_2"].mean == 0.0


def test_all_faults_are_reported_at_once(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12))
    names = ["absent", "missing", "small", "rgb", "label", "void", "cut", "unlabelled", "bare"]
    written_set.list_sequences("\n".join(names))
    for name in names[:-2]:
        written_set.add(name, [truth] * 4, [truth] * 4)
    for frame in range(4):
        written_set.result("absent", frame).unlink()
    written_set.result("absent", 0).parent.rmdir()
    written_set.result("missing", 2).unlink()
    Image.fromarray(truth[:12]).save(written_set.result("small", 1))
    Image.fromarray(truth).convert("RGB").save(written_set.result("rgb", 1))
    Image.fromarray(boxes((1, 4, 4, 12, 12), (4, 0, 0, 2, 2))).save(written_set.result("label", 2))
    Image.fromarray(boxes((255, 4, 4, 12, 12))).save(written_set.result("void", 1))
    written_set.result("cut", 1).write_bytes(written_set.result("cut", 1).read_bytes()[:-30])
    written_set.annotation("cut", 2).write_text("no image")
    written_set.add("unlabelled", [boxes((255, 4, 4, 12, 12))] * 3, [truth] * 3)

    with pytest.raises(DatasetError) as caught:
        evaluate(written_set.results, DavisDataset(written_set.root))

    headline, *lines = str(caught.value).splitlines()
    assert headline == "nothing was scored because of 10 faults:"
    assert sorted(lines) == sorted(
        [
            f"{written_set.results / 'absent'}: no such folder; it should hold 2 masks,"
            " 00001.png to 00002.png",
            f"{written_set.result('missing', 2)}: no such file",
            f"{written_set.result('small', 1)}: 32x12 pixels where the annotation has 32x24",
            f"{written_set.result('rgb', 1)}: a RGB image; labels must be an indexed or grey"
            " 8-bit PNG",
            f"{written_set.result('label', 2)}: holds label 4; the sequence's objects are 1",
            f"{written_set.result('void', 1)}: holds label 255; the sequence's objects are 1",
            f"{written_set.result('cut', 1)}: cannot be read (damaged: image file is truncated);"
            " replace or remove it",
            f"{written_set.annotation('cut', 2)}: cannot be read (damaged, or not an image);"
            " replace it, or save it as PNG or JPEG",
            f"{written_set.annotation('unlabelled', 0)}: shows no object; 0 and 255 are the masks"
            " of DAVIS 2016: pass --year 2016",
            f"{written_set.root / 'Annotations/480p/bare'}: no annotations (*.png)",
        ]
    )


@pytest.mark.parametrize(
    ("task", "year", "folder", "labels", "message"),
    [
        ("unsupervised", 2017, "Annotations_unsupervised/480p", [(21, 0, 0, 4, 4)],
         "holds label 21; proposals are labelled 1 to 20"),
        ("unsupervised", 2017, "Annotations_unsupervised/480p", [(255, 0, 0, 4, 4)],
         "holds label 255; proposals"),
        ("semi-supervised", 2016, "Annotations/480p", [(255, 0, 0, 4, 4), (128, 4, 0, 5, 4)],
         "values between 0 and 255 beside 255; save the mask without antialiasing"),
    ],
)  # fmt: skip
def test_labels_out_of_range_are_faults(written_set, boxes, task, year, folder, labels, message):
    truth = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("dog\n", f"{year}/val.txt")
    written_set.add("dog", [truth] * 3, [boxes(*labels)] * 3, folder)
    with pytest.raises(DatasetError, match=f"dog/00001.png: {message}"):
        evaluate(written_set.results, DavisDataset(written_set.root, year, task=task))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_results_without_permission_are_faults(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("dog\n")
    written_set.add("dog", [truth] * 3, [truth] * 3)
    written_set.result("dog", 1).chmod(0)
    with pytest.raises(DatasetError, match=r"00001.png: cannot be read \(Permission denied\)"):
        evaluate(written_set.results, DavisDataset(written_set.root))


def test_wrong_arguments_are_named(written_set, boxes):
    written_set.list_sequences("dog\n")
    written_set.add("dog", [boxes((1, 4, 4, 12, 12))] * 3)
    dataset = DavisDataset(written_set.root)
    with pytest.raises(DatasetError, match="nowhere: no such folder; give the folder of the"):
        evaluate(written_set.results / "nowhere", dataset)
    with pytest.raises(ConfigError, match="workers must be 1 or more, found 0"):
        evaluate(written_set.results, dataset, workers=0)


def test_progress_counts_frames(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("dog\ncat\n")
    for name in ("dog", "cat"):
        written_set.add(name, [truth] * 4, [truth] * 4)
    calls = []
    evaluate(
        written_set.results,
        DavisDataset(written_set.root),
        on_progress=lambda *counts: calls.append(counts),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_memory_is_bounded_by_a_frame(written_set, boxes):
    def peak(frames: int) -> int:
        name = f"dog{frames}"
        truth = boxes((1, 40, 40, 300, 300), shape=(480, 640))
        found = boxes((1, 44, 40, 300, 310), shape=(480, 640))
        written_set.list_sequences(f"{name}\n")
        written_set.add(name, [truth] * frames, [found] * frames)
        dataset = DavisDataset(written_set.root)
        tracemalloc.start()
        evaluate(written_set.results, dataset, workers=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(3)  # what is imported or built once does not count
    assert peak(30) < 1.3 * peak(6)
