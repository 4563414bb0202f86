"""Tables of names and numbers, drawn on a terminal and plain elsewhere."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

Row = tuple[str | float, ...]


@dataclass(frozen=True)
class Table:
    """Rows of a name and numbers under a heading each.

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
        lines = [list(self.header), *([self._cell(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            "  ".join(
                cell.ljust(width) if isinstance(kind, str) else cell.rjust(width)
                for cell, width, kind in zip(line, widths, self._kinds(), strict=True)
            ).rstrip()
            for line in lines
        )
        return "\n".join([self.title, *aligned])

    def rich(self) -> "RichTable":
        """Return the table for a terminal."""
        # imported late: where there is no terminal, plain text does not need rich
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415
        from rich.table import Table as RichTable  # noqa: PLC0415

        # Without frames and wide gaps the official columns fit into 80 characters.
        table = RichTable(
            title=self.title,
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for heading, kind in zip(self.header, self._kinds(), strict=True):
            table.add_column(heading, justify="left" if isinstance(kind, str) else "right")
        for row in self.rows:
            table.add_row(*(self._cell(cell) for cell in row))
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
            console.file.write(table.text() + "\n")
