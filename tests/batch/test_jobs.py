from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.batch import Job, read_jobs
from persam_video.errors import ConfigError, PersamVideoError
from persam_video.masks import MaskFile
from persam_video.prompting import ObjectPrompts

JOBS = (
    Job("clip", "a/clip.mp4", {None: MaskFile(Path("first.png")), 40: MaskFile(Path("more.png"))}),
    Job(
        "second",
        "b/clip.mp4",
        prompts=(
            ObjectPrompts(1, (10.0, 20.0, 30.0, 40.0)),
            ObjectPrompts(2, None, ((5.0, 6.0),), ((7.0, 8.0),)),
        ),
        overrides={"prior.alpha": 0.3, "model.image_size": 256},
    ),
)
AS_YAML = """
- source: a/clip.mp4
  mask: [first.png, 40=more.png]
- source: b/clip.mp4
  name: second
  boxes: 1:10,20,30,40
  points:
    - 2:5,6
    - -2:7,8
  settings: {prior.alpha: 0.3, model.image_size: 256}
"""
AS_CSV = """\ufeffsource, mask, name, boxes, points, settings
a/clip.mp4,first.png;40=more.png,,,,

b/clip.mp4,,second,"1:10,20,30,40","2:5,6; -2:7,8",prior.alpha=0.3; model.image_size=256
"""


@pytest.mark.parametrize(("name", "text"), [("jobs.yaml", AS_YAML), ("jobs.CSV", AS_CSV)])
def test_both_forms_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_jobs(tmp_path / name) == JOBS


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("j.yaml", "- {sorce: a.mp4, mask: m.png}", "job 1: unknown key 'sorce': did you mean"),
        ("j.yaml", "- {source: a.mp4, colour: m.png}", "known are source, mask"),
        ("j.yaml", "- {source: a.mp4, 7: m.png}", "the job must be"),
        ("j.yaml", "- {source: a.mp4}", "a.mp4 has no mask, boxes or points"),
        ("j.yaml", "- {mask: m.png}", "has no source"),
        ("j.yaml", "- {source: 0, mask: m.png}", "source is 0 and not text"),
        ("j.yaml", "- {source: a.mp4, mask: m.png, name: 007}", "name is 7 and not text"),
        ("j.yaml", "- {source: a.mp4, mask: [m.png, {}]}", "mask is {} and not text"),
        ("j.yaml", "- {source: a.mp4, mask: m.png, settings: [1]}", "settings must be"),
        ("j.yaml", "- a.mp4", "the job must be"),
        ("j.yaml", "source: a.mp4", "not a list of jobs"),
        ("j.yaml", "", "not a list of jobs"),
        ("j.yaml", "[]", "has no jobs"),
        ("j.yaml", "- &a [*a]", "alias"),
        ("j.yaml", "- !!python/object/apply:os.system [true]", "not valid YAML"),
        ("j.yaml", "- {source: a.mp4, mask: [m.png, n.png]}", "two masks are for the first frame"),
        ("j.yaml", "- {source: a.mp4, boxes: '1:2'}", "job 1: box '1:2'"),
        ("j.yaml", "- {source: 'frames/*.jpg', mask: m.png}", "give the job a 'name'"),
        ("j.csv", "source,musk\na.mp4,\n", "unknown key 'musk': did you mean 'mask'"),
        ("j.csv", "source,mask,mask\na.mp4,m,n\n", "same name"),
        ("j.csv", "source,boxes\na.mp4,1:2,3,4,5\n", "has 5 cells where there are 2 columns"),
        ("j.csv", "source,mask,settings\na.mp4,m.png,alpha\n", "not KEY=VALUE"),
        ("j.csv", 'source,mask\n"a.mp4,m.png\n', "not valid CSV"),
        ("j.csv", "source,mask\n", "has no jobs"),
        ("j.csv", "", "has no jobs"),
    ],
)
def test_a_wrong_list_is_one_clear_line(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(PersamVideoError) as error:
        read_jobs(tmp_path / name)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path / name) in str(error.value)


TABLE = "source,mask\na.mp4,m.png\n"


@pytest.mark.parametrize(
    ("name", "made", "says"),
    [
        ("j.yaml", None, "no such file"),
        ("j.csv", None, "no such file"),
        ("j.csv", TABLE.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("j.csv", TABLE.encode("utf-16-le"), "is in UTF-16"),
        ("j.csv", TABLE.encode("utf-16-be"), "is in UTF-16"),
        ("j.yaml", "- source: a.mp4".encode("utf-16"), "is in UTF-16"),
        ("j.csv", TABLE.replace("m.png", "mädchen.png").encode("latin-1"), r"0xe4 in line 2\)"),
        ("j.csv", b"PK\3\4", "is a spreadsheet or an archive; export the list as CSV"),
        ("j.csv", TABLE.replace(",", ";").encode(), "separated by semicolons; use commas"),
        ("j.csv", TABLE.replace(",", "\t").encode(), "separated by tabs"),
        ("j.csv", b'"source"|"mask"\n', "separated by bars"),
        ("j.csv", b"source;mask,name\n", "separated by semicolons"),
        ("j.csv", b"a.mp4,m.png\n", "the first line must name the columns"),
        ("j.csv", b"Source,mask\na.mp4,m.png", "unknown key 'Source': did you mean 'source'"),
        ("j.txt", TABLE.encode(), "is it CSV. Then name it .csv"),
    ],
)
def test_what_is_wrong_with_the_file_itself_is_told(tmp_path, name, made, says):
    if made is not None:
        (tmp_path / name).write_bytes(made)
    with pytest.raises(ConfigError, match=says) as error:
        read_jobs(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(ConfigError, match="is a folder; give a YAML or CSV file of jobs"):
        read_jobs(tmp_path)


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    (tmp_path / "j.csv").write_bytes(TABLE.replace("\n", "\r\n").encode("utf-8-sig"))
    assert [job.source for job in read_jobs(tmp_path / "j.csv")] == ["a.mp4"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/x", "C:x", ".hidden", "x.", "x\n", "a" * 201]
)
def test_names_cannot_lead_elsewhere(name):
    with pytest.raises(ConfigError, match="not a folder name"):
        Job(name, "clip.mp4")


@given(st.text())
def test_a_name_that_is_taken_stays_in_its_folder(name):
    try:
        Job(name, "clip.mp4")
    except ConfigError:
        return
    assert (Path("/out") / name).parent == Path("/out")
    assert ".." not in (Path("/out") / name).parts
