"""Measure how much masks in bf16 or fp16 differ from those in fp32, on real frames.

    python -m eval.precision --data ../shared/data

Tracks the first frames of the DAVIS-2016 development sequences in both precisions with the same
weights, and prints the IoU of the final masks. Where bf16 is not native, it is emulated: that takes
some seconds per frame, and differs from native bf16 only in the order of sums.
"""

from itertools import islice
from statistics import mean

from eval import common
from eval.sequences import davis_sequences
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.tracking import Tracker


def main() -> None:
    parser = common.parser(__doc__)
    common.add_data(parser)
    parser.add_argument("--precision", choices=("bf16", "fp16"), default="bf16")
    parser.add_argument("--frames", type=common.count, default=12, help="frames of each sequence")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--checkpoint", help="checkpoint of the model")
    args = parser.parse_args()

    sequences = davis_sequences(args.data / "davis")
    given = {"model.name": args.model, "model.checkpoint": args.checkpoint, "model.device": "cpu"}
    chosen = [
        load_settings("persam", {**given, "model.precision": precision})
        for precision in ("fp32", args.precision)
    ]
    models = [load_model(settings) for settings in chosen]
    print(common.table(("sequence", "mean IoU", "lowest IoU")))
    for sequence in sequences:
        trackers = [Tracker(*both) for both in zip(models, chosen, strict=True)]
        overlaps = []
        for index, frame in enumerate(islice(sequence.frames, args.frames)):
            given_labels = sequence.given.get(index)
            exact, fast = (tracker.step(frame, given_labels).labels > 0 for tracker in trackers)
            overlaps.append(common.iou(exact, fast))
        later = overlaps[1:]  # the first one is the annotation
        cells = (sequence.name, f"{mean(later):.4f}", f"{min(later):.4f}")
        print(common.row(cells), flush=True)


if __name__ == "__main__":
    common.run(main)
