from unicodedata import normalize

import pytest

from persam_video.errors import AnnotationError, SourceError
from persam_video.masks import read_annotation
from persam_video.util.names import folded_name, plain_name
from persam_video.video.source import locate

NFC, NFD = (normalize(form, "Été") for form in ("NFC", "NFD"))


def test_forms_of_a_name_are_one():
    assert NFC != NFD
    assert plain_name(NFD) == plain_name(NFC) == NFC
    assert folded_name(NFD.upper()) == folded_name(NFC) != folded_name("ete")


@pytest.mark.parametrize(("there", "asked"), [(NFC, NFD), (NFD, NFC)])
def test_a_file_whose_name_is_written_otherwise_is_told(tmp_path, there, asked):
    (tmp_path / f"{there}.png").touch()
    if (tmp_path / f"{asked}.png").exists():
        pytest.skip("the file system takes both for one name")
    for read, error in ((locate, SourceError), (read_annotation, AnnotationError)):
        with pytest.raises(error, match="another way to write that name"):
            read(tmp_path / f"{asked}.png")
    with pytest.raises(SourceError, match=r"check the path$"):
        locate(tmp_path / "other.png")
