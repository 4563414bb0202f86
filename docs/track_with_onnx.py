"""Track one object with ONNX Runtime; no torch, and nothing of persam-video but its ONNX files.

python track_with_onnx.py ONNX FRAMES FIRST_MASK.png OUT: frames are images, the mask is not 0 where
the object is in the first of them, and OUT gets a mask (0 or 255) for each.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image

onnx, frames, first, out = map(Path, sys.argv[1:5])
numbers = json.loads((onnx / "model.json").read_text())
names = ("encoder", "memory", "track", "find")
graphs = {name: onnxruntime.InferenceSession(onnx / f"{name}.onnx") for name in names}


def run(graph, **inputs):
    """Run a graph; its outputs by name."""
    inputs = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
    names = [output.name for output in graphs[graph].get_outputs()]
    return dict(zip(names, graphs[graph].run(None, inputs), strict=True))


paths = sorted(path for path in frames.iterdir() if path.suffix in (".jpg", ".png"))
width, height = Image.open(paths[0]).size
scale = numbers["image_size"] / max(width, height)
across, down = int(width * scale + 0.5), int(height * scale + 0.5)  # of the input
pad = ((0, -down % 32), (0, -across % 32))
place = {
    "size": (across, down),
    "corner": ((width - 1) * across / width, (height - 1) * down / height),
}


def encode(path):
    """Resize, normalise, pad and encode a frame."""
    rgb = Image.open(path).convert("RGB").resize((across, down), Image.Resampling.BILINEAR)
    pixels = (np.asarray(rgb, np.float32) - numbers["mean"]) / numbers["std"]
    return run("encoder", image=np.pad(pixels, (*pad, (0, 0))).transpose(2, 0, 1)[None])


def small(mask):
    """Bring a mask of the frame to the model's low resolution, (1, 4h, 4w)."""
    wide = np.pad(
        cv2.resize(mask.astype(np.float32), (across, down), None, 0, 0, cv2.INTER_AREA), pad
    )
    return wide.reshape(wide.shape[0] // 4, 4, -1, 4).mean(axis=(1, 3))[None]


def box_of(mask):
    """The box of a mask in pixels of the input, (1, 4)."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    return np.array([[x, y, x + w, y + h]]) * np.tile((across / width, down / height), 2)


def remember(code, soft):
    """Remember a frame: its keys, and what it shows of the object."""
    found = run("memory", features=code["features"], mask=soft, others=np.zeros_like(soft))
    return {"keys": code["keys"], **found}


def track():
    """Give the mask (H, W) of each frame."""
    mask = np.asarray(Image.open(first)) > 0
    soft = small(mask)
    reference = recent = remember(encode(paths[0]), soft)
    past, box, tracked, usual, streak, age = [], box_of(mask), True, None, 0, 0
    yield mask
    for path in paths[1:]:
        code, known = encode(path), [reference, *past]
        last = {"mask": soft, "others": np.zeros_like(soft), "box": box} if tracked else {}
        found = run(
            "track" if tracked else "find", **code, **place, **last, target=reference["target"],
            memory_keys=np.concatenate([one["keys"].reshape(1, 128, -1) for one in known], 2),
            memory_values=np.concatenate([one["values"].reshape(1, 96, -1) for one in known], 2),
            coverage=reference["coverage"], recent_keys=recent["keys"],
            recent_values=recent["values"], recent_coverage=recent["coverage"],
        )  # fmt: skip
        logits, score, like = found["logits"][0], found["score"][0], found["likeness"][0]
        lost, whole = numbers["lost"], (across + pad[1][1], down + pad[0][1])
        usual = like if usual is None else usual
        seen = (logits > 0).any() and like >= usual - lost["likeness_drop"]
        seen = seen and score >= lost["score" if tracked else "found"]
        streak = streak + 1 if seen else 0
        tracked = bool(seen if tracked else streak >= lost["confirm"])
        mask = cv2.resize(cv2.resize(logits, whole)[:down, :across], (width, height)) > 0
        if tracked and mask.any():
            near = cv2.dilate(small(mask)[0], np.ones((3, 3))) > 0
            soft = np.where(near, 1 / (1 + np.exp(-logits)), 0)[None]
            usual, box, age = usual + 0.1 * (like - usual), box_of(mask), age + 1
            if age > numbers["memory"]["every"] and score >= numbers["memory"]["score"]:
                past, age = [*past, recent][-numbers["memory"]["frames"] :], 0
            recent = remember(code, soft)
        yield mask & tracked


out.mkdir(parents=True, exist_ok=True)
for path, mask in zip(paths, track(), strict=True):
    Image.fromarray(np.uint8(255 * mask)).save(out / f"{path.stem}.png")
