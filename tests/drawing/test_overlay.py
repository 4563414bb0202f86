"""Overlays: what is drawn, what stays untouched, and inputs at the edge."""

from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.drawing.colours import overlay_colour
from persam_video.drawing.overlay import Painter, draw_overlay
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.styles import STYLES, parse_styles
from persam_video.errors import ConfigError
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.video.formats import ColourTags
from persam_video.video.rgb import YuvConverter
from persam_video.video.yuv_picture import YuvPicture, YuvPictures

PLAIN = OverlayStyle(tags=False)
ONLY_FILL = OverlayStyle(contour=0, tags=False)


def frame(height=120, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blank(height=120, width=160):
    return np.zeros((height, width), np.uint8)


def result(object_id, state):
    return ObjectResult(object_id, state, 0.5, None, 0)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    data=st.data(),
)
def test_any_label_map_is_drawn_without_touching_the_input(shape, data):
    ids = st.sampled_from([0, 0, 0, 1, 2, 7, 200, 255])
    labels = data.draw(hnp.arrays(np.uint8, shape, elements=ids))
    rgb = frame(*shape)
    before, labels_before = rgb.copy(), labels.copy()
    objects = (result(3, ObjectState.LOST), result(255, ObjectState.TRACKED))
    drawn = draw_overlay(rgb, labels, objects)
    assert drawn.shape == rgb.shape and drawn.dtype == np.uint8
    assert np.array_equal(rgb, before) and np.array_equal(labels, labels_before)
    assert np.array_equal(drawn, draw_overlay(rgb, labels, objects))


def test_an_empty_label_map_gives_an_equal_picture_of_its_own():
    rgb = frame()
    drawn = draw_overlay(rgb, blank())
    assert np.array_equal(drawn, rgb) and not np.shares_memory(drawn, rgb)


def test_background_away_from_contours_is_untouched():
    rgb, labels = frame(), blank()
    labels[40:80, 50:100] = 4
    drawn = draw_overlay(rgb, labels, style=PLAIN)
    near = blank().astype(bool)
    near[36:84, 46:104] = True
    assert np.array_equal(drawn[~near], rgb[~near])
    assert not np.array_equal(drawn[labels == 4], rgb[labels == 4])


def test_tags_stay_close_to_their_objects():
    rgb, labels = frame(240, 320), blank(240, 320)
    labels[100:160, 120:200] = 9
    changed = (draw_overlay(rgb, labels) != draw_overlay(rgb, labels, style=PLAIN)).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 75 and rows.max() < 100  # above the object, its contour left alone
    assert columns.min() > 145 and columns.max() < 175


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_fill_blends_by_alpha_and_keeps_to_the_mask(alpha):
    rgb, labels = frame(), blank()
    labels[10:50, 20:90] = 3
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(alpha=alpha, contour=0, tags=False))
    inside = labels == 3
    wanted = rgb[inside] * (1 - alpha) + alpha * np.array(overlay_colour(3))
    assert np.abs(drawn[inside] - wanted).max() <= 0.51
    assert np.array_equal(drawn[~inside], rgb[~inside])


@settings(max_examples=40)
@given(
    hnp.arrays(np.uint8, (9, 13), elements=st.sampled_from([0, 0, 1, 2, 200, 255])), st.floats(0, 1)
)
def test_every_pixel_is_a_blend_with_the_colour_of_its_own_object(labels, alpha):
    rgb = frame(9, 13)
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(alpha=alpha, contour=0, tags=False))
    colours = np.array([overlay_colour(i) if i else (0, 0, 0) for i in range(256)])[labels]
    share = np.where(labels == 0, 0, alpha)[..., None]
    assert np.abs(drawn - (rgb * (1 - share) + share * colours)).max() <= 0.51


