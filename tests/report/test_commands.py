"""``report``, through the program."""

import json

import numpy as np


def test_a_report_is_written_and_its_tables_are_printed(run, store):
    stored = store()
    ran = run("report", stored)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:2] == ["objects", "object  frames  lost  score  likeness"]
    assert lines[2].split()[:4] == ["1", "24", "0", "0.90"]
    assert lines[-1] == str(stored / "report.html")
    again = run("report", stored)
    assert (again.status, again.out) == (2, "")
    assert again.err == (
        f"persam-video: error: {stored / 'report.html'} already exists: "
        "pass --overwrite, or choose another name\n"
    )
    assert run("report", stored, "--overwrite", "--quiet").out == ""


def test_the_document_has_the_findings_in_full(run, store, tmp_path):
    stored = store(change=lambda index, labels: labels if index != 7 else np.zeros_like(labels))
    ran = run("report", stored, "--out", tmp_path / "page.html", "--json")
    found = json.loads(ran.out)
    assert found["place"] == str(tmp_path / "page.html")
    assert (found["frames"], [known["lost"] for known in found["objects"]]) == (24, [1, 1])
    first = found["findings"][0]
    assert (first["frame"], first["object_id"], first["reason"]) == (7, 1, "lost")


def test_an_input_is_never_written_to(run, store, clip):
    before = clip.read_bytes()
    ran = run("report", store(), "--out", clip, "--overwrite")
    assert (ran.status, ran.out) == (2, "")
    assert clip.read_bytes() == before


def test_two_runs_are_compared(run, store, tmp_path):
    first = store("one")
    second = store("other", change=lambda index, labels: labels if index < 20 else labels * 0)
    ran = run("compare", first, second, "--out", tmp_path / "compare.html")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:2] == ["24 frames in common", "object  mean IoU  lowest  in frame"]
    assert lines[2].split() == ["1", "0.833", "0.000", "20"]
    assert lines[-2:] == ["frames that differ most: 20", f"  {tmp_path / 'compare.html'}"]
    document = json.loads(run("compare", first, second, "--json").out)
    assert document["objects"][1]["iou"] == 20 / 24
    assert document["page"] is None
    again = run("compare", first, second, "--out", tmp_path / "compare.html")
    assert (again.status, again.err.count("\n")) == (2, 1)
