import json

import numpy as np
import pytest
from PIL import Image

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.errors import OutputError
from persam_video.report import page
from persam_video.report.page import write_report
from tests.report.html_page import Page


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def write(tmp_path):
    """Write a set and results, score them and read the report."""

    def call(sequences, *, images=True, run=None, year=2017, task="semi-supervised", sparse=False):
        root, results = tmp_path / "DAVIS", tmp_path / "results"
        between = "" if sparse else "480p"
        kind = "Annotations_unsupervised" if task == "unsupervised" else "Annotations"
        for name, (truth, found) in sequences.items():
            for frame, (true, predicted) in enumerate(zip(truth, found, strict=True)):
                save(root / kind / between / name / f"{frame:05d}.png", true)
                save(results / name / f"{frame:05d}.png", predicted)
                if images:
                    rgb = np.full((*true.shape, 3), 90, np.uint8)
                    save(root / "JPEGImages" / between / name / f"{frame:05d}.jpg", rgb)
        if not sparse:
            names = root / "ImageSets" / str(year) / "val.txt"
            names.parent.mkdir(parents=True)
            names.write_text("\n".join(sequences))
        if run is not None:
            (results / "run.json").write_text(run)
        dataset = DavisDataset(root, year, "val", task=task)
        evaluation = evaluate(results, dataset)
        path = tmp_path / "report.html"
        seen = []
        write_report(evaluation, dataset, path, on_progress=lambda *progress: seen.append(progress))
        assert seen[-1][0] == seen[-1][1]
        return Page(path.read_text(encoding="utf-8"))

    return call


def boxes(*labelled, shape=(48, 64)):
    labels = np.zeros(shape, np.uint8)
    for label, x0, y0, x1, y1 in labelled:
        labels[y0:y1, x0:x1] = label
    return labels


BOTH = boxes((1, 4, 4, 24, 24), (2, 34, 4, 60, 40))
ONE = boxes((1, 4, 4, 24, 24))
GOOD = {"dog": ([BOTH] * 6, [BOTH] * 6)}


def test_the_figures_are_on_the_page(write):
    half = boxes((1, 4, 4, 24, 14), (2, 34, 4, 60, 40))
    found = write(
        {"dog": ([BOTH] * 6, [BOTH, BOTH, half, half, BOTH, BOTH]), **{"cat": ([ONE] * 4,) * 2}}
    )
    assert "DAVIS 2017 · val · semi-supervised" in found.text
    assert "3 objects in 2 sequences, 6 frames scored" in found.text
    j = np.mean([np.mean([1, 0.5, 0.5, 1]), 1, 1])
    assert f"J, region {j:.3f}" in found.text
    assert found.having("a", href="#s1")
    assert found.having("section", id="s1")
    assert found.having("section", id="s2")
    assert "Worst frame 00002" in found.text
    assert "A frame like all others 00001" in found.text  # of the cat
    assert len(found.having("img")) == 4 * 3


def test_nothing_is_asked_of_the_network_or_of_scripts(write):
    write(GOOD).assert_self_contained()


def test_names_and_settings_are_escaped(write):
    evil = "<img src=x onerror=alert(1)>&\"'"
    settings = {
        "model": {"name": evil, "sha256": "<b>"},
        "settings": {"prior": {evil: evil}, "on": True, "off": None},
        "source": {"root": "</table><script>"},
        "status": "finished",
        "versions": {"</style>": "<!--"},
    }
    found = write({evil: GOOD["dog"]}, run=json.dumps(settings))
    assert len(found.having("img")) == 4
    assert all(image["src"].startswith("data:") for image in found.having("img"))
    assert found.text.count(evil) >= 5
    assert not found.having("script")
    assert not found.having("b", **{"onerror": "alert(1)"})
    assert f"prior.{evil}" in found.text
    assert "on true off null" in found.text


@pytest.mark.parametrize("run", [None, "garbage", "[]", "{}"])
def test_without_a_record_there_is_no_run(write, run):
    found = write(GOOD, run=run)
    assert "SHA-256" not in found.text
    assert "semi-supervised" in found.text


def test_lost_periods_are_named_and_counted(write):
    truth = [BOTH] * 5 + [ONE] * 2 + [BOTH] * 3
    predicted = [BOTH] * 2 + [ONE] * 6 + [BOTH] * 2
    found = write({"dog": (truth, predicted)})
    assert "Lost in view 4" in found.text
    assert "no mask 00002–00007 (6 frames, in view in 4)" in found.text
    assert "object 2" in found.text


def test_an_object_that_is_away_is_not_lost(write):
    found = write({"away": ([BOTH] * 3 + [ONE] + [BOTH] * 3,) * 2})
    assert "no mask 00003 (1 frame, out of view)" in found.text
    assert "Lost in view 0" in found.text


def test_sequences_without_a_frame_to_score_are_named(write):
    found = write({**GOOD, "short": ([ONE] * 2,) * 2})
    assert "Without a frame to score: short" in found.text
    assert len(found.having("section")) == 1


def test_a_single_scored_frame(write):
    found = write({"dog": ([ONE] * 3,) * 2})
    assert "Only frame 00001" in found.text
    assert found.having("polyline")[0]["points"] == "50.00,0.00 50.00,0.00"


def test_objects_that_appear_later_and_void(write):
    late = [boxes((1, 4, 4, 24, 24), (255, 0, 40, 64, 48))] * 3 + [BOTH] * 3
    found = write({"dog": (late, [ONE] * 3 + [BOTH] * 3)}, sparse=True)
    assert "YouTube-VOS layout" in found.text
    assert "do not count" not in found.text


def test_the_unsupervised_task(write):
    swapped = boxes((2, 4, 4, 24, 24), (5, 34, 4, 60, 40))
    found = write({"dog": ([BOTH] * 4, [swapped] * 4)}, task="unsupervised")
    assert "object 1, proposal 2" in found.text
    assert "object 2, proposal 5" in found.text


def test_pictures_are_kept_to_the_worst_sequences(write, monkeypatch):
    monkeypatch.setattr(page, "MOST_WITH_PICTURES", 1)
    found = write({**GOOD, "cat": ([BOTH] * 6, [ONE] * 6)}, images=False)
    images = found.having("img")
    assert len(images) == 3  # every frame of the cat is as bad as the others
    assert all("cat" in image["alt"] for image in images)
    assert "Of the 2 sequences, the 1 with the lowest scores have pictures." in found.text


def test_the_page_stays_small(write, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 3, (480, 854)).astype(np.uint8) for _ in range(4)]
    write({"dog": (noise, [mask[::-1].copy() for mask in noise])})
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_a_page_that_cannot_be_written_is_one_clear_line(tmp_path, write):
    write(GOOD)
    dataset = DavisDataset(tmp_path / "DAVIS")
    evaluation = evaluate(tmp_path / "results", dataset)
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file" / "report.html", tmp_path / "results"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_report(evaluation, dataset, path)
