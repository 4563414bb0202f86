"""``persam-video davis-download``: download DAVIS from its authors."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import input_option, written
from persam_video.cli.printing import Printer
from persam_video.util.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam_video.davis.fetch import Archive


@dataclass(frozen=True)
class ArchivesDocument:
    """What ``davis-download --json`` prints without a name: the archives there are."""

    archives: "Mapping[str, Archive]"


def _names() -> list[str]:
    from persam_video.davis.fetch import ARCHIVES

    return list(ARCHIVES)


@with_option_groups
def davis_download(
    *,
    name: Annotated[
        str | None,
        typer.Argument(help="Such as 2017-trainval; lists all without.", autocompletion=_names),
    ] = None,
    out: Annotated[Path, written("Folder for the archive and DAVIS-2017.")] = Path("data"),
    url: Annotated[str | None, input_option(help="Download the same file from here.")] = None,
    archive: Annotated[
        Path | None, input_option(help="Take this file, downloaded by hand.")
    ] = None,
    sha256: Annotated[str | None, input_option(help="Check the archive against this.")] = None,
    printer: Printer,
) -> None:
    """Download a DAVIS archive from its authors and unpack it, or list the archives.

    Run the same command again to resume a download that broke off. Without a network, download the
    archive elsewhere from the page that the list names, and pass it as --archive.

    Example: persam-video davis-download 2017-trainval --out data
    """
    # imported late: the numerical libraries take a moment, and --help should not wait for them
    from persam_video.cli.progress import download_bar
    from persam_video.davis.fetch import ARCHIVES, download_archive, unpack_archive

    if name is None:
        printer.document(ArchivesDocument(ARCHIVES))
        rows = tuple(
            (key, one.description, "?" if one.size is None else f"{one.size / 1e6:.0f}", one.url)
            for key, one in ARCHIVES.items()
        )
        printer.say(Table("archives", ("name", "contents", "MB", "address"), rows).text())
        for page in sorted({one.page for one in ARCHIVES.values()}):
            printer.say(f"by hand from {page}")
        return
    try:
        if archive is None:
            with download_bar("downloading", quiet=printer.quiet) as show:
                file = download_archive(name, out, url=url, sha256=sha256, on_progress=show)
        with download_bar("unpacking", quiet=printer.quiet) as show:
            fetched = unpack_archive(name, archive or file, out, sha256=sha256, on_progress=show)
    except KeyboardInterrupt:
        printer.interrupted("run the same command again to continue")
    printer.document(fetched)
    printer.say(f"{fetched.folder}: {fetched.files} files of {fetched.archive.name}")
    for split in fetched.splits:
        printer.say(f"  {split.name}: {split.sequences} sequences, {split.frames} frames")
    if archive is None:
        printer.say(f"{fetched.archive} is no longer needed")
