"""Damaged and hostile annotation files: one line that names the file, and no harm."""

import base64
import json
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.errors import AnnotationError
from persam_video.masks import read_annotation

SQUARE = [[1, 1], [9, 1], [9, 9]]


def labelme(**shape):
    shape = {"label": "dog", "shape_type": "polygon", "points": SQUARE} | shape
    document = {"imagePath": "a", "imageHeight": 20, "imageWidth": 30, "shapes": [shape]}
    return json.dumps(document)


def coco(segmentation, **more):
    image = {"id": 1, "file_name": "a.jpg", "height": 20, "width": 30} | more
    annotation = {"image_id": 1, "category_id": 1, "segmentation": segmentation}
    categories = [{"id": 1, "name": "dog"}]
    return json.dumps({"images": [image], "annotations": [annotation], "categories": categories})


def cvat(shape):
    return (
        f'<annotations><image id="0" name="a" width="30" height="20">{shape}</image></annotations>'
    )


def cvat_mask(rle, width="30", height="20"):
    about = f'left="0" top="0" width="{width}" height="{height}"'
    return cvat(f'<mask label="dog" rle="{rle}" {about}/>')


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><annotations>&i;</annotations>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotations>&a;</annotations>'


def huge_png():
    """A PNG of a few bytes that claims 60000x60000 pixels."""
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk + bytes(4) + b"IDAT" + bytes(4)).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{" * 100_000, "is not valid JSON"),
        ("[" * 1_000_000, "nested too deeply"),
        ('{"shapes": ' + "[" * 900 + "]" * 900 + ', "imagePath": "a"}', "expected an object"),
        ('{"a": ' + "9" * 5000 + "}", "is not valid JSON"),
        ("{}", "not from labelme, COCO or YouTube-VOS"),
        ("[1, 2]", "not from labelme, COCO or YouTube-VOS"),
        (labelme(points=[[1, 1], [float("nan"), 1], [9, 9]]), "NaN is not a number"),
        (labelme(points=[[1, 1], [1e300, 1], [9, 9]]), r"'1e\+300' is not a valid coordinate"),
        (labelme(points=[[1, 1], [True, 1], [9, 9]]), "'True' is not a valid coordinate"),
        (labelme(points=[[1, 1], ["x", 1], [9, 9]]), r"shapes\[0\], points: 'x' is not a valid"),
        (labelme(points=[[1, 1], [2]]), "other than pairs of numbers"),
        (labelme(points="abc"), "is 'abc'; expected a list of numbers"),
        (labelme(label=None), "'label' is missing"),
        (labelme(label=5), "label: is 5; expected text"),
        (labelme(group_id=1.5), "group_id: is 1.5; expected a whole number"),
        (labelme(shape_type="circle"), "is a circle with 3 points; expected 2"),
        (labelme(shape_type="mask", points=SQUARE[:2]), "'mask' is missing"),
        (labelme(shape_type="mask", points=SQUARE[:2], mask="@@"), "mask: is not a valid base64"),
        (
            labelme(shape_type="mask", points=SQUARE[:2], mask=huge_png()),
            "mask: claims far more than that many pixels, too large to be read safely",
        ),
        (coco([[1, 1, 9, 1, 9]]), "has 5 numbers, which are not"),
        (coco([[1, 1, 9, 1, 9, 9]], height=10**9), "cannot be of a frame of 30x1000000000"),
        (coco({"size": [20, 30], "counts": [1, 2, 3]}), "does not fill its mask"),
        (coco({"size": [20, 30], "counts": [700, -100]}), "does not fill its mask"),
        (coco({"size": [20, 30], "counts": [10**30]}), "segmentation: .*too large"),
        (coco({"size": [20, 30], "counts": "é"}), "segmentation: "),
        (coco({"size": [20, 30], "counts": ""}), "segmentation: run-length code is cut off"),
        (coco({"size": [20, 31], "counts": [620]}), "code of 31x20 pixels in a frame of 30x20"),
        (coco({"size": [10**6] * 2, "counts": [10**12]}), "code of 1000000x1000000 pixels"),
        (coco({"size": [20], "counts": [600]}), "expected height and width"),
        (coco({"counts": [600]}), "'size' is missing"),
        (coco([]).replace('"category_id": 1', '"category_id": 7'), "there is no such category"),
        (BOMB, "has a DOCTYPE"),
        (BOMB.encode("utf-16"), "has a DOCTYPE"),
        (OUTSIDE, "has a DOCTYPE"),
        ("<svg/>", "is not from CVAT: its root element is <svg>"),
        ("<annotations>", "is not valid XML"),
        ("<a>" * 100_000, "is not valid XML"),
        ('<?xml version="1.0" encoding="nonsense"?><annotations/>', "is not valid XML"),
        ("<annotations/>", "contains no object"),
        (cvat('<polygon label="dog"/>'), "line 1: <polygon> has no attribute 'points'"),
        (cvat('<polygon label="dog" points="1,1;nan,2;3,3"/>'), "'nan' is not a valid coordinate"),
        (cvat('<polygon label="dog" points="1,1;2"/>'), "has 3 numbers"),
        (cvat('<polygon label="dog" points="1,1;9,1;9,9" z_order="inf"/>'), "'inf' is not a valid"),
        (cvat('<polygon points="1,1;9,1;9,9"/>'), "<polygon> has no attribute 'label'"),
        (cvat_mask("5, 6"), "does not fill its mask of 30x20|does not fill its mask of 20x30"),
        (cvat_mask("5, x"), "invalid rle"),
        (cvat_mask("600", width="-3"), "width is '-3'; expected a whole"),
        (cvat_mask("1", width="1" * 15, height="1" * 15), "claims a mask of"),
        (b"PK\x03\x04 and no more", "is not a whole ZIP archive"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "file"  # the name tells nothing
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AnnotationError, match=message) as caught:
        read_annotation(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"../a.json": b"{}"}, "is not a path inside of the archive"),
        ({"/etc/a.json": b"{}"}, "is not a path inside of the archive"),
        ({"a.json": bytes(2**26)}, "are not a dataset"),
        ({"a.txt": b"nothing"}, "contains no annotations"),
        (
            {"a.json": b"{}", "b.json": b"{}"},
            r"2 annotation files; choose one of a\.json, b",
        ),
        (
            {"SegmentationClass/a.png": b"no picture", "labelmap.txt": b"dog:0,0,9::\n"},
            "cannot be read",
        ),
        (
            {"SegmentationClass/a.png": b"", "labelmap.txt": b"dog:0,300,9::"},
            "expected a label",
        ),
    ],
)
def test_archives_do_no_harm(tmp_path, entries, message):
    path = tmp_path / "annotations.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(AnnotationError, match=message) as caught:
        read_annotation(path)
    assert str(caught.value).startswith(str(path))  # not where it was unpacked
    assert len(str(caught.value).splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["annotations.zip"]


def test_meta_json_leads_to_no_other_folder(tmp_path):
    objects = {"1": {"category": "dog", "frames": []}}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": {"../up": {"objects": objects}}}))
    with pytest.raises(AnnotationError, match="cannot be the name of a folder"):
        read_annotation(tmp_path / "meta.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(tmp_path_factory, data):
    texts = (
        labelme(group_id=3),
        coco([[1, 1, 9, 1, 9, 9]]),
        coco({"size": [20, 30], "counts": [100, 100, 400]}),
    )
    document = json.loads(data.draw(st.sampled_from(texts)))
    at = document
    while True:  # walk to a value and put another in its place
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = data.draw(st.sampled_from(list(keys)))
        if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        at[key] = data.draw(JSON)
        break
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(document))
    try:
        read_annotation(path, size=(20, 30))
    except AnnotationError as error:
        assert str(error).startswith(str(path))
