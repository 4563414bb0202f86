import json

import av
import numpy as np
import pytest
from PIL import Image

from persam_video.errors import (
    AnnotationError,
    ConfigError,
    DatasetError,
    SourceError,
)
from persam_video.masks import read_label_png, write_label_png
from persam_video.run.export import export, render
from persam_video.sinks.outputs import Output
from persam_video.sinks.tracks_jsonl import read_tracks
from persam_video.video import FrameStream, VideoWriter

SIZE = (96, 64)
LENGTH = 6


def labels_of(index):
    """Object 2 moves; 7 is there from frame 2 to frame 3; a void corner always."""
    labels = np.zeros((64, 96), np.uint8)
    labels[10:30, 5 + index : 40 + index] = 2
    if index in (2, 3):
        labels[40:50, 60:70] = 7
    labels[60:, 90:] = 255
    return labels


@pytest.fixture
def place(tmp_path):
    """Give a folder with images, the same frames as a video, and masks by index and by name."""
    for folder in ("images", "by_name", "by_number"):
        (tmp_path / folder).mkdir()
    with VideoWriter(tmp_path / "clip.mp4", size=SIZE, fps=25) as writer:
        for index in range(LENGTH):
            rgb = np.full((64, 96, 3), 40 + 20 * index, np.uint8)
            writer.write(rgb, index / 25)
            Image.fromarray(rgb).save(tmp_path / "images" / f"shot{index + 8}.png")
            write_label_png(tmp_path / "by_name" / f"shot{index + 8}.png", labels_of(index))
            write_label_png(tmp_path / "by_number" / f"mask_{index:05d}.png", labels_of(index))
    return tmp_path


@pytest.mark.parametrize(("masks", "source"), [("by_name", "images"), ("by_number", "clip.mp4")])
def test_bare_masks_are_matched_to_their_frames(place, masks, source):
    done = export(place / masks, Output.COCO, place / "coco.json", source=place / source)
    assert (done.output, done.frames, done.warnings) == (Output.COCO, LENGTH, ())
    found = json.loads(done.place.read_text())
    assert [entry["frame_index"] for entry in found["images"]] == list(range(LENGTH))
    areas = [
        (entry["image_id"] - 1, entry["track_id"], entry["area"]) for entry in found["annotations"]
    ]
    wanted = [
        (index, object_id, np.count_nonzero(labels_of(index) == object_id))
        for index in range(LENGTH)
        for object_id in (2, 7)
    ]
    assert areas == [row for row in wanted if row[2]]


def test_every_second_mask_makes_a_video_of_half_the_rate(place):
    for index in (1, 3, 5):
        (place / "by_number" / f"mask_{index:05d}.png").unlink()
    done = export(place / "by_number", Output.OVERLAY, place / "o.mp4", source=place / "clip.mp4")
    assert done.frames == 3
    with av.open(done.place) as container:
        assert container.streams.video[0].average_rate == 12.5


def test_a_run_over_images_keeps_their_names_through_every_output_and_back(place):
    names = [f"shot{index + 8}" for index in range(LENGTH)]
    (place / "images" / "shot10.png").unlink()  # a gap: names and indices part
    (place / "by_name" / "shot10.png").unlink()
    names.remove("shot10")
    files = [f"{name}.png" for name in names]
    made = {}
    for output in (Output.MASKS, Output.CUTOUT_PNG, Output.LABELME, Output.TRACKS, Output.COCO):
        made[output] = place / "made" / output.kind.place
        export(place / "by_name", output, made[output], source=place / "images")
    for output in (Output.MASKS, Output.CUTOUT_PNG):
        assert sorted(path.name for path in made[output].iterdir()) == sorted(files)
    for name in names:
        before = read_label_png(place / "by_name" / f"{name}.png")
        after = read_label_png(made[Output.MASKS] / f"{name}.png")
        assert np.array_equal(np.where(before == 255, 0, before), after)
        assert json.loads((made[Output.LABELME] / f"{name}.json").read_text())["imagePath"] == (
            f"{name}.jpg"
        )
    assert [record.name for record in read_tracks(made[Output.TRACKS])] == files
    coco = json.loads(made[Output.COCO].read_text())
    assert [image["file_name"] for image in coco["images"]] == files
    # our own masks are taken back
    again = export(made[Output.MASKS], Output.YTVOS, place / "y.json", source=place / "images")
    videos = json.loads(again.place.read_text())["videos"]
    assert videos[0]["file_names"] == [f"images/{file}" for file in files]


