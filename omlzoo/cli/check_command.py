"""omlzoo check."""

from pathlib import Path

from omlzoo.errors import BadTable

__all__ = ["check_command"]


def check_command(table: Path, *, root: Path | None = None) -> None:
    """Lint a table: columns, values, files, picture headers and boxes. Exit code 2 and the full list if it has faults.

    Parameters
    ----------
    table
        A csv or parquet file, or a folder with a sub-folder per label.
    root
        Where relative paths start; the table's folder by default.
    """
    from omlzoo.table import find_faults, read

    faults = find_faults(table, root)
    if faults:
        raise BadTable(str(table), faults)
    rows = read(table, "check", root)
    counts = rows.frame["split"].value_counts()
    labels = rows.frame.groupby("split")["label"].nunique()
    parts = [f"{split} {counts[split]} pictures of {labels[split]} labels" for split in counts.index]
    print(f"{table}: no faults; {', '.join(parts)}")
