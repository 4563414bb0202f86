"""Ready-made clips: the demo, and one clip for each common failure of tracking.

The scene is the same in all of them: a koi, a ball and a leaf over the bed of a pond.
"""

from persam_video.errors import ConfigError
from persam_video.synthetic.bodies import Kind, Tint
from persam_video.synthetic.clip import SyntheticClip, SyntheticObject, Waypoint

_GOLD: Tint = (0.93, 0.55, 0.12)
_BLUE: Tint = (0.12, 0.30, 0.72)
_RED: Tint = (0.75, 0.13, 0.10)
_KOI_SIZE = 0.70
_BALL_SIZE = 0.40
_ASPECT = 640 / 360  # of all presets


def demo(seed: int = 0) -> SyntheticClip:
    """Three objects that move, turn and change size; the ball passes over the leaf.

    A koi (id 1) swims in a curve. A ball (id 2) rolls across the picture and occludes a leaf (id
    3): partly, then almost completely for some frames, and uncovers it again. 60 frames.
    """
    koi = (
        Waypoint(0, 0.24, 0.30, -14),
        Waypoint(15, 0.38, 0.24, -4),
        Waypoint(30, 0.53, 0.25, 14, 1.05),
        Waypoint(45, 0.66, 0.33, 34, 1.1),
        Waypoint(59, 0.75, 0.47, 58, 1.12),
    )
    ball = (
        Waypoint(0, 0.84, 0.58),
        Waypoint(30, 0.43, 0.68, scale=1.05),
        Waypoint(59, 0.12, 0.60, scale=0.98),
    )
    leaf = (
        Waypoint(0, 0.36, 0.73, -60, 1.0, 0.95),
        Waypoint(20, 0.40, 0.75, -30),
        Waypoint(40, 0.46, 0.755, 0, 0.98, 0.9),
        Waypoint(59, 0.53, 0.74, 25, 0.96, 0.95),
    )
    return SyntheticClip((_koi(1, koi), _leaf(3, leaf), _ball(2, ball)), seed=seed)


def crossing(seed: int = 0) -> SyntheticClip:
    """Objects that cross in opposite directions; one is fully occluded for some frames.

    The ball (id 2) passes over the leaf (id 3), which cannot be seen in the middle of the clip; the
    koi (id 1) swims past both. 60 frames.
    """
    koi = (Waypoint(0, 0.26, 0.26, 10), Waypoint(30, 0.50, 0.33, 12), Waypoint(59, 0.72, 0.40, 8))
    ball = (Waypoint(0, 0.86, 0.76), Waypoint(30, 0.50, 0.70), Waypoint(59, 0.20, 0.52))
    leaf = (
        Waypoint(0, 0.20, 0.70, -20),
        Waypoint(30, 0.50, 0.70, 10),
        Waypoint(59, 0.78, 0.76, 40),
    )
    return SyntheticClip(
        (_koi(1, koi), _leaf(3, leaf, size=0.34), _ball(2, ball, size=0.44)), seed=seed
    )


def lookalike(seed: int = 0) -> SyntheticClip:
    """A koi (id 1) meets its double, which is not labelled; a ball (id 2) stays away.

    The two come close in the middle of the clip without touching. 60 frames.
    """
    koi = (
        Waypoint(0, 0.22, 0.24, 8),
        Waypoint(30, 0.46, 0.29, 4),
        Waypoint(59, 0.70, 0.22, -10),
    )
    double = (
        Waypoint(0, 0.74, 0.80, 188),
        Waypoint(30, 0.50, 0.71, 182),
        Waypoint(59, 0.24, 0.76, 170),
    )
    ball = (Waypoint(0, 0.86, 0.34), Waypoint(59, 0.84, 0.64))
    return SyntheticClip((_koi(1, koi), _koi(0, double), _ball(2, ball, size=0.3)), seed=seed)


def late_entry(enters: int = 30, *, length: int = 60, seed: int = 0) -> SyntheticClip:
    """A koi (id 1) is there from the start, a ball (id 2) first appears in frame ``enters``.

    Raises:
        ConfigError: ``enters`` is too close to the end of the clip.
    """
    _check_order(1, enters, length)
    koi = (Waypoint(0, 0.58, 0.28, 12), Waypoint(length - 1, 0.72, 0.40, 32))
    return SyntheticClip(
        (_koi(1, koi), _ball(2, _entering(enters, length))), length=length, seed=seed
    )