def test_images_of_one_name_are_named_by_index(place):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(place / "images" / "SHOT9.jpg")
    with FrameStream(place / "images") as stream:
        assert [frame.stem for frame in stream] == [f"{index:05d}" for index in range(LENGTH + 1)]
        assert "same name" in str(stream.warnings)


def small(place):
    write_label_png(place / "by_number" / "mask_00000.png", np.ones((8, 8), np.uint8))


@pytest.mark.parametrize(
    ("masks", "source", "spoil", "says"),
    [
        ("by_number", "images", None, r"mask_00000\.png: there is no image with this name"),
        ("by_name", "clip.mp4", None, "has no frame 8"),
        ("by_number", "clip.mp4", small, r"is 8x8, the frames of the source are 96x64"),
        (
            "by_number",
            "clip.mp4",
            lambda place: (place / "by_number" / "mask_00001.png").rename(
                place / "by_number" / "mask.png"
            ),
            r"mask\.png: has no number in its name",
        ),
        (
            "by_number",
            "clip.mp4",
            lambda place: write_label_png(place / "by_number" / "x1.png", labels_of(1)),
            r"x1\.png: is of frame 1, as mask_00001\.png",
        ),
    ],
)
def test_masks_of_another_source_are_one_line(place, masks, source, spoil, says):
    if spoil:
        spoil(place)
    with pytest.raises(DatasetError, match=says) as error:
        export(place / masks, Output.MOT, place / "new" / "m.txt", source=place / source)
    assert "\n" not in str(error.value)
    assert not (place / "new").exists()


def test_bare_masks_need_a_source(place):
    with pytest.raises(SourceError, match="give their source"):
        export(place / "by_name", Output.MOT, place / "m.txt")


def test_render_is_an_export_of_the_overlay_and_outputs_have_names(place):
    masks, clip = place / "by_number", place / "clip.mp4"
    done = render(masks, clip, place / "a.mp4")
    again = export(masks, "overlay", place / "b.mp4", source=clip)
    assert (done.output, done.frames) == (again.output, again.frames) == (Output.OVERLAY, LENGTH)
    shown, shown_again = (
        [frame.rgb for frame in FrameStream(name)] for name in (done.place, again.place)
    )
    np.testing.assert_array_equal(shown, shown_again)
    with pytest.raises(ConfigError, match=r"output 'coca' is unknown.*coco"):
        export(masks, "coca", place / "c.json", source=clip)


def test_a_folder_of_neither_is_told(place):
    (place / "empty").mkdir()
    (place / "bitmaps").mkdir()
    Image.fromarray(labels_of(0)).save(place / "bitmaps" / "0.bmp")
    for folder, says in (
        ("empty", "neither a run .* nor masks .*, found nothing"),
        ("bitmaps", "neither a run .* nor masks .*, found 0.bmp"),
        ("nowhere", "nowhere: holds neither"),
    ):
        with pytest.raises(DatasetError, match=says):
            export(place / folder, Output.MOT, place / "m.txt", source=place / "clip.mp4")


def test_masks_are_found_in_whatever_way_their_names_are_written(place):
    for path in sorted((place / "images").iterdir()):
        mask = place / "by_name" / path.name
        mask.rename(mask.with_name(f"e\u0301{path.stem}.PNG"))
        path.rename(path.with_name(f"\u00e9{path.name}"))
    done = export(place / "by_name", Output.MOT, place / "m.txt", source=place / "images")
    assert done.frames == LENGTH


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_black_and_white_masks_are_one_object(place, mode):
    for path in sorted((place / "by_number").iterdir()):
        white = (read_label_png(path) == 2) * np.uint8(255)
        Image.fromarray(white).convert(mode).save(path)
    done = export(
        place / "by_number", Output.TRACKS, place / "tracks.jsonl", source=place / "clip.mp4"
    )
    records = list(read_tracks(place / "tracks.jsonl"))
    assert len(records) == done.frames
    assert all([o.object_id for o in record.objects] == [1] for record in records)
    assert all(record.objects[0].area for record in records)


def test_masks_without_any_object_are_not_converted(place):
    for path in (place / "by_number").iterdir():
        write_label_png(path, read_label_png(path) * np.uint8(0))
    with pytest.raises(AnnotationError, match="no object in any of"):
        export(place / "by_number", Output.COCO, place / "c.json", source=place / "clip.mp4")
    assert not (place / "c.json").exists()
