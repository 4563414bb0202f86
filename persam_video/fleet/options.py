"""How a fleet is made up; without Ray and torch."""

from dataclasses import dataclass

from persam_video.errors import ConfigError, PersamVideoError

AUTO = "auto"
"""The address of the cluster that this machine belongs to, or that ``RAY_ADDRESS`` names."""

LOCAL = "local"
"""The address of a Ray that is started for one run, on this machine alone."""


@dataclass(frozen=True)
class RayOptions:
    """The workers of a fleet.

    Attributes:
        address: of the cluster's head (``HOST:PORT``), ``auto`` for the cluster that this machine
            belongs to, or ``local`` to start Ray on this machine for this run.
        workers: how many; ``None`` for as many as the cluster has room for, also when it grows.
        cores: cores, and threads, of a worker.
        gpus: GPUs of a worker, 0.5 to let two share one; ``None`` for one where the cluster has
            GPUs, and none elsewhere.
        retries: how many times a video is tried again after its worker died, or hung.
        stall_seconds: that a worker may be silent about its video, also while it fetches it, until
            it counts as hanging and is replaced; 0 to wait for ever.

    Raises:
        ConfigError: a value is out of range, or the address is of another kind.
    """

    address: str = AUTO
    workers: int | None = None
    cores: int = 1
    gpus: float | None = None
    retries: int = 3
    stall_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.address.startswith("ray://"):
            raise ConfigError(
                f"{self.address}: Ray's client is not supported; run the command on a machine of "
                "the cluster with --ray auto, or give HOST:PORT of its head"
            )
        for name, value, least in (
            ("workers", self.workers, 1),
            ("cores", self.cores, 1),
            ("retries", self.retries, 0),
            ("stall seconds", self.stall_seconds, 0),
        ):
            if value is not None and value < least:
                raise ConfigError(f"{name} must be {least} or more, found {value}")
        if self.gpus is not None and (self.gpus < 0 or (self.gpus > 1 and self.gpus % 1)):
            raise ConfigError(
                f"GPUs per worker: give a fraction or a whole number, not {self.gpus}"
            )


class NodeError(PersamVideoError):
    """A machine cannot do a task that another one may do, as when its disk is full."""
