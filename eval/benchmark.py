"""Time the tracker against other implementations, on the same weights and frames.

    python -m eval.benchmark --quick        # about two minutes: two repetitions
    python -m eval.benchmark                # a quarter of an hour without bf16: five repetitions
    python -m eval.benchmark --vit vit_h    # needs 10 GB of memory

Each comparison alternates between both sides in one process and takes medians, so that a busy
machine slows both; the ratios are what counts. The ViT has random weights, which are as fast as
trained ones; encoding a frame is timed once by itself, and its time is added from then on instead
of encoding again. Everything runs on the CPU. Prints a table and writes
``eval/results/speed.json`` and ``speed.md`` (with ``--quick``, only if ``--out`` names a file).
"""

from pathlib import Path

import torch

from eval import common
from eval.speed.cases import Extent, comparisons
from eval.speed.memory import peak_memory
from eval.speed.timing import Result, middle
from persam_video.util.atomic import write_bytes

HEADER = ("comparison", "one repetition", "ours", "theirs", "ratio", "by processor time", "aim")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames, steps and repetitions")
    parser.add_argument("--vit", default="vit_b", choices=("vit_b", "vit_l", "vit_h"))
    parser.add_argument(
        "--threads", type=common.count, help="threads of torch; by default, its own choice"
    )
    parser.add_argument(
        "--out", type=Path, help="JSON file to write; the table is written beside it"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    repeats = 2 if options.quick else 5
    extent = Extent(6, 3, 1, warm_up=False) if options.quick else Extent(12, 10, 20, warm_up=True)
    results: list[Result] = []
    for comparison in comparisons(options.vit, extent):
        results.append(comparison.run(repeats))
        print("\n".join(_text(results[-1])), flush=True)
    peak = peak_memory(frames=5 if options.quick else 40)
    print(f"embedded model, 1080p: {peak:.0f} MiB resident at most (aim: 1,000)")
    out = options.out or (None if options.quick else common.RESULTS / "speed.json")
    if out is not None:
        facts = {
            "command": "python -m eval.benchmark" + (" --quick" if options.quick else ""),
            "machine": common.machine(),
            "repeats": repeats,
            "results": results,
            "peak_memory_mib": peak,
        }
        common.write_facts(out, facts)
        write_bytes(out.with_suffix(".md"), _page(results, peak, repeats).encode())


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


def _page(results: list[Result], peak: float, repeats: int) -> str:
    table = common.table(HEADER, [_cells(result) for result in results])
    notes = "\n".join(f"- {r.name}: {'; '.join(r.notes)}." for r in results if r.notes)
    memory = f"{peak:.0f} MiB resident at most (aim: 1,000)"
    return (
        f"# Speed\n\n`python -m eval.benchmark`: medians of {repeats} repetitions, "
        f"both sides alternating. {common.machine()}.\n\n{table}\n\n{notes}\n"
        f"- Embedded model on 1080p video, 1 object: {memory}.\n"
    )


if __name__ == "__main__":
    common.run(main)
