import csv

import fsspec
import pytest

from persam_video.errors import DatasetError
from persam_video.fleet.manifest import MANIFEST, REPORT, Line, Manifest
from persam_video.fleet.storage import Shelf

LINES = (
    Line("a", "1", "finished", 30, 1.5, 2, "worker 1 on node", ("odd",)),
    Line("b", "2", "failed", error="two, with a comma"),
    Line("a", "3", "finished", 31),
)


def manifest(place):
    found = Manifest(Shelf(str(place), "run.json"))
    found.read()
    return found


@pytest.mark.parametrize("place", ["folder", "memory://manifest"])
def test_lines_come_back_and_the_last_one_counts(place, tmp_path):
    if place == "folder":
        place = tmp_path
    else:
        fsspec.filesystem("memory").store.clear()
    for line in LINES:
        one = manifest(place)
        with one.kept():
            one.add(line)
    assert manifest(place).lines == {"a": LINES[2], "b": LINES[1]}


def test_a_line_that_was_cut_off_is_left_out_and_does_not_damage_the_next(tmp_path):
    manifest(tmp_path).add(LINES[0])
    path = tmp_path / MANIFEST
    path.write_bytes(path.read_bytes() + b'{"name": "b", "as')
    manifest(tmp_path).add(LINES[1])
    assert manifest(tmp_path).lines == {"a": LINES[0], "b": LINES[1]}


def test_another_file_is_told(tmp_path):
    (tmp_path / MANIFEST).write_text('{"name": "a"}\n')
    with pytest.raises(DatasetError, match="is not the manifest of a fleet"):
        manifest(tmp_path)


def test_the_report_has_a_row_for_each_job(tmp_path):
    found = manifest(tmp_path)
    for line in LINES[:2]:
        found.add(line)
    found.write_report("abc")
    with (tmp_path / REPORT).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["finished", "failed", "missing"]
    assert (rows[0]["fps"], rows[0]["lost_periods"]) == ("20.00", "2")
    assert rows[1]["error"] == "two, with a comma"