@pytest.mark.parametrize("object_id", [1, 17, 255])
def test_a_single_pixel_is_seen(object_id):
    rgb, labels = np.full((120, 160, 3), 128, np.uint8), blank()
    labels[60, 80] = object_id
    drawn = draw_overlay(rgb, labels, style=PLAIN)
    assert np.abs(drawn[60, 80] - np.array(overlay_colour(object_id), float)).max() < 30


@pytest.mark.parametrize(("scale", "low", "high"), [(1, 1.0, 1.6), (2, 1.7, 2.3), (8, 7.6, 8.4)])
def test_contours_grow_with_the_picture(scale, low, high):
    rgb = np.zeros((240 * scale, 240 * scale, 3), np.uint8)
    labels = np.zeros(rgb.shape[:2], np.uint8)
    labels[:, 120 * scale :] = 1
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(alpha=0, tags=False))
    covered = drawn[120 * scale, :, 0].astype(float).sum() / overlay_colour(1)[0]
    assert low <= covered <= high


def test_contours_are_anti_aliased():
    rgb, labels = np.zeros((200, 200, 3), np.uint8), blank(200, 200)
    rows, columns = np.ogrid[:200, :200]
    labels[(rows - 100) ** 2 + (columns - 100) ** 2 < 60**2] = 1
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(alpha=0, tags=False))
    assert len(np.unique(drawn[..., 0])) > 12


def test_an_object_that_fills_the_picture_has_no_contour():
    rgb = frame()
    labels = np.full(rgb.shape[:2], 2, np.uint8)
    assert np.array_equal(
        draw_overlay(rgb, labels, style=PLAIN), draw_overlay(rgb, labels, style=ONLY_FILL)
    )


def test_only_lost_objects_are_listed_in_the_lower_left_corner():
    rgb = frame(240, 320)
    tracked = [result(1, ObjectState.TRACKED)]
    assert np.array_equal(draw_overlay(rgb, blank(240, 320), tracked), rgb)
    lost = [*tracked, result(2, ObjectState.LOST), result(5, ObjectState.LOST)]
    rows, columns = np.nonzero((draw_overlay(rgb, blank(240, 320), lost) != rgb).any(axis=2))
    assert rows.min() > 200 and columns.max() < 120


def test_views_and_fortran_order_are_taken():
    rgb, labels = frame(), blank()
    labels[30:60, 30:60] = 1
    wanted = draw_overlay(rgb[:, ::-1].copy(), labels[:, ::-1].copy())
    assert np.array_equal(draw_overlay(rgb[:, ::-1], labels[:, ::-1]), wanted)
    assert np.array_equal(
        draw_overlay(np.asfortranarray(rgb[:, ::-1]), np.asfortranarray(labels[:, ::-1])), wanted
    )


@pytest.mark.parametrize(
    ("rgb", "labels"),
    [
        (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.uint8)),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8)),
        (np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5), np.uint8)),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8)),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.int64)),
    ],
)
def test_wrong_arrays_are_refused(rgb, labels):
    with pytest.raises(ValueError, match="give uint8"):
        draw_overlay(rgb, labels)


@pytest.mark.parametrize(
    "settings_", [{"alpha": -0.1}, {"alpha": 1.5}, {"alpha": float("nan")}, {"contour": -1}]
)
def test_wrong_styles_are_refused(settings_):
    with pytest.raises(ConfigError, match="overlay"):
        OverlayStyle(**settings_)


