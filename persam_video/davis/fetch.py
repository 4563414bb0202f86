"""Downloading and unpacking the archives of DAVIS.

All archives of 2017 and 2019 share one folder, ``DAVIS-2017``. That of 2016,
which has different masks under the same names, goes into ``DAVIS-2016``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from persam_video.davis.dataset import DavisDataset
from persam_video.errors import DatasetError
from persam_video.util.archive import extract
from persam_video.util.download import RemoteFile, download_file, file_sha256
from persam_video.util.suggest import did_you_mean

PUBLISHERS = ("data.vision.ee.ethz.ch", "graphics.ethz.ch")
"""Hosts that the authors publish on."""

_SHARE = "https://data.vision.ee.ethz.ch/csergi/share/davis"
_MOST = 1 << 35


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
        url: its address.
        description: its contents in a few words.
        year: year of the dataset.
        splits: lists of sequences that have annotations; none in the unsupervised test sets.
        resolution: folder of its images.
        size: in bytes, if known.
        sha256: hash of the file, if known.
    """

    url: str
    description: str
    year: int = 2017
    splits: tuple[str, ...] = ("train", "val")
    resolution: str = "480p"
    size: int | None = None
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the file."""
        return self.url.rsplit("/", maxsplit=1)[-1]

    @property
    def page(self) -> str:
        """Web page of the archive."""
        return f"https://davischallenge.org/davis{min(self.year, 2017)}/code.html"

    @property
    def folder(self) -> str:
        """Name of the folder for its contents."""
        return f"DAVIS-{min(self.year, 2017)}"


# The authors publish no hashes. These are as TensorFlow Datasets records them.
ARCHIVES = {
    "2016": Archive(
        "https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip",
        "train and val, one object per sequence, 480p and 1080p",
        year=2016,
    ),
    "2017-trainval": Archive(
        f"{_SHARE}/DAVIS-2017-trainval-480p.zip",
        "train and val, 480p",
        size=832_766_765,
        sha256="e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",
    ),
    "2017-trainval-full": Archive(
        f"{_SHARE}/DAVIS-2017-trainval-Full-Resolution.zip",
        "train and val, full resolution",
        resolution="Full-Resolution",
        size=2_956_935_323,
        sha256="519494b320e7a333b98188e0f44e028f379c3312a1fc1a3e8bddd64b2c9ecfaf",
    ),
    "2017-test-dev": Archive(
        f"{_SHARE}/DAVIS-2017-test-dev-480p.zip",
        "test-dev with first annotations, 480p",
        splits=("test-dev",),
    ),
    "2017-test-dev-full": Archive(
        f"{_SHARE}/DAVIS-2017-test-dev-Full-Resolution.zip",
        "test-dev with first annotations, full resolution",
        splits=("test-dev",),
        resolution="Full-Resolution",
    ),
    "2017-unsupervised": Archive(
        f"{_SHARE}/DAVIS-2017-Unsupervised-trainval-480p.zip",
        "train and val of the unsupervised task, 480p",
        splits=(),
    ),
    "2017-unsupervised-full": Archive(
        f"{_SHARE}/DAVIS-2017-Unsupervised-trainval-Full-Resolution.zip",
        "train and val of the unsupervised task, full resolution",
        splits=(),
        resolution="Full-Resolution",
    ),
    "2019-test-dev": Archive(
        f"{_SHARE}/DAVIS-2019-Unsupervised-test-dev-480p.zip",
        "images of the unsupervised test-dev, 480p",
        year=2019,
        splits=(),
    ),
    "2019-test-dev-full": Archive(
        f"{_SHARE}/DAVIS-2019-Unsupervised-test-dev-Full-Resolution.zip",
        "images of the unsupervised test-dev, full resolution",
        year=2019,
        splits=(),
        resolution="Full-Resolution",
    ),
}


@dataclass(frozen=True)
class FetchedSplit:
    """A list of sequences in a downloaded dataset.

    Attributes:
        name: its name, such as ``val``.
        sequences: number of sequences.
        frames: total number of frames.
    """

    name: str
    sequences: int
    frames: int


@dataclass(frozen=True)
class FetchedDavis:
    """An archive that was downloaded and unpacked.

    Attributes:
        folder: the dataset, for ``DavisDataset``.
        archive: the file, which is no longer needed.
        files: number of files in it.
        splits: the lists whose annotations it holds.
    """

    folder: Path
    archive: Path
    files: int
    splits: tuple[FetchedSplit, ...]


OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that are done, and of how many, where that is known."""


