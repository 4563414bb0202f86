import stat
import struct
import zipfile
from pathlib import Path

import pytest

from persam_video.errors import DatasetError, OutputError, PersamVideoError
from persam_video.util.archive import extract

FILES = {
    "DAVIS/ImageSets/2017/val.txt": b"dog\n",
    "DAVIS/JPEGImages/480p/dog/00000.jpg": bytes(range(256)) * 20,
    "DAVIS/Annotations/480p/dog/00000.png": b"png",
}


def pack(path, files, *, method=zipfile.ZIP_DEFLATED):
    """Write an archive; a file is named by a text or described by a ZipInfo."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return path


def entry(name, kind=stat.S_IFREG, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = (kind | 0o644) << 16
    return info


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "DAVIS-2017"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_files_appear_without_the_folder_around_them(tmp_path, target, method):
    archive = pack(tmp_path / "a.zip", {"DAVIS/": b"", **FILES}, method=method)
    seen = []
    assert extract(archive, target, on_progress=lambda *progress: seen.append(progress)) == 3
    assert everything(target) == {name.removeprefix("DAVIS/"): FILES[name] for name in FILES}
    total = sum(map(len, FILES.values()))
    assert seen[-1] == (total, total)


def test_what_has_no_folder_around_it_stays_as_it_is(tmp_path, target):
    extract(pack(tmp_path / "a.zip", {"a/x": b"1", "b/y": b"2"}), target)
    assert everything(target) == {"a/x": b"1", "b/y": b"2"}


def test_what_macos_adds_is_left_out(tmp_path, target):
    extra = {"__MACOSX/DAVIS/._x": b"", "DAVIS/.DS_Store": b""}
    extract(pack(tmp_path / "a.zip", {**FILES, **extra}), target)
    assert len(everything(target)) == 3


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "DAVIS/../../x",
        "/etc/x",
        "//host/x",
        "DAVIS//x",
        "DAVIS/./x",
        "..",
        "..\\x",
        "C:/x",
        "C:\\x",
        "DAVIS/x:stream",
        "DAVIS/a\nb",
        "DAVIS/a\x1b[31m",
    ],
)
def test_no_name_leads_out(tmp_path, target, name):
    archive = pack(tmp_path / "a.zip", [*FILES.items(), (entry(name), b"evil")])
    with pytest.raises(DatasetError, match="not a path inside of the archive") as caught:
        extract(archive, target)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_a_name_with_a_nul_is_not_cut_there(tmp_path, target):
    archive = pack(tmp_path / "a.zip", {"DAVIS/x?y": b"evil"})
    archive.write_bytes(archive.read_bytes().replace(b"x?y", b"x\0y"))
    with pytest.raises(DatasetError, match="not a path"):
        extract(archive, target)


@pytest.mark.parametrize("system", [0, 3, 19])
@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR]
)
def test_only_files_and_folders_are_made(tmp_path, target, kind, system):
    archive = pack(tmp_path / "a.zip", [(entry("DAVIS/x", kind, system), b"/etc/passwd")])
    with pytest.raises(DatasetError, match="link or a special file"):
        extract(archive, target)
    assert not target.exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("D/x", b"1"), ("D/x", b"2")], "twice"),
        ([("D/x", b"1"), ("D/x/y", b"2")], "a file and a folder of one name"),
    ],
)
def test_no_name_is_used_twice(tmp_path, target, files, message):
    with pytest.raises(DatasetError, match=message):
        extract(pack(tmp_path / "a.zip", files), target)
    assert not target.exists()


def test_a_link_that_lies_in_the_folder_is_not_followed(tmp_path, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    target.mkdir(parents=True)
    (target / "Annotations").symlink_to(outside)
    with pytest.raises(OutputError, match="Annotations: is a link"):
        extract(pack(tmp_path / "a.zip", FILES), target)
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path, target):
    outside = tmp_path / "outside"
    outside.write_bytes(b"kept")
    list_ = target / "ImageSets" / "2017" / "val.txt"
    list_.parent.mkdir(parents=True)
    list_.symlink_to(outside)
    list_.with_name(".val.txt.part").symlink_to(outside)
    extract(pack(tmp_path / "a.zip", FILES), target)
    assert outside.read_bytes() == b"kept"
    assert not list_.is_symlink()
    assert list_.read_bytes() == b"dog\n"


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path, target):
    archive = pack(tmp_path / "a.zip", {"D/x": bytes(1 << 25)})
    with pytest.raises(DatasetError, match="that unpack to 33554432 are not a dataset"):
        extract(archive, target)
    assert not target.exists()


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path, target):
    archive = pack(tmp_path / "a.zip", {"D/x": bytes(1 << 25)})
    data = bytearray(archive.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    for place in (22, central + 24):
        struct.pack_into("<I", data, place, 1000)
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="not a whole ZIP archive"):
        extract(archive, target)
    assert everything(target) == {}


def test_a_damaged_file_does_not_appear(tmp_path, target):
    archive = pack(tmp_path / "a.zip", FILES, method=zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[data.index(b"\x10\x11\x12")] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match=r"not a whole ZIP archive .*CRC"):
        extract(archive, target)
    assert everything(target) == {"ImageSets/2017/val.txt": b"dog\n"}


def test_every_cut_and_every_flipped_byte_is_one_clear_error_or_harmless(tmp_path):
    whole = pack(tmp_path / "a.zip", {"D/x": b"some text " * 3, "D/y/z": b"more"}).read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    damaged += [
        whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for place in range(len(whole))
    ]
    for number, data in enumerate(damaged):
        (tmp_path / "a.zip").write_bytes(data)
        target = tmp_path / "all" / str(number)
        try:
            extract(tmp_path / "a.zip", target)
        except PersamVideoError as error:
            assert "\n" not in str(error)
        for content in everything(tmp_path / "all").values():
            assert content in (b"some text " * 3, b"more")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "all"}


def test_an_encrypted_file_is_refused(tmp_path, target):
    archive = pack(tmp_path / "a.zip", {"D/x": b"1"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="encrypted"):
        extract(archive, target)


def test_what_is_there_is_kept_when_it_is_right_and_replaced_when_not(tmp_path, target):
    archive = pack(tmp_path / "a.zip", FILES)
    extract(archive, target)
    right = target / "JPEGImages/480p/dog/00000.jpg"
    wrong = target / "ImageSets/2017/val.txt"
    missing = target / "Annotations/480p/dog/00000.png"
    before = right.stat().st_mtime_ns, right.stat().st_ino
    wrong.write_bytes(b"cat\n")
    missing.unlink()
    extract(archive, target)
    assert (right.stat().st_mtime_ns, right.stat().st_ino) == before
    assert everything(target) == {name.removeprefix("DAVIS/"): FILES[name] for name in FILES}


def test_no_room_is_said_before_a_byte_is_written(tmp_path, target, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(OutputError, match="free some space"):
        extract(pack(tmp_path / "a.zip", FILES), target)
    assert not target.exists()


@pytest.mark.parametrize("content", [None, b"", b"<html>sign in</html>"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, target, content):
    archive = tmp_path / "a.zip"
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.zip: (cannot be read|is not a whole ZIP)"):
        extract(archive, target)


def test_a_file_in_the_way_is_an_output_error(tmp_path, target):
    target.parent.mkdir()
    target.write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        extract(pack(tmp_path / "a.zip", FILES), target)
