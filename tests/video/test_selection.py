import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.errors import ConfigError
from persam_video.video.selection import Selection

counts = st.integers(0, 60)


@given(start=counts, stop=st.none() | counts, stride=st.integers(1, 20), total=counts)
def test_selects_as_range_does(start: int, stop: int | None, stride: int, total: int) -> None:
    if stop is not None and stop <= start:
        return
    selection = Selection(start, stop, stride)
    expected = list(range(total))[start:stop:stride]
    assert list(selection.within(total)) == expected
    assert [index for index in range(total) if index in selection] == expected
    if stop is not None:
        last = list(range(start, stop, stride))[-1]
        assert [index for index in range(stop + 20) if selection.ends_with(index)] == [last]


@pytest.mark.parametrize(
    ("start", "stop", "stride", "message"),
    [
        (-1, None, 1, "start is -1"),
        (0, None, 0, "stride is 0"),
        (0, None, -2, "stride is -2"),
        (5, 5, 1, "no frame lies between"),
        (0, 0, 1, "no frame lies between"),
    ],
)
def test_refuses_what_selects_nothing(
    start: int, stop: int | None, stride: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Selection(start, stop, stride)
