from persam_video.util.table import Table


def test_plain_tables_are_aligned():
    table = Table("t", ("name", "x"), (("a", 0.5), ("longer", 12.25)), digits=2)
    assert table.text() == "t\nname        x\na        0.50\nlonger  12.25"
