"""The table of boxes as a Parquet file."""

from contextlib import suppress
from pathlib import Path

from persam_video.errors import OutputError
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.sinks.csv_lines import COLUMNS, Cell, table_rows
from persam_video.util.atomic import GrowingFile
from persam_video.video.frame import Frame

_GROUP_ROWS = 10_000  # a row group is what lies in memory before it is written

_TYPES = {
    **dict.fromkeys(("time", "score", "centre_x", "centre_y"), "float64"),
    **dict.fromkeys(("state", "name"), "string"),
}


def require_pyarrow() -> None:
    """Check that Parquet files can be written.

    Raises:
        OutputError: they cannot; the message says what to install.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        raise OutputError(
            "Parquet needs pyarrow, which is not installed; run: pip install "
            "'persam-video[parquet]', or use 'table' for CSV"
        ) from error


class ParquetSink(Sink):
    """Writes the columns of the CSV table to a Parquet file, in row groups.

    Numbers are int64 or float64, state and name are strings; boxes and centres of lost objects are
    null. The file appears, whole, when the sink is closed.
    """

    def __init__(self, path: str | Path, group_rows: int = _GROUP_ROWS) -> None:
        """Open a hidden file beside the destination, creating its folder.

        Args:
            path: the file.
            group_rows: how many rows are gathered before they are written.

        Raises:
            OutputError: the file cannot be written there, or pyarrow is not installed.
        """
        require_pyarrow()
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._file = GrowingFile(Path(path))
        self._group_rows = group_rows
        self._rows: list[tuple[Cell, ...]] = []
        self._schema = pa.schema([(name, _TYPES.get(name, "int64")) for name in COLUMNS])
        with self._file.write_errors():
            self._writer = pq.ParquetWriter(self._file.binary, self._schema)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Take the rows of one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        self._rows.extend(table_rows(result))
        if len(self._rows) >= self._group_rows:
            with self._file.write_errors():
                self._write_group()

    def close(self) -> None:
        """Finish the file and move it to its destination; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file.is_closed:
            # after a failed write the writer would try once more when it is collected
            with suppress(OSError, ValueError):
                self._writer.close()
            return
        with self._file.write_errors():
            if self._rows:
                self._write_group()
            self._writer.close()
            self._file.commit()

    def abort(self) -> None:
        """Discard the file; does nothing once it is closed."""
        # before the file is gone: the writer would try once more when it is collected
        with suppress(OSError, ValueError):
            self._writer.close()
        self._file.abort()

    def _write_group(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        columns = list(zip(*self._rows, strict=True))
        self._rows = []
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
