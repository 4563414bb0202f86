"""This process's memory, the cores it may use, and the priority of its threads."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loky import cpu_count

from persam_video.util.kernels import bound_kernel_caches

# mallopt's numbers, from malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_MIB = 2**20
_HEAPS = 2
"""One for the main thread and one for all others: with one for all, threads wait for it a sixth of
their time, and with more than two there is more memory in them, and nothing is faster."""

_LARGEST = 32 * _MIB
"""The largest pieces of memory that glibc can be told to take from a heap."""

_KEPT = 64 * _MIB
"""How much free memory at the end of the heap is kept instead of given back."""


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


@contextmanager
def same_priority() -> Iterator[None]:
    """Undo changes of scheduling priority that a library makes within the block.

    Threads that it starts get the priority of the calling thread, which keeps its own. Run as root,
    as in a container, SVT-AV1 raises both to real-time priority, which starves everything else on
    the machine and is inherited by child processes.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    tasks = Path("/proc/self/task")
    before = {task.name for task in tasks.iterdir()} - {str(threading.get_native_id())}
    try:
        yield
    finally:
        for task in tasks.iterdir():
            if task.name not in before:
                with suppress(ProcessLookupError):  # it has ended by now
                    os.sched_setscheduler(int(task.name), policy, parameters)


def settle_memory() -> None:
    """Keep the memory of a run steady; call it before torch computes anything.

    Few kernels are kept (``persam_video.util.kernels``).

    On Linux, threads that start from now on share a heap, beside that of the main thread, and both
    keep what is freed. By default each thread gets a heap of its own, which keeps what its busiest
    moment needed: a hundred mebibytes more while frames of 1080p are decoded, encoded, tracked and
    written side by side. And what a frame frees goes back to the system, which has to clear it page
    by page for the next one: a seventh of the time of a run with eight objects.
    """
    bound_kernel_caches()
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _HEAPS)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