def exit_and_return(
    leaves: int = 25, returns: int = 40, *, length: int = 60, seed: int = 0
) -> SyntheticClip:
    """A koi (id 1) is out of the picture from ``leaves`` until ``returns``; a leaf (id 2) stays.

    Raises:
        ConfigError: the frames are not in order or too close to each other.
    """
    _check_order(8, leaves, returns, length)
    leaf = (Waypoint(0, 0.28, 0.68, -40), Waypoint(length - 1, 0.34, 0.62, 20))
    koi = _leaving_and_returning(leaves, returns, length)
    return SyntheticClip((_koi(1, koi), _leaf(2, leaf)), length=length, seed=seed)


def come_and_go(
    enters: int = 30, leaves: int = 50, returns: int = 70, *, length: int = 90, seed: int = 0
) -> SyntheticClip:
    """A ball (id 2) enters while a koi (id 1) leaves and comes back; a leaf (id 3) stays.

    Args:
        enters: first frame that shows the ball.
        leaves: first frame without the koi.
        returns: first frame that shows the koi again.
        length: number of frames.
        seed: random seed.

    Raises:
        ConfigError: the frames are not in order or too close to each other.
    """
    _check_order(1, enters, length)
    _check_order(8, leaves, returns, length)
    leaf = (Waypoint(0, 0.60, 0.76, -40), Waypoint(length - 1, 0.66, 0.74, 30))
    koi = _leaving_and_returning(leaves, returns, length)
    ball = _entering(enters, length)
    return SyntheticClip((_koi(1, koi), _leaf(3, leaf), _ball(2, ball)), length=length, seed=seed)


def _koi(object_id: int, path: tuple[Waypoint, ...]) -> SyntheticObject:
    return SyntheticObject(object_id, Kind.KOI, _GOLD, _KOI_SIZE, path)


def _ball(object_id: int, path: tuple[Waypoint, ...], size: float = _BALL_SIZE) -> SyntheticObject:
    return SyntheticObject(object_id, Kind.BALL, _BLUE, size, path)


def _leaf(object_id: int, path: tuple[Waypoint, ...], size: float = 0.46) -> SyntheticObject:
    return SyntheticObject(object_id, Kind.LEAF, _RED, size, path)


def _entering(enters: int, length: int) -> tuple[Waypoint, ...]:
    """Path of a ball entering over the left edge, a third of it within one frame."""
    reach = _BALL_SIZE / 2 / _ASPECT
    return (
        Waypoint(enters - 0.7, -1.1 * reach, 0.60),
        Waypoint(enters, -0.2 * reach, 0.60),
        Waypoint(enters + 3, 1.1 * reach, 0.61),
        Waypoint(max(enters + 6, length - 1), 0.34, 0.66),
    )


def _leaving_and_returning(leaves: int, returns: int, length: int) -> tuple[Waypoint, ...]:
    """Path of a koi leaving over the right edge and returning, a third of it within one frame."""
    reach = _KOI_SIZE / 2 / _ASPECT
    outside = 1 + 1.15 * reach
    return (
        Waypoint(0, 0.56, 0.28, -6),
        Waypoint(max(1, leaves - 7), 0.70, 0.27, 4),
        Waypoint(leaves - 1, 1 + 0.4 * reach, 0.30, 8),
        Waypoint(leaves - 0.3, outside, 0.31, 8),
        Waypoint(returns - 0.7, outside, 0.36, 170),
        Waypoint(returns, 1 + 0.4 * reach, 0.36, 172),
        Waypoint(returns + 5, 1 - 1.1 * reach, 0.36, 178),
        Waypoint(max(returns + 6, length - 1), 0.56, 0.32, 190),
    )


def _check_order(room: int, *frames: int) -> None:
    """Refuse frames that are not in order with at least ``room`` frames between."""
    for earlier, later in zip((0, *frames), frames, strict=False):
        if later - earlier < room:
            raise ConfigError(
                f"frames {', '.join(map(str, frames))} are not in order with {room} or more "
                "between them (the last is the length of the clip)."
            )
