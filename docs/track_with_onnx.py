"""Track one object with ONNX Runtime; no torch, and nothing of persam-video but its ONNX files.

python track_with_onnx.py ONNX FRAMES FIRST_MASK.png OUT: frames are images, the mask is not 0 where
the object is in the first of them, and OUT gets a mask (0 or 255) for each.
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image, ImageOps

onnx, frames, first, out = map(Path, sys.argv[1:5])
graphs = {path.stem: InferenceSession(path) for path in onnx.glob("*.onnx")}
numbers = json.loads((onnx / "model.json").read_text())
lost, memory, side = numbers["lost"], numbers["memory"], numbers["image_size"]


def run(name, given):
    """Run a graph with those of the given arrays that it takes; return its outputs by name."""
    taken = {one.name: given[one.name] for one in graphs[name].get_inputs()}
    outputs = [one.name for one in graphs[name].get_outputs()]
    return dict(zip(outputs, graphs[name].run(outputs, taken), strict=True))


out.mkdir(parents=True, exist_ok=True)
annotated = None
for path in sorted(path for path in frames.iterdir() if path.suffix in (".jpg", ".png")):
    frame = Image.open(path).convert("RGB")
    image = ImageOps.contain(frame, (side, side), Image.Resampling.BILINEAR)
    code = run("encoder", {"image": np.asarray(image)})
    code |= {"frame_size": np.int64(frame.size[::-1]), "input_size": np.int64(image.size[::-1])}
    code |= {"others": np.zeros_like(code["quarter"][:, 0])}  # there are no other objects
    if annotated is None:
        mask = np.asarray(Image.open(first)) > 0
        annotated = recent = code | run("learn", code | {"mask": mask})
        past, tracked, usual, streak, age = [], True, None, 0, 0
    else:
        given = code | {f"recent_{name}": value for name, value in recent.items()}
        given |= {name: annotated[name] for name in ("target", "coverage")}
        for name in ("keys", "values"):
            given[f"memory_{name}"] = np.concatenate([one[name] for one in (annotated, *past)])
        found = run("track" if tracked else "find", given)
        mask, score, like = found["logits"] > 0, found["score"].item(), found["likeness"].item()
        usual = like if usual is None else usual
        seen = mask.any() and like >= usual - lost["likeness_drop"]
        seen = seen and score >= lost["score" if tracked else "found"]
        streak = streak + 1 if seen else 0
        tracked = seen if tracked else streak >= lost["confirm"]
        if tracked:
            usual, age = usual + 0.1 * (like - usual), age + 1
            if age > memory["every"] and score >= memory["score"]:
                past, age = [*past, recent][-memory["frames"] :], 0
            recent = code | run("memory", code | found | {"mask": mask})
    Image.fromarray(np.uint8(255 * (mask & tracked))).save(out / f"{path.stem}.png")
