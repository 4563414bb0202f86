"""This process's peak memory, and the cores it may use."""

import sys
from pathlib import Path

from loky import cpu_count


def peak_resident_bytes() -> int | None:
    """Return the peak resident memory so far in bytes, or ``None`` if unknown."""
    try:
        # getrusage's maximum would begin with what the parent process held when it started this one
        status = Path("/proc/self/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 no part of Python on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_cores() -> int:
    """Return how many cores this process may use.

    Respects CPU affinity and container quotas: 64 cores under a limit of 2 give 2.
    """
    cores: int = cpu_count()
    return cores
