import pytest

from persam_video.report.findings import ObjectFacts, Reason, frames_to_look_at

STEADY = ObjectFacts(lost=False, score=0.9, area=400, box=(10, 10, 30, 30), likeness=0.95)
GONE = ObjectFacts(lost=True, score=0.1, area=0)


def look(*facts, **options):
    """Return the findings of one object over frames 0, 1, 2, …"""
    return frames_to_look_at({index: {1: known} for index, known in enumerate(facts)}, **options)


def test_a_steady_object_needs_no_look():
    assert look(*[STEADY] * 30) == []


@pytest.mark.parametrize(
    ("odd", "reason", "text"),
    [
        (
            STEADY._replace(score=0.5),
            Reason.LOW_SCORE,
            "score 0.50, below 0.72 (80% of its median)",
        ),
        (STEADY._replace(area=200), Reason.AREA, "area changed by 50% since 9, more than 35%"),
        (
            STEADY._replace(box=(25, 10, 45, 30)),
            Reason.JUMP,
            "moved by 0.75 of its size since 9, "
            "more than 0.50 (4 of its usual steps, 0.5 at least)",
        ),
        (
            STEADY._replace(likeness=0.4),
            Reason.UNLIKE,
            "colours 40% like those of its first frame, below 71% (75% of what they mostly are)",
        ),
    ],
)
def test_a_frame_that_stands_out_is_named_with_what_it_is_compared_with(odd, reason, text):
    first, *rest = look(*[STEADY] * 10, odd, *[STEADY] * 10)
    assert (first.frame, first.reason, first.text) == (10, reason, text)
    # the way back is a change as well, and within the same few frames
    assert rest == []


def test_of_a_lost_period_the_first_frame_counts_and_the_one_after_it():
    found = look(*[STEADY] * 3, *[GONE] * 6, *[STEADY] * 3)
    assert [(f.frame, f.reason) for f in found] == [(3, Reason.LOST), (9, Reason.FOUND)]
    assert found[1].text == "found again with a score of 0.90, lost since 3"


def test_parts_that_pass_little_by_little_add_up():
    passing = STEADY._replace(passed={5: 0.06})
    (found,) = look(*[STEADY] * 3, *[passing] * 8, *[STEADY] * 20)
    assert (found.reason, found.other, found.since) == (Reason.PASSED, 5, 0)
    assert found.text.startswith("48% of it passed to object 5 since 0, more than 30%")
    assert look(*[STEADY] * 3, *[passing] * 4, *[STEADY] * 20) == []


def test_what_is_compared_over_time_follows_the_stride():
    facts = {index: {1: STEADY._replace(area=400 - index * 100)} for index in (0, 3)}
    assert frames_to_look_at(facts) == []
    (found,) = frames_to_look_at(facts, stride=3)
    assert (found.frame, found.since) == (3, 0)


def test_frames_that_were_accepted_are_left_out_and_so_many_are_kept():
    facts = [STEADY if index % 20 else GONE for index in range(100)]
    found = look(*facts, leave_out={20})
    assert [f.frame for f in found if f.reason is Reason.LOST] == [0, 40, 60, 80]
    assert len(look(*facts, most=3)) == 3
