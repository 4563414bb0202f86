import pytest

pytest.importorskip("ray", reason="Ray is not installed (pip install -e '.[ray]')")

CLIPS = 24
"""So many that some are left when the command is killed: others go on while a machine dies."""


def test_killed_machines_and_a_killed_command_leave_the_masks_of_one_machine(tmp_path):
    from eval.fleet_faults import run

    found = run(tmp_path, number=2, clips=CLIPS, kill_at=(1, 8, 15), driver_at=18, seed=0)
    assert found.different == ()
    assert found.files > CLIPS * 8
    assert found.killed_at[-1] < CLIPS
    assert found.driver_killed_at < CLIPS
