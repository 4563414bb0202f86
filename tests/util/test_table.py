from rich.console import Console

from persam_video.util.table import Table, show


def test_plain_tables_are_aligned():
    table = Table("t", ("name", "x"), (("a", 0.5), ("longer", 12.25)), digits=2)
    assert table.text() == "t\nname        x\na        0.50\nlonger  12.25"


def test_names_are_taken_as_they_are(capsys):
    names = ("[red]dog[/red]", ":smile:", "x" * 500, "ünï", "")
    table = Table("[bold]t", ("[b]", "n"), tuple((name, 1.0) for name in names), digits=0)
    title, *lines = table.text().splitlines()
    assert title == "[bold]t"
    assert [line.split("  ")[0].strip() for line in lines[1:]] == list(names)
    assert {len(line) for line in lines} == {503}
    show([table], Console(force_terminal=True, width=600))
    drawn = capsys.readouterr().out
    for name in ("[red]dog[/red]", ":smile:", "[bold]t"):
        assert name in drawn


def test_a_table_without_rows_has_its_headings():
    assert Table("t", ("name", "x"), ()).text() == "t\nname  x"
