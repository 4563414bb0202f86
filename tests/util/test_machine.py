import os
import subprocess
import sys

import pytest

from persam_video.util.machine import available_cores


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_the_peak_grows_with_what_is_held_and_stays():
    # in a process of its own: the suite's may have held gigabytes
    program = (
        "from persam_video.util.machine import peak_resident_bytes as peak; before = peak()\n"
        "held = bytearray(b'1') * (before + 2**26); holding = peak(); del held\n"
        "print(before, holding, peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    before, holding, after = map(int, done.stdout.split())
    assert 4 * 2**20 < before < 2**40
    assert holding >= before + 64 * 2**20
    assert after >= holding - 2**20


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_only_the_cores_that_may_be_used_count():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from persam_video.util.machine import available_cores; print(available_cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


HEAPS = """
import ctypes, sys, threading
from persam_video.util.machine import settle_memory
c = ctypes.CDLL(None)
c.fopen.restype, c.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
c.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
c.fclose.argtypes = (ctypes.c_void_p,)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
if sys.argv[2] == "shared":
    settle_memory()
taken, done = threading.Barrier(4), threading.Event()
def take():
    c.malloc(1000)
    taken.wait()
    done.wait()
for _ in range(3):
    threading.Thread(target=take).start()
taken.wait()
told = c.fopen(sys.argv[1].encode(), b"w")
c.malloc_info(0, told)
c.fclose(told)
done.set()
"""


KEPT = """
import ctypes, resource, sys
from persam_video.util.machine import settle_memory
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
c.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
c.free.argtypes = (ctypes.c_void_p,)
if sys.argv[1] == "settled":
    settle_memory()
def frame():
    pieces = [c.malloc(8 << 20) for _ in range(4)]
    for piece in pieces:
        c.memset(piece, 1, 8 << 20)
    for piece in pieces:
        c.free(piece)
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", ()),
    reason="the C library is not glibc",
)


@glibc
def test_freed_memory_is_kept_for_the_next_frame_if_told_so():
    faults = {}
    for how in ("settled", "left alone"):
        done = subprocess.run(
            [sys.executable, "-c", KEPT, how], check=True, capture_output=True, text=True
        )
        faults[how] = int(done.stdout)
    # five frames of 32 MiB have 40,000 pages
    assert faults["settled"] < 1000
    assert faults["left alone"] > 10 * faults["settled"]


@glibc
def test_threads_share_one_heap_beside_the_main_threads_if_told_so(tmp_path):
    heaps = {}
    for how in ("shared", "own"):
        told = tmp_path / how
        subprocess.run([sys.executable, "-c", HEAPS, str(told), how], check=True)
        heaps[how] = told.read_text().count("<heap nr=")
    assert heaps["shared"] == 2 < heaps["own"]
