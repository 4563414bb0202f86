"""Fetch a DAVIS archive from its authors and unpack it.

    python tools/get_davis.py 2017-trainval --out data
    python tools/get_davis.py --list

leaves ``data/DAVIS-2017``, which ``persam-video davis`` and ``persam-video evaluate`` read. All
archives of 2017 and 2019 go into that folder, which they share; 2016, whose masks are others under
the same names, goes into ``DAVIS-2016``.

A transfer that breaks off is gone on with by the same command. An archive whose SHA-256 is known is
checked against it, any other against the size that the server tells; every file is checked against
the CRC-32 in the archive. Nothing is written outside of the folder.

Without a network: fetch the archive by hand from the page that ``--list`` names, and pass it as
``--archive FILE``.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from persam_video.cli.progress import shown
from persam_video.davis.archive import extract
from persam_video.davis.dataset import DavisDataset
from persam_video.errors import DatasetError, PersamVideoError
from persam_video.util.download import RemoteFile, download, file_sha256

PUBLISHERS = ("data.vision.ee.ethz.ch", "graphics.ethz.ch")
"""Hosts that the authors publish on."""

_SHARE = "https://data.vision.ee.ethz.ch/csergi/share/davis"
_MOST = 1 << 35
USER_ERROR = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
        url: where it is.
        what: its contents in a few words.
        year: of the dataset.
        splits: lists of sequences that have annotations; none in the unsupervised test sets.
        resolution: folder of its images.
        size: in bytes, where that is known.
        sha256: of the file, where that is known.
    """

    url: str
    what: str
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
        """Where people find it."""
        return f"https://davischallenge.org/davis{min(self.year, 2017)}/code.html"

    @property
    def folder(self) -> str:
        """Name of the folder for its contents."""
        return f"DAVIS-{min(self.year, 2017)}"


# The authors publish no hashes. These are as TensorFlow Datasets records them.
ARCHIVES = {
    "2016": Archive(
        "https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip",
        "train and val, one object a sequence, 480p and 1080p",
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


def get(
    archive: Archive, out: Path, *, url: str | None, by_hand: Path | None, sha256: str | None
) -> None:
    """Fetch an archive, unless there is one already, unpack it, and look at what has come.

    Args:
        archive: which one.
        out: folder for the archive and the folder of its contents.
        url: another address of the same file.
        by_hand: the archive, fetched by hand.
        sha256: what the file's hash must be, instead of the one that is known.

    Raises:
        PersamVideoError: it cannot be fetched, is damaged, or cannot be written.
    """
    expected, size = (sha256, None) if sha256 else (archive.sha256, archive.size)
    file = by_hand or out / archive.file_name
    if by_hand is None:
        with _bar(f"fetching {archive.file_name}") as show:
            download(
                RemoteFile(url or archive.url, size, expected, _MOST),
                file,
                publishers=None if url else PUBLISHERS,
                otherwise=f"give another --url, or fetch {archive.file_name} by hand from "
                f"{archive.page} and pass --archive",
                on_progress=show,
            )
    elif not by_hand.is_file():
        raise DatasetError(f"{by_hand}: no such file; get it from {archive.page}")
    elif expected is not None and file_sha256(by_hand) != expected:
        raise DatasetError(f"{by_hand}: is not {archive.file_name}; its SHA-256 differs")
    target = out / archive.folder
    with _bar(f"unpacking {file.name}") as show:
        count = extract(file, target, on_progress=show)
    print(f"{target}: {count} files of {file.name}; the archive itself is not needed any more")
    for split in archive.splits:
        dataset = DavisDataset(target, archive.year, split, resolution=archive.resolution)
        frames = sum(len(sequence.images) for sequence in dataset)
        print(f"  {split}: {len(dataset)} sequences, {frames} frames")


@contextmanager
def _bar(description: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show bytes that are done on standard error, when that is a terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with shown(bar):
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", choices=ARCHIVES, metavar="NAME", help="see --list")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder; default: data")
    parser.add_argument("--url", help="fetch the same file from here, e.g. a mirror")
    parser.add_argument("--archive", type=Path, help="take this file, fetched by hand")
    parser.add_argument("--sha256", help="check the archive against this")
    parser.add_argument("--list", action="store_true", help="show the archives and their pages")
    args = parser.parse_args()
    if args.list:
        for name, archive in ARCHIVES.items():
            size = "" if archive.size is None else f" ({archive.size / 1e6:.0f} MB)"
            print(f"{name:<22} {archive.what}{size}\n{'':<22} {archive.url}")
            print(f"{'':<22} by hand: {archive.page}")
        return
    if args.name is None:
        parser.error("give the NAME of an archive, or --list")
    try:
        get(
            ARCHIVES[args.name],
            args.out,
            url=args.url,
            by_hand=args.archive,
            sha256=args.sha256 and args.sha256.lower(),
        )
    except PersamVideoError as error:
        print(f"get_davis: error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        print("get_davis: interrupted; run it again, it goes on where it stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
