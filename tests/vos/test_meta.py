import pytest

from persam_video.errors import DatasetError
from persam_video.vos.meta import read_meta
from tests.vos.conftest import write_json


def test_frames_are_listed_or_follow_from_a_range(tmp_path):
    span = {"start": "00000001", "end": "00000016", "frame_nums": "4"}
    path = write_json(
        tmp_path / "meta.json",
        {
            "videos": {
                "a": {"objects": {"2": {"category": "ape", "frames": ["00005", "00010"]}}},
                "b": {"objects": {"1": {"frame_range": span}}, "attributes": ["OCC", "LRA"]},
            }
        },
    )
    found = read_meta(path)
    assert found["a"].objects[2].category == "ape"
    assert found["a"].objects[2].frames == ("00005", "00010")
    assert found["b"].objects[1].frames == ("00000001", "00000006", "00000011", "00000016")
    assert found["b"].attributes == ("OCC", "LRA")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a list of videos"),
        ('{"videos": {}}', "lists no sequence"),
        ('{"videos": {"a": {}}}', "at a .*'objects' is missing"),
        ('{"videos": {"a": {"objects": {"ape": {}}}}}', "at a .*ape"),
        ('{"videos": {"a": {"objects": {"255": {}}}}}', "labels are 1 to 254"),
        ('{"videos": {"a": {"objects": {"1": {"frames": "00000"}}}}}', "frames is a string"),
        ('{"videos": {"a": {"objects": {"1": {"frame_range": {}}}}}}', "'start' is missing"),
        ('{"videos": {"../a": {"objects": {}}}}', "not the name of a folder"),
    ],
)
def test_another_form_is_one_line(tmp_path, text, said):
    path = tmp_path / "meta.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=said) as caught:
        read_meta(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="no such file"):
        read_meta(tmp_path / "none.json")
