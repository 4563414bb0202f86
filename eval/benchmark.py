"""Time the tracker against other implementations, on the same weights and frames.

    python -m eval.benchmark --quick        # about two minutes: two repetitions
    python -m eval.benchmark                # a quarter of an hour without bf16: five repetitions
    python -m eval.benchmark --vit vit_h    # needs 10 GB of memory; none leaves the ViT out
    python -m eval.benchmark --cutie Cutie  # with a checkout of it, and with omegaconf

Each comparison alternates between both sides in one process and takes medians, so that a busy
machine slows both; the ratios are what counts. The ViT has random weights, which are as fast as
trained ones; encoding a frame is timed once by itself, and its time is added from then on instead
of encoding again. Everything runs on the CPU. Prints a table and writes
``eval/results/speed.json`` and ``speed.md`` (with ``--quick``, only if ``--out`` names a file).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from eval import common
from eval.speed.cases import Extent, comparisons
from eval.speed.peers import Cutie
from eval.speed.runs import film, seconds_of_help
from eval.speed.timing import Result, middle
from persam_video.util.atomic import write_bytes
from persam_video.util.machine import settle_memory

HEADER = ("comparison", "one repetition", "ours", "theirs", "ratio", "by processor time", "aim")


@dataclass(frozen=True)
class Starts:
    """Seconds from the start of a program: to its first mask, and to the end of its help."""

    first_mask: float
    help: float


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames, steps and repetitions")
    parser.add_argument("--vit", default="vit_b", choices=("vit_b", "vit_l", "vit_h", "none"))
    parser.add_argument(
        "--threads", type=common.count, help="threads of torch; by default, its own choice"
    )
    parser.add_argument("--cutie", type=Path, help="checkout of Cutie to compare with")
    parser.add_argument(
        "--out", type=Path, help="JSON file to write; the table is written beside it"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    settle_memory()  # as `track` does; it is for both sides of a comparison
    repeats = 2 if options.quick else 5
    extent = (
        Extent(lite_frames=6, run_frames=12, vit_frames=3, steps=1, warm_up=False)
        if options.quick
        else Extent(lite_frames=12, run_frames=50, vit_frames=10, steps=20, warm_up=True)
    )
    cutie = None if options.cutie is None else Cutie(options.cutie)
    if cutie is None:
        print("Cutie is left out: pass --cutie with a checkout of it")
    vit = None if options.vit == "none" else options.vit
    results: list[Result] = []
    for comparison in comparisons(vit, extent, cutie):
        results.append(comparison.run(repeats))
        print("\n".join(_text(results[-1])), flush=True)
    with film(5 if options.quick else 40, (1920, 1080)) as large:
        peak = large.peak_memory()
    with film(10, (854, 480)) as small:
        starts = Starts(
            median(small.seconds_to_first_mask() for _ in range(repeats)),
            median(seconds_of_help() for _ in range(repeats)),
        )
    print("\n".join(_of_programs(peak, starts)))
    out = options.out or (None if options.quick else common.RESULTS / "speed.json")
    if out is not None:
        command = "python -m eval.benchmark" + (" --quick" if options.quick else "")
        command += f" --vit {options.vit}" if options.vit != parser.get_default("vit") else ""
        command += " --cutie CHECKOUT" if cutie else ""
        facts = {
            "command": command,
            "machine": common.machine(),
            "repeats": repeats,
            "results": results,
            "peak_memory_mib": peak,
            "starts": starts,
        }
        common.write_facts(out, facts)
        write_bytes(
            out.with_suffix(".md"),
            _page(command, results, _of_programs(peak, starts), repeats).encode(),
        )


def _cells(result: Result) -> tuple[str, ...]:
    times = (f"{middle(side).wall:.2f} s" for side in (result.ours, result.theirs))
    ratios = (f"{ratio:.2f}" for ratio in (result.ratio, result.processor_ratio))
    return (result.name, result.work, *times, *ratios, result.aim)


def _text(result: Result) -> list[str]:
    name, work, ours, theirs, ratio, processor, aim = _cells(result)
    lines = [
        f"{name}: {ratio} (by processor time {processor}; aim {aim})",
        f"    {work}: ours {ours}, theirs {theirs}",
    ]
    return [*lines, *(f"    {note}" for note in result.notes)]


def _of_programs(peak: float, starts: Starts) -> tuple[str, ...]:
    return (
        f"Embedded model on 1080p video, 1 object: {peak:.0f} MiB resident at most (aim: 600).",
        f"`track`, started for a clip of 10 frames: {starts.first_mask:.1f} s to its first mask.",
        f"`--help`: {starts.help:.2f} s (aim: 0.3).",
    )


def _page(command: str, results: list[Result], programs: Sequence[str], repeats: int) -> str:
    table = common.table(HEADER, [_cells(result) for result in results])
    notes = "\n".join(f"- {r.name}: {'; '.join(r.notes)}." for r in results if r.notes)
    programs = [f"- {line}" for line in programs]
    return (
        f"# Speed\n\n`{command}`: medians of {repeats} repetitions, "
        f"both sides alternating. {common.machine()}.\n\n{table}\n\n{notes}\n"
        + "\n".join(programs)
        + "\n"
    )


if __name__ == "__main__":
    common.run(main)
