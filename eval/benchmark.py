"""Time our tracker beside other ways to do the same work, on the same weights and frames.

    python -m eval.benchmark --quick        # about two minutes: each side twice
    python -m eval.benchmark                # a quarter of an hour without bf16: five times
    python -m eval.benchmark --vit vit_h    # needs 10 GB of memory

Each comparison runs both sides in turns in one process and takes medians, so that a busy machine
slows both; what counts are the ratios. The ViT has random weights, which cost what trained ones do;
encoding a frame is timed by itself first, and reckoned from then on instead of being done again.
Everything runs on the CPU. Prints a table and writes ``eval/results/speed.json`` and ``speed.md``
(or, with ``--quick``, nothing, unless ``--out`` says where).
"""

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch

from eval.speed.cases import Extent, comparisons
from eval.speed.memory import peak_memory
from eval.speed.timing import Result, middle
from persam_video.sam.build import choose_precision
from persam_video.util.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"
HEADER = ("comparison", "one repetition", "ours", "theirs", "ratio", "by processor time", "aim")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames, steps and repetitions")
    parser.add_argument("--vit", default="vit_b", help="vit_b (default), vit_l or vit_h")
    parser.add_argument("--threads", type=int, help="of torch; by default what torch takes")
    parser.add_argument("--out", type=Path, help="JSON file; the table goes beside it")
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
    out = options.out or (None if options.quick else RESULTS / "speed.json")
    if out is not None:
        facts = {
            "command": "python -m eval.benchmark" + (" --quick" if options.quick else ""),
            "machine": machine(),
            "repeats": repeats,
            "results": [asdict(result) for result in results],
            "peak_memory_mib": peak,
        }
        write_bytes(out, (json.dumps(facts, indent=1) + "\n").encode())
        write_bytes(out.with_suffix(".md"), _page(results, peak, repeats).encode())


def machine() -> str:
    """Return what was measured on, as far as it matters."""
    precision = choose_precision("auto", torch.device("cpu"))
    return (
        f"{platform.system()} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{'bf16 is native' if precision == 'bf16' else 'no native bf16'}, torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads"
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


def _page(results: list[Result], peak: float, repeats: int) -> str:
    rows = [HEADER, ("---",) * len(HEADER), *(_cells(result) for result in results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = "\n".join(f"- {r.name}: {'; '.join(r.notes)}." for r in results if r.notes)
    memory = f"{peak:.0f} MiB resident at most (aim: 1,000)"
    return (
        f"# Speed\n\n`python -m eval.benchmark`: medians of {repeats}, both sides in turns. "
        f"{machine()}.\n\n{table}\n\n{notes}\n"
        f"- Embedded model on 1080p video, 1 object: {memory}.\n"
    )


if __name__ == "__main__":
    main()