@pytest.mark.parametrize("name", STYLES)
def test_every_style_draws_any_map_and_leaves_the_input(name):
    for text in (name, *(f"{name}={value}" for value in STYLES[name].examples)):
        style = OverlayStyle((text,))
        rgb = frame(60, 80)
        for labels in (blank(60, 80), np.full((60, 80), 3, np.uint8), rgb[..., 0] // 80):
            before, labels_before = rgb.copy(), labels.copy()
            drawn = draw_overlay(rgb, labels, style=style)
            assert (drawn.shape[1], drawn.shape[0]) == Painter(style).size(80, 60)
            assert drawn.dtype == np.uint8 and drawn.flags.c_contiguous
            assert np.array_equal(rgb, before) and np.array_equal(labels, labels_before)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    names=st.lists(st.sampled_from(list(STYLES)), min_size=1, max_size=4, unique=True),
    data=st.data(),
)
def test_styles_go_together_in_any_order_at_any_size(shape, names, data):
    ids = st.sampled_from([0, 0, 0, 1, 2, 7, 200])
    labels = data.draw(hnp.arrays(np.uint8, shape, elements=ids))
    style = OverlayStyle(tuple(names), colours={2: (1, 2, 3)}, feather=3)
    drawn = draw_overlay(frame(*shape), labels, style=style)
    assert drawn.shape[1::-1] == Painter(style).size(shape[1], shape[0])


@pytest.mark.parametrize("name", ["spotlight", "blur"])
def test_backgrounds_step_back_and_objects_do_not(name):
    rgb, labels = frame(), blank()
    labels[30:90, 40:120] = 2
    drawn = draw_overlay(rgb, labels, style=OverlayStyle((name,), contour=0, tags=False))
    assert np.array_equal(drawn[40:80, 50:110], rgb[40:80, 50:110])
    assert drawn[:20].std() < 0.5 * rgb[:20].std()


def test_a_blurred_background_has_no_halo_of_the_object():
    rgb, labels = np.full((120, 160, 3), 100, np.uint8), blank()
    labels[30:90, 40:120] = 2
    rgb[labels > 0] = (255, 0, 0)
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(("blur",), tags=False))
    assert np.abs(drawn[:25].astype(int) - 100).max() <= 3


def test_side_by_side_begins_with_the_frame_as_it_is():
    rgb, labels = frame(), blank()
    labels[30:90, 40:120] = 2
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(("side-by-side",)))
    assert np.array_equal(drawn[:, :160], rgb)
    assert np.array_equal(drawn[:, 160:], draw_overlay(rgb, labels))


@pytest.mark.parametrize("styles", [("side-by-side", "anonymise=fill"), ("anonymise=fill", "box")])
def test_what_is_hidden_is_hidden_on_both_sides_and_in_any_order(styles):
    rgb, labels = frame(), blank()
    labels[30:90, 40:120] = 2
    drawn = draw_overlay(rgb, labels, style=OverlayStyle(styles, alpha=0, contour=0, tags=False))
    for left in range(0, drawn.shape[1], 160):
        assert not drawn[30:90, left + 40 : left + 120].any()


def test_styles_are_done_in_their_stages_whatever_their_order():
    rgb, labels = frame(), blank()
    labels[30:90, 40:120] = 2
    names = ("follow=1:1", "fill", "labels", "blur")
    one, other = (
        draw_overlay(rgb, labels, style=OverlayStyle(order)) for order in (names, names[::-1])
    )
    assert one.shape == (120, 120, 3)
    assert np.array_equal(one, other)


def test_names_colours_and_opacity_are_those_given():
    rgb, labels = np.full((240, 320, 3), 90, np.uint8), blank(240, 320)
    labels[100:180, 120:200] = 2
    style = OverlayStyle(colours={2: (10, 200, 30)}, alpha=1, contour=0)
    called = replace(result(2, ObjectState.TRACKED), name="a long name")
    bare, named = (draw_overlay(rgb, labels, objects, style=style) for objects in ((), (called,)))
    assert (bare[150:170][labels[150:170] == 2] == (10, 200, 30)).all()
    assert (named != bare).any(axis=2).sum() > 300


