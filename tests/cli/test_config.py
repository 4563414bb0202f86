from persam_video.config import load_settings, presets


def test_what_is_shown_serves_as_a_config(run, tmp_path):
    shown = run("config", "show", "--method", "persam-f", "--set", "prior.alpha=0.3")
    assert (shown.status, shown.err) == (0, "")
    file = tmp_path / "mine.yaml"
    file.write_text(shown.out, encoding="utf-8")
    assert load_settings(file) == load_settings("persam_f", {"prior.alpha": 0.3})
    again = tmp_path / "again.yaml"
    again.write_text(run("config", "show", "--config", file).out, encoding="utf-8")
    assert load_settings(again) == load_settings(file)


def test_the_presets_are_listed(run):
    listed = run("config", "list")
    assert listed.status == 0
    assert [line.split()[0] for line in listed.out.splitlines()[2:]] == list(presets())
    assert "upstream_f  What the reference implementation's persam_video_f.py does" in listed.out


def test_a_wrong_setting_is_one_line(run):
    shown = run("config", "show", "--set", "prior.alfa=1")
    assert (shown.status, shown.out) == (2, "")
    assert shown.err.count("\n") == 1
    assert "prior.alpha" in shown.err
