"""omlzoo check."""

from pathlib import Path

from omlzoo.cli.output import print_line
from omlzoo.errors import BadTable, notice

__all__ = ["check_command"]


def check_command(table: Path, *, root: Path | None = None, duplicates: bool = False) -> None:
    """Lint a table: columns, values, files, picture headers and boxes. Exit code 2 and the full list if it has faults.

    Parameters
    ----------
    table
        A csv or parquet file, or a folder with a sub-folder per label.
    root
        Where relative paths start; the table's folder by default.
    duplicates
        Also list validation pictures that are nearly the same as a training picture.
    """
    from omlzoo.data.faults import Faults
    from omlzoo.data.table import find_faults, read

    faults = find_faults(table, root)
    if faults:
        raise BadTable(str(table), faults, faults.rest() if isinstance(faults, Faults) else ())
    rows = read(table, "check", root)
    for text in rows.notices:
        notice(text)
    counts = rows.frame["split"].value_counts()
    labels = rows.frame.groupby("split")["label"].nunique()
    parts = [f"{split} {counts[split]} pictures of {labels[split]} labels" for split in counts.index]
    print_line(f"{table}: no faults; {', '.join(parts)}")
    if duplicates:
        from omlzoo.curation.leakage import find_duplicates

        copies, left_out = find_duplicates(rows)
        total = counts.get("validation", 0)
        print_line(
            f"{len(copies)} of {total} validation pictures are also training pictures; {left_out} were not compared"
        )
        for one in copies.itertuples():
            print_line(f"  {one.path} ~ {one.train_path} ({one.correlation:.3f})")