def test_tags_are_as_the_style_has_them_unless_asked_for():
    rgb, labels = frame(), blank()
    labels[60:110, 40:120] = 2
    hidden, plain, tagged = (
        draw_overlay(rgb, labels, style=OverlayStyle(("anonymise",), tags=tags))
        for tags in (None, False, True)
    )
    assert np.array_equal(hidden, plain) and not np.array_equal(hidden, tagged)
    assert np.array_equal(
        draw_overlay(rgb, labels, style=OverlayStyle(("labels",), tags=False)), rgb
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fil", "did you mean 'fill'"),
        ("fill=3", "takes no value"),
        ("anonymise=nothing", "give one of pixelate, blur, fill, pixelate-rest"),
        ("background=nowhere.mp4", "neither a colour nor a file"),
        ("follow=wide", "such as 9:16"),
        ("follow=0:4", "such as 9:16"),
        ("follow,follow=1:1", "given twice"),
        ("trail=-1", "seconds"),
        ("trail=nan", "seconds"),
    ],
)
def test_what_no_style_is_called_is_one_line(text, says):
    with pytest.raises(ConfigError, match=says) as error:
        Painter(OverlayStyle(parse_styles([text])))
    assert "\n" not in str(error.value)


def test_lists_of_styles_are_split_where_styles_begin():
    texts = ["fill, trail=2", "background=a,b.jpg,follow=9:16", "fill"]
    assert parse_styles(texts) == ("fill", "trail=2", "background=a,b.jpg", "follow=9:16")
    with pytest.raises(ConfigError, match="trial"):
        parse_styles(["fill,trial"])


@pytest.fixture(scope="module")
def decoded() -> YuvPicture:
    """A large frame in which no pixel is like the next one, as decoders give it."""
    rng = np.random.default_rng(2)
    frame = av.VideoFrame(1400, 800, "yuv420p")
    for number, plane in enumerate(frame.planes):  # colours that RGB has
        low, high = (90, 150) if number == 0 else (118, 138)
        plane.update(rng.integers(low, high, plane.buffer_size).astype(np.uint8).tobytes())
    frame.colorspace = 1
    picture = YuvPictures().of(frame)
    assert picture is not None
    return picture


BLOBS = st.lists(
    st.tuples(st.integers(0, 1399), st.integers(0, 799), st.integers(1, 300), st.integers(1, 300)),
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(
    blobs=BLOBS,
    names=st.sampled_from([("fill",), ("contour", "labels"), ("box",), ("fill", "box")]),
)
def test_only_what_is_drawn_on_leaves_yuv(decoded, blobs, names):
    labels = np.zeros((800, 1400), np.uint8)
    for number, (x, y, width, height) in enumerate(blobs, start=1):
        labels[y : y + height, x : x + width] = number
    result = FrameResult.from_labels(0, 0.0, labels, range(1, 6))  # object 5 is lost
    painter = Painter(OverlayStyle(styles=names))
    painted = painter.paint(decoded, result)
    assert isinstance(painted, YuvPicture)
    drawn = painter.draw(decoded.rgb(), result)
    expected = YuvConverter(1400, 800, "yuv420p", ColourTags.for_height(800), alpha=False)(drawn)
    for now, then in zip(painted.frame.planes, expected.planes, strict=True):
        values = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]
            for plane in (now, then)
        )
        new, old = (each.astype(int) for each in values)
        assert np.abs(new - old).max() <= 2


def test_nothing_to_draw_leaves_the_picture_as_it_is(decoded):
    result = FrameResult(0, 0.0, np.zeros((800, 1400), np.uint8), ())
    assert Painter().paint(decoded, result) is decoded


@pytest.mark.parametrize("name", ["spotlight", "blur", "trail", "side-by-side", "follow"])
def test_styles_that_reach_everywhere_get_all_of_the_picture(decoded, name):
    labels = np.zeros((800, 1400), np.uint8)
    labels[300:400, 500:700] = 1
    result = FrameResult.from_labels(0, 0.0, labels, [1])
    painted, drawn = (Painter(OverlayStyle(styles=(name,))) for _ in range(2))
    np.testing.assert_array_equal(painted.paint(decoded, result), drawn.draw(decoded.rgb(), result))