def _ignore(done: int, total: int | None) -> None:
    pass


def find_archive(name: str) -> Archive:
    """Return the published archive with a name, a key of ``ARCHIVES``.

    Raises:
        DatasetError: there is no archive of this name.
    """
    if name in ARCHIVES:
        return ARCHIVES[name]
    raise DatasetError(f"no archive '{name}': {did_you_mean(name, ARCHIVES)}")


def fetch_davis(name: str, out: str | Path, *, on_progress: OnBytes = _ignore) -> FetchedDavis:
    """Download an archive and unpack it: ``download_archive``, then ``unpack_archive``.

    Examples:
        >>> fetch_davis("2017-trainval", "data").folder  # doctest: +SKIP
        PosixPath('data/DAVIS-2017')
    """
    file = download_archive(name, out, on_progress=on_progress)
    return unpack_archive(name, file, out, on_progress=on_progress)


def download_archive(
    name: str,
    out: str | Path,
    *,
    url: str | None = None,
    sha256: str | None = None,
    on_progress: OnBytes = _ignore,
) -> Path:
    """Download an archive, unless it exists already, and return its file.

    A transfer that breaks off is resumed by the same call. An archive whose SHA-256 is known is
    checked against it, any other against the size that the server reports.

    Args:
        name: a key of ``ARCHIVES``.
        out: folder for the file.
        url: another address of the same file.
        sha256: the expected hash in hexadecimal, instead of the known one.
        on_progress: called during the download.

    Raises:
        DatasetError: there is no archive of this name.
        DownloadError: it cannot be downloaded, or the server has another file.
        OutputError: the file cannot be written.
    """
    archive = find_archive(name)
    file = Path(out) / archive.file_name
    expected, size = (sha256.lower(), None) if sha256 else (archive.sha256, archive.size)
    download_file(
        RemoteFile(url or archive.url, size, expected, _MOST),
        file,
        publishers=None if url else PUBLISHERS,
        otherwise=f"give another --url, or download {archive.file_name} by hand from "
        f"{archive.page} and pass it as --archive",
        on_progress=on_progress,
    )
    return file


def unpack_archive(
    name: str,
    file: Path,
    out: str | Path,
    *,
    sha256: str | None = None,
    on_progress: OnBytes = _ignore,
) -> FetchedDavis:
    """Unpack an archive and check its contents.

    Every file is checked against the CRC-32 in the archive, and nothing is written outside of the
    dataset's folder.

    Args:
        name: a key of ``ARCHIVES``.
        file: the archive.
        out: parent of the dataset's folder.
        sha256: the file's expected hash in hexadecimal, instead of the known one.
        on_progress: called while unpacking.

    Raises:
        DatasetError: there is no archive of this name, or the file is missing, damaged or another.
        OutputError: a file cannot be written.
    """
    archive = find_archive(name)
    expected = sha256.lower() if sha256 else archive.sha256
    if not file.is_file():
        raise DatasetError(f"{file}: no such file; get it from {archive.page}")
    if expected is not None and file_sha256(file) != expected:
        raise DatasetError(f"{file}: is not {archive.file_name}; its SHA-256 differs")
    folder = Path(out) / archive.folder
    files = extract(file, folder, on_progress=on_progress)
    splits = []
    for split in archive.splits:
        dataset = DavisDataset(folder, archive.year, split, resolution=archive.resolution)
        frames = sum(len(sequence.images) for sequence in dataset)
        splits.append(FetchedSplit(split, len(dataset), frames))
    return FetchedDavis(folder, file, files, tuple(splits))
