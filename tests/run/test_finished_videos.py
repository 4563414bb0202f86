"""Finished videos, decoded from their files and compared with the source and the truth."""

import json
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from persam_video.drawing.overlay_style import OverlayStyle, WhenLost
from persam_video.errors import ConfigError, DatasetError, OutputError
from persam_video.masks import read_label_png, write_label_png
from persam_video.run.export import export, render, render_frame
from persam_video.sinks.outputs import SinkOptions
from persam_video.sinks.tracks_jsonl import read_tracks
from persam_video.video import FrameStream, VideoWriter

WIDTH, HEIGHT, LENGTH = 320, 240, 24
LOST = (9, 10, 11, 20)


def truth(index):
    """Object 1 wanders to the right and up, object 2 stays at the border."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(labels, (70 + 6 * index, 150 - 2 * index), (38, 26), 20.0, 0, 360, 1, -1)
    labels[200:, 280:] = 2
    return labels


def pixels():
    """Squares of 4 pixels of two greys, in which any cover shows."""
    small = np.random.default_rng(3).integers(0, 2, (HEIGHT // 4, WIDTH // 4, 1))
    grey = (70 + 110 * small).astype(np.uint8)
    return np.repeat(grey.repeat(4, axis=0).repeat(4, axis=1), 3, axis=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Give a clip, the masks of both objects, and such in which object 1 is lost."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "masks").mkdir()
    with VideoWriter(folder / "clip.mp4", size=(WIDTH, HEIGHT), fps=25, crf=10) as writer:
        for index in range(LENGTH):
            writer.write(pixels(), index / 25)
            found = truth(index)
            if index in LOST:
                found[found == 1] = 0
            write_label_png(folder / "masks" / f"{index:05d}.png", found)
    return folder


def frames(path, **options):
    with FrameStream(path, **options) as stream:
        return [frame.rgb.astype(int) for frame in stream]


def changed(before, after):
    """Where two decoded frames differ by more than a codec makes them."""
    difference = cv2.blur(np.abs(before - after).mean(axis=2), (5, 5))
    found = (difference > 18).astype(np.uint8)
    return cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).astype(bool)


def style(*styles, **options):
    return SinkOptions(style=OverlayStyle(styles, **options), crf=12)


@pytest.mark.parametrize("cover", ["pixelate", "blur", "fill"])
def test_no_frame_of_an_anonymised_clip_shows_the_object(place, tmp_path, cover):
    done = render(
        place / "masks", place / "clip.mp4", tmp_path / "hidden.mp4",
        options=style(f"anonymise={cover}"),
    )  # fmt: skip
    assert done.coverage.kept == {1: [(9, 11), (20, 20)]}
    source, hidden = frames(place / "clip.mp4"), frames(done.place)
    assert len(hidden) == LENGTH
    for index, (before, after) in enumerate(zip(source, hidden, strict=True)):
        region, objects = changed(before, after), truth(index) > 0
        assert np.count_nonzero(objects & ~region) <= 0.01 * np.count_nonzero(objects), index
        if index not in LOST:
            overlap = np.count_nonzero(objects & region) / np.count_nonzero(objects | region)
            assert overlap > 0.7, index
        away = cv2.dilate(region.view(np.uint8), np.ones((17, 17), np.uint8)) == 0
        assert np.abs(before - after)[away].mean() < 2.5, index


def test_with_none_the_check_finds_exactly_the_frames_that_are_told(place, tmp_path):
    done = render(
        place / "masks", place / "clip.mp4", tmp_path / "hidden.mp4",
        options=style("anonymise=fill", when_lost=WhenLost.NONE),
    )  # fmt: skip
    pairs = zip(frames(place / "clip.mp4"), frames(done.place), strict=True)
    bare = [
        index
        for index, (before, after) in enumerate(pairs)
        if (changed(before, after) & (truth(index) == 1)).sum() < 0.5 * (truth(index) == 1).sum()
    ]
    assert tuple(bare) == LOST
    assert done.coverage.lost == {1: [(9, 11), (20, 20)]}
    told = json.loads(done.record.read_text())
    assert told["coverage"]["lost"] == {"1": [[9, 11], [20, 20]]}
    assert told["frames"] == LENGTH
    assert any("frames 9-11, 20" in line for line in done.warnings)


def test_only_some_objects_are_hidden(place, tmp_path):
    options = SinkOptions(style=OverlayStyle(("anonymise=fill",)), objects=frozenset({2, 9}))
    done = render(place / "masks", place / "clip.mp4", tmp_path / "a.mp4", options=options)
    before, after = frames(place / "clip.mp4")[3], frames(done.place)[3]
    region = changed(before, after)
    assert region[truth(3) == 2].mean() > 0.98 and region[truth(3) == 1].mean() < 0.02
    assert done.coverage.kept == {}
    assert "object 9 was chosen, and is in no frame" in done.warnings


def test_nothing_is_written_if_none_of_the_chosen_objects_is_there(place, tmp_path):
    options = SinkOptions(style=OverlayStyle(("anonymise",)), objects=frozenset({9}))
    with pytest.raises(DatasetError, match=r"shows an object that was chosen.* check their ids$"):
        render(place / "masks", place / "clip.mp4", tmp_path / "a.mp4", options=options)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("styles", [("fill",), ("trail", "labels"), ("background=green", "follow")])
def test_what_is_untouched_differs_by_the_codec_only(place, tmp_path, styles):
    made = replace(style(*styles, contour=0), names={1: "x"})
    drawn = render(place / "masks", place / "clip.mp4", tmp_path / "a.mp4", options=made)
    look = render_frame(place / "masks", place / "clip.mp4", tmp_path / "look.png", 5, options=made)
    picture = np.asarray(Image.open(look.place)).astype(int)
    assert np.abs(picture - frames(drawn.place)[5]).mean() < 4
    assert (look.frames, look.record) == (1, None)


def test_a_part_keeps_indices_times_and_ids(place, tmp_path):
    whole = export(place / "masks", "tracks", tmp_path / "w.jsonl", source=place / "clip.mp4")
    done = export(
        place / "masks", "tracks", tmp_path / "p.jsonl", source=place / "clip.mp4", start=8, stop=15
    )
    lines = whole.place.read_text().splitlines()
    assert done.place.read_text().splitlines() == lines[8:15]
    assert [record.frame for record in read_tracks(done.place)] == list(range(8, 15))
    masks = export(place / "masks", "masks", tmp_path / "m", source=place / "clip.mp4", start=20)
    assert sorted(path.stem for path in masks.place.iterdir()) == [
        f"{index:05d}" for index in range(20, LENGTH)
    ]
    assert np.array_equal(
        read_label_png(tmp_path / "m" / "00021.png"), read_label_png(place / "masks" / "00021.png")
    )


def test_a_part_of_a_video_is_what_the_whole_shows_there(place, tmp_path):
    for styles in (("anonymise=fill",), ("fill", "trail")):
        whole = render(
            place / "masks", place / "clip.mp4", tmp_path / f"{styles[0][:3]}w.mp4",
            options=style(*styles),
        )  # fmt: skip
        part = render(
            place / "masks", place / "clip.mp4", tmp_path / f"{styles[0][:3]}p.mp4",
            options=style(*styles), start=10, stop=16,
        )  # fmt: skip
        assert part.frames == 6
        pairs = zip(frames(whole.place)[10:16], frames(part.place), strict=True)
        assert max(np.abs(one - other).mean() for one, other in pairs) < 3
        with av.open(part.place) as container:
            assert next(container.decode(video=0)).pts == 0


@pytest.mark.parametrize(
    ("part", "error", "says"),
    [
        ((40, None), DatasetError, "no result for frame 40 or a later one"),
        ((LENGTH - 1, LENGTH + 9), None, None),
    ],
)
def test_a_part_that_there_is_not_is_one_line(place, tmp_path, part, error, says):
    arguments = (place / "masks", place / "clip.mp4", tmp_path / "a.mp4")
    if error is None:
        assert render(*arguments, start=part[0], stop=part[1]).frames == 1
        return
    with pytest.raises(error, match=says):
        render(*arguments, start=part[0], stop=part[1])
    assert not list(tmp_path.iterdir())


def test_a_frame_without_a_result_is_told(place, tmp_path):
    (tmp_path / "some").mkdir()
    write_label_png(tmp_path / "some" / "00002.png", truth(2))
    with pytest.raises(DatasetError, match="no result for frame 5"):
        render_frame(tmp_path / "some", place / "clip.mp4", tmp_path / "a.png", 5)
    assert [path.name for path in tmp_path.iterdir()] == ["some"]


def test_the_record_beside_replaces_nothing_unasked(place, tmp_path):
    (tmp_path / "a.json").write_text("mine")
    options = style("anonymise")
    arguments = (place / "masks", place / "clip.mp4", tmp_path / "a.mp4")
    with pytest.raises(OutputError, match=r"a\.json already exists"):
        render(*arguments, options=options)
    assert (tmp_path / "a.json").read_text() == "mine" and not (tmp_path / "a.mp4").exists()
    render(*arguments, options=style("blur"))  # has no record
    assert (tmp_path / "a.json").read_text() == "mine"


def test_a_background_is_never_written_to(place, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes((place / "clip.mp4").read_bytes())
    before = film.read_bytes()
    with pytest.raises(OutputError, match="is an input"):
        render(
            place / "masks", place / "clip.mp4", film,
            options=style(f"background={film}"), overwrite=True,
        )  # fmt: skip
    assert film.read_bytes() == before


def test_a_preview_is_a_png(place, tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.png"):
        render_frame(place / "masks", place / "clip.mp4", tmp_path / "a.mp4", 5)
    with pytest.raises(ConfigError, match="start is -1"):
        render_frame(place / "masks", place / "clip.mp4", tmp_path / "a.png", -1)


def test_pixels_that_are_not_square_keep_their_shape(place, tmp_path):
    clip = tmp_path / "wide.mp4"
    writer = VideoWriter(clip, size=(WIDTH, HEIGHT), fps=25, pixel_aspect=Fraction(2))
    with writer:
        writer.write(pixels(), 0)
    look = render_frame(place / "masks", clip, tmp_path / "a.png", 0)
    assert Image.open(look.place).size == (2 * WIDTH, HEIGHT)
    done = render(
        place / "masks", clip, tmp_path / "a.mp4", options=style("follow=1:1"),
        stop=1,
    )  # fmt: skip
    with FrameStream(done.place) as stream:
        info = stream.info
        assert (info.width * info.pixel_aspect, info.height) == (HEIGHT, HEIGHT)


def test_cut_outs_have_soft_edges(place, tmp_path):
    done = export(
        place / "masks", "cutout-png", tmp_path / "c", source=place / "clip.mp4",
        options=style(feather=6), start=4, stop=5,
    )  # fmt: skip
    alpha = np.asarray(Image.open(done.place / "00004.png"))[..., 3]
    inside = cv2.erode((truth(4) > 0).astype(np.uint8), np.ones((15, 15), np.uint8))
    assert (alpha[inside > 0] == 255).all()
    assert alpha[truth(4) == 0].max() < 140 and (alpha[:100, 300:] == 0).all()
    assert len(np.unique(alpha)) > 20
