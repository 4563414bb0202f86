import json
from pathlib import Path

import pytest

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.official import difference, run_official
from persam_video.davis.tables import global_figures, object_figures
from persam_video.errors import DatasetError

# Has the layout and the interface of davis2017-evaluation, and finds its figures in a file.
STAND_IN = """
import json, os, sys


class DAVISEvaluation(object):
    def __init__(self, davis_root, task, gt_set, sequences="all", codalab=False{year}):
        assert codalab and task in ("semi-supervised", "unsupervised") and gt_set == "val"
        self.root, self.sequences = davis_root, sequences

    def evaluate(self, res_path, metric=("J", "F"), debug=False):
        if not os.path.isdir(os.path.join(res_path, self.sequences[0])):
            sys.stdout.write(self.sequences[0] + " frame 00001 not found!\\n")
            sys.exit()
        with open(os.path.join(self.root, "figures.json")) as file:
            return json.load(file)
"""


@pytest.fixture
def checkout(tmp_path):
    def make(year: str = "") -> Path:
        package = tmp_path / "checkout" / "davis2017"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("")
        (package / "evaluation.py").write_text(STAND_IN.replace("{year}", year))
        return package.parent

    return make


def write_figures(root: Path, objects: dict[str, dict[str, float]]) -> None:
    """Write figures by official names in the form that the official code returns."""
    measured = {
        measure: {
            **{k[0]: [scores[f"{measure}-{k}"] for scores in objects.values()] for k in
               ("Mean", "Recall", "Decay")},
            "M_per_object": {name: scores[f"{measure}-Mean"] for name, scores in objects.items()},
        }
        for measure in ("J", "F")
    }  # fmt: skip
    (root / "figures.json").write_text(json.dumps(measured))


@pytest.fixture
def scored(written_set, boxes):
    """Give a set whose figures the official stand-in knows."""
    truth = boxes((1, 4, 4, 12, 12), (2, 18, 4, 26, 12))
    found = boxes((1, 4, 4, 9, 12), (2, 18, 4, 26, 12))
    written_set.list_sequences("dog\n")
    written_set.add("dog", [truth] * 5, [found] * 5)
    dataset = DavisDataset(written_set.root)
    evaluation = evaluate(written_set.results, dataset)
    figures = {name: object_figures(score) for name, score in evaluation.objects.items()}
    write_figures(written_set.root, figures)
    return dataset, evaluation, figures


def test_the_official_code_is_run_and_compared(scored, checkout):
    dataset, evaluation, figures = scored
    official = run_official(evaluation.results, dataset, checkout())
    assert official.objects == figures
    assert official.summary == pytest.approx(global_figures(evaluation))
    assert difference(evaluation, official).largest < 1e-15
    assert "Global results of the official code" in official.tables()[0].text()


def test_an_importable_package_needs_no_checkout(scored, checkout, monkeypatch):
    dataset, evaluation, figures = scored
    monkeypatch.syspath_prepend(checkout())
    assert run_official(evaluation.results, dataset).objects == figures


def test_the_largest_difference_is_named(scored, checkout):
    dataset, evaluation, figures = scored
    figures["dog_2"]["F-Decay"] += 0.25
    write_figures(dataset.root, figures)
    comparison = difference(evaluation, run_official(evaluation.results, dataset, checkout()))
    assert comparison.largest == pytest.approx(0.25)
    assert comparison.figure == "dog_2 F-Decay"
    assert str(comparison) == "Largest difference from the official code: 0.25 (dog_2 F-Decay)"


def test_objects_of_one_side_only_are_named(scored, checkout):
    dataset, evaluation, figures = scored
    figures["dog_3"] = figures["dog_1"]
    write_figures(dataset.root, figures)
    comparison = difference(evaluation, run_official(evaluation.results, dataset, checkout()))
    assert comparison.unmatched == ("dog_3",)
    assert "Scored by only one of the two: dog_3" in str(comparison)


def test_unsupervised_objects_are_compared_in_the_order_of_their_proposals(
    written_set, boxes, checkout
):
    truth = boxes((1, 4, 4, 12, 12), (2, 18, 4, 26, 12))
    swapped = boxes((2, 4, 4, 9, 12), (1, 18, 4, 26, 12))
    written_set.list_sequences("dog\n")
    written_set.add("dog", [truth] * 3, [swapped] * 3, "Annotations_unsupervised/480p")
    dataset = DavisDataset(written_set.root, task="unsupervised")
    evaluation = evaluate(written_set.results, dataset)
    ours = [object_figures(score) for score in evaluation.objects.values()]
    write_figures(written_set.root, {"dog_1": ours[1], "dog_2": ours[0]})
    comparison = difference(evaluation, run_official(evaluation.results, dataset, checkout()))
    assert comparison.largest < 1e-15


def test_the_official_exit_with_status_0_is_a_fault(written_set, boxes, checkout):
    written_set.list_sequences("cat\n")
    written_set.add("cat", [boxes((1, 4, 4, 12, 12))] * 3)
    dataset = DavisDataset(written_set.root)
    with pytest.raises(DatasetError, match="official code failed: cat frame 00001 not found!"):
        run_official(written_set.results, dataset, checkout())


def test_a_folder_that_is_no_checkout_is_named(scored, tmp_path):
    dataset, evaluation, _ = scored
    with pytest.raises(DatasetError, match="holds no package davis2017; give its checkout"):
        run_official(evaluation.results, dataset, tmp_path)


def test_a_package_that_cannot_be_imported_is_named(scored, checkout):
    dataset, evaluation, _ = scored
    broken = checkout()
    (broken / "davis2017" / "evaluation.py").write_text("import no_such_module")
    with pytest.raises(DatasetError, match="failed: No module named 'no_such_module'; give a"):
        run_official(evaluation.results, dataset, broken)


def test_2016_needs_a_package_that_takes_a_year(scored, checkout, written_set):
    _, evaluation, figures = scored
    written_set.list_sequences("dog\n", "2016/val.txt")
    dataset = DavisDataset(written_set.root, 2016)
    with pytest.raises(DatasetError, match="DAVIS 2016 needs a fork that takes a year"):
        run_official(evaluation.results, dataset, checkout())
    fork = checkout(', year="2017"')
    assert run_official(evaluation.results, dataset, fork).objects == figures


def test_the_official_code_reads_480p_only(scored, checkout, written_set, boxes):
    _, evaluation, _ = scored
    written_set.add("dog", [boxes()], folder="Annotations/Full-Resolution")
    dataset = DavisDataset(written_set.root, resolution="Full-Resolution")
    with pytest.raises(DatasetError, match="scores DAVIS at 480p only"):
        run_official(evaluation.results, dataset, checkout())
