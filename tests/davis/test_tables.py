import csv
import io
import json

import pytest
from rich.console import Console

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.tables import global_figures, tables, write_csv, write_json
from persam_video.errors import OutputError
from persam_video.util.table import show


@pytest.fixture
def evaluation(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12), (2, 18, 4, 26, 12))
    half = boxes((1, 4, 4, 8, 12), (2, 18, 4, 26, 12))
    written_set.list_sequences("dog\none\n")
    written_set.add("dog", [truth] * 4, [truth, half, truth, truth])
    written_set.add("one", [truth])
    return evaluate(written_set.results, DavisDataset(written_set.root))


def test_the_csvs_have_the_official_columns(evaluation, tmp_path):
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "global_results-val.csv").write_text("stale")
    paths = write_csv(evaluation, tmp_path / "csv")
    assert [path.name for path in paths] == [
        "global_results-val.csv",
        "per-sequence_results-val.csv",
    ]
    summary, objects = (list(csv.reader(path.open())) for path in paths)
    assert summary == [
        ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"],
        [f"{value:.3f}" for value in (evaluation.mean, 0.875, 0.75, -0.25, evaluation.f.mean)]
        + [f"{evaluation.f.recall:.3f}", f"{evaluation.f.decay:.3f}"],
    ]
    assert objects[0] == ["Sequence", "J-Mean", "F-Mean"]
    assert objects[1][:2] == ["dog_1", "0.750"]
    assert objects[2] == ["dog_2", "1.000", "1.000"]
    assert sorted(path.name for path in (tmp_path / "csv").iterdir()) == [p.name for p in paths]


def test_the_json_has_every_figure_in_full(evaluation, tmp_path):
    write_json(evaluation, tmp_path / "new" / "scores.json")
    found = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert found["settings"]["task"] == "semi-supervised"
    assert found["global"]["J&F-Mean"] == evaluation.mean
    assert found["objects"]["dog_1"]["J-Mean"] == 0.75
    dog, one = found["sequences"]
    assert dog["frames"] == ["00001", "00002"]
    assert dog["objects"][0]["J"] == [0.5, 1.0]
    assert dog["objects"][0]["F"] == evaluation.objects["dog_1"].contour.tolist()
    assert one["J&F-Mean"] is None


def test_an_output_that_cannot_be_written_is_named(evaluation, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"scores.json: cannot be written"):
        write_json(evaluation, tmp_path / "file" / "scores.json")


def test_tables_are_plain_text_in_a_file_and_drawn_on_a_terminal(evaluation):
    plain, drawn = io.StringIO(), io.StringIO()
    show(tables(evaluation), Console(file=plain, width=20))
    show(tables(evaluation), Console(file=drawn, width=80, force_terminal=True))
    lines = plain.getvalue().splitlines()
    assert lines[0] == "Global results for DAVIS 2017 val, semi-supervised"
    assert lines[1].split() == list(global_figures(evaluation))
    assert lines[2].split()[:3] == [f"{evaluation.mean:.5f}", "0.87500", "0.75000"]
    assert lines[4] == "Results of each object"
    assert lines[6].split()[0] == "dog_1"
    assert lines[-1].split() == ["one", "(no", "frame", "to", "score)", *"-------"]
    assert "───" in drawn.getvalue()
    for heading in global_figures(evaluation):
        assert f"{heading}" in drawn.getvalue()
