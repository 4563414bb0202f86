import errno
from pathlib import Path

import pytest

from persam_video.errors import OutputError
from persam_video.util.atomic import atomic_path, output_error, staged, write_bytes


def test_a_file_appears_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_path(path) as sibling:
        sibling.write_bytes(b"new")
        assert not path.exists()
        assert sibling.parent == tmp_path
        assert sibling.name.startswith(".")
        assert not list(tmp_path.glob("*.bin"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_path(path) as sibling:
        sibling.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_path(path) as sibling:
        left_over = sibling
        sibling.write_bytes(b"x")
    left_over.write_bytes(b"torn")
    write_bytes(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/a.bin", "folder", "file/a.bin", "x" * 300])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cannot be written .*choose another place") as raised:
        write_bytes(tmp_path / place, b"x")
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("code", "advice"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "another place")]
)
def test_the_advice_fits_the_error(code: int, advice: str) -> None:
    assert advice in str(output_error(Path("a"), OSError(code, "reason")))


def test_errors_name_the_place_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as raised, staged(tmp_path / "out") as folder:
        write_bytes(folder / "deep" / "a.png", b"")  # there is no such folder
    assert str(raised.value).startswith(f"{tmp_path / 'out/deep/a.png'}: cannot be written")
