"""Fetching published weight files."""

from collections.abc import Callable
from pathlib import Path

from persam_video.errors import DownloadError, ModelError
from persam_video.sam.registry import PublishedWeights
from persam_video.util.download import RemoteFile, download_file


def cache_folder() -> Path:
    """Return the folder that downloaded weights go to; it need not exist yet."""
    # imported late: torch takes seconds, and the names of the models do not need it
    from torch import hub  # noqa: PLC0415

    return Path(hub.get_dir()) / "checkpoints"


def cached_path(weights: PublishedWeights) -> Path:
    """Return where a published file lies once it is downloaded."""
    return cache_folder() / weights.file_name


def embedded_path() -> Path:
    """Return the weight file of the embedded model, which is a part of the package."""
    return Path(__file__).parent / "weights" / "lite.safetensors"


# GitHub sends on from its first name to its second
PUBLISHERS = ("dl.fbaipublicfiles.com", "github.com", "raw.githubusercontent.com")
"""Hosts that published files come from."""


def download_weights(
    weights: PublishedWeights,
    file: Path,
    *,
    url: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> None:
    """Fetch a published file, unless it is there already; a broken download goes on.

    Args:
        weights: what to fetch.
        file: where it goes; its folder is made.
        url: fetch the same file from this address, http or https, instead of the published one,
            which has to be https and on a host of ``PUBLISHERS``.
        on_progress: called with the bytes that are there and the bytes there will be.
        timeout: seconds of silence after which the connection counts as lost.
        attempts: how many in a row may bring nothing new.
        pause: seconds before the second of them; doubled before each further one.

    Raises:
        ModelError: the address is refused, the server has no such file or another one, or the
            connection failed time and again.
        OutputError: the file cannot be written.
    """
    try:
        download_file(
            RemoteFile(url or weights.url, weights.size, weights.sha256),
            file,
            publishers=PUBLISHERS if url is None else None,
            otherwise="give another --url, or download the file by hand and pass --checkpoint",
            on_progress=lambda done, _: on_progress(done, weights.size),
            timeout=timeout,
            attempts=attempts,
            pause=pause,
        )
    except DownloadError as error:
        raise ModelError(str(error)) from error
