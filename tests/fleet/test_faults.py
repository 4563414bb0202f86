import pytest

pytest.importorskip("ray", reason="Ray is not installed (pip install -e '.[ray]')")


def test_killed_machines_and_a_killed_command_leave_the_masks_of_one_machine(tmp_path):
    from eval.fleet_faults import run

    found = run(tmp_path, number=2, clips=12, kill_at=(1, 3, 5), driver_at=7, seed=0)
    assert found.different == ()
    assert found.files > 12 * 8
    assert found.killed_at[-1] < 12
    assert found.driver_killed_at < 12
