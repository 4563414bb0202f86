"""Writes one scene in the formats of other programs: python other_programs.py FOLDER.

It needs labelme and datumaro and nothing of this package. ``files`` beside it is what it wrote with
labelme 6.3.1 and datumaro 1.13.12.
"""

import base64
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (64, 96)
INDICES = (0, 4)
CAT = [(10.0, 8.0), (40.0, 8.0), (40.0, 30.0), (10.0, 30.0)]


def dog(index):
    """A disc that moves right."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - 44) ** 2 + (columns - 60 - index) ** 2 < 150


def with_datumaro(out):
    """Write CVAT, COCO and VOC."""
    from datumaro.components.annotation import AnnotationType, LabelCategories, Mask, Polygon
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Media

    def item(index, tracked):
        points = [value for x, y in CAT for value in (x + index, y)]
        of_track = {"keyframe": True} if tracked else {}
        first, second = ({"track_id": i, **of_track} if tracked else {} for i in (3, 7))
        return DatasetItem(
            id=f"frame_{index:06d}",
            media=Media.from_numpy(np.zeros((*SIZE, 3), np.uint8)),
            attributes={"frame": index},
            annotations=[
                Polygon(points, label=0, group=1, id=1, attributes=first),
                Mask(dog(index), label=1, group=2, id=2, attributes=second),
            ],
        )

    def dataset(tracked):
        return Dataset.from_iterable(
            [item(index, tracked) for index in INDICES],
            categories={AnnotationType.label: LabelCategories.from_iterable(["cat", "dog"])},
            media_type=Media,
        )

    def write(name, form, tracked=False, **options):
        dataset(tracked).export(str(out / name), form, save_media=False, **options)

    write("cvat_images", "cvat")
    write("cvat_tracks", "cvat", tracked=True, use_track=True)
    write("coco", "coco_instances")
    write("coco_tracks", "coco_instances", tracked=True)
    # what CVAT does for "Segmentation mask 1.1", with colours of its own
    masks = dataset(tracked=False).transform("polygons_to_masks")
    colours = {"background": (0, 0, 0), "cat": (250, 50, 83), "dog": (51, 221, 255)}
    label_map = {name: [colour, [], []] for name, colour in colours.items()}
    masks.export(str(out / "voc"), "voc_segmentation", save_media=False, label_map=label_map)


def with_labelme(out):
    """Write a shape of each kind."""
    from labelme._label_file import LabelFile

    def shape(label, kind, points, group=None, mask=None):
        return {
            "label": label,
            "points": points,
            "group_id": group,
            "shape_type": kind,
            "flags": {},
            "description": "",
            "mask": mask,
        }

    (out / "labelme").mkdir(exist_ok=True)
    for index in INDICES:
        rows, columns = np.flatnonzero(dog(index).any(1)), np.flatnonzero(dog(index).any(0))
        low, high = (columns[0], rows[0]), (columns[-1], rows[-1])
        crop = io.BytesIO()
        Image.fromarray(dog(index)[low[1] : high[1] + 1, low[0] : high[0] + 1]).save(crop, "PNG")
        shapes = [
            shape("cat", "polygon", [[x + index, y] for x, y in CAT], group=1),
            shape(
                "dog",
                "mask",
                [[int(x), int(y)] for x, y in (low, high)],
                mask=base64.b64encode(crop.getvalue()).decode(),
            ),
            shape("post", "rectangle", [[80, 4], [90, 60]]),
            shape("ball", "circle", [[20, 50], [28, 50]]),
            shape("string", "line", [[0, 0], [95, 63]]),
        ]
        LabelFile().save(
            filename=str(out / "labelme" / f"frame_{index:06d}.json"),
            shapes=shapes,
            image_path=f"frame_{index:06d}.png",
            image_height=SIZE[0],
            image_width=SIZE[1],
        )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with_datumaro(target)
    with_labelme(target)
