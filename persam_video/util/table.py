"""Tables of names and numbers, drawn on a terminal and plain elsewhere."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

Row = tuple[str | float, ...]

_UNLIMITED = 1_000_000  # characters in a line of plain text


@dataclass(frozen=True)
class Table:
    """Rows of a name and numbers under headings.

    Attributes:
        title: what the table shows.
        header: a heading for each column.
        rows: cells; numbers are shown with ``digits`` decimals, NaN as a dash.
        digits: decimals of the numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    digits: int = 5

    def text(self) -> str:
        """Return the table as aligned plain text."""
        from rich.console import Console  # noqa: PLC0415

        console = Console(width=_UNLIMITED, color_system=None, force_terminal=False)
        with console.capture() as captured:
            console.print(self._columns(box=None, padding=(0, 2, 0, 0), pad_edge=False))
        return "\n".join(
            [self.title, *(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))]
        )

    def rich(self) -> "RichTable":
        """Return the table for a terminal."""
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        # without frames and wide gaps the official columns fit into 80 characters
        return self._columns(
            title=Text(self.title),
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )

    def _columns(self, **style: Any) -> "RichTable":
        # imported late: most commands print no table
        from rich.table import Table as RichTable  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = RichTable(**style)
        # as text, for a name in brackets would be read as markup and vanish
        for heading, kind in zip(self.header, self._kinds(), strict=True):
            table.add_column(Text(heading), justify="left" if isinstance(kind, str) else "right")
        for row in self.rows:
            table.add_row(*(Text(self._cell(cell)) for cell in row))
        return table

    def _kinds(self) -> Row:
        return self.rows[0] if self.rows else self.header

    def _cell(self, cell: str | float) -> str:
        if isinstance(cell, str):
            return cell
        return "-" if math.isnan(cell) else f"{cell:.{self.digits}f}"


def show(tables: Iterable[Table], console: "Console") -> None:
    """Print tables: drawn on a terminal, as plain text everywhere else."""
    for position, table in enumerate(tables):
        if position:
            console.print()
        if console.is_terminal:
            console.print(table.rich())
        else:
            console.out(table.text(), highlight=False)
