"""How much memory this process has held, and how many cores it may use."""

import sys
from pathlib import Path

from loky import cpu_count


def peak_resident_bytes() -> int | None:
    """Return the most memory that was resident so far, in bytes; ``None`` where nobody tells."""
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

    Counts what its affinity and a container's quota leave: of 64 cores under a limit of 2, it is 2.
    """
    cores: int = cpu_count()
    return cores
