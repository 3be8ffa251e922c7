"""omlzoo check."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line
from omlzoo.errors import BadInput, BadTable, counted, notice

__all__ = ["check_command"]


def check_command(
    table: Path,
    *,
    root: Path | None = None,
    duplicates: bool = False,
    quality: bool = False,
    html: Path | None = None,
    faults_file: Annotated[Path | None, Parameter(name="--faults")] = None,
) -> None:
    """Lint a table: columns, values, files, picture headers and boxes. Exit code 2 and the full list if it has faults.

    Parameters
    ----------
    table
        A csv or parquet file, or a folder with a sub-folder per label.
    root
        Where relative paths start; the table's folder by default.
    duplicates
        Also list validation pictures that are nearly the same as a training picture.
    quality
        Also list pictures that are dark, light, blurry, of an odd size or shape, with little in them, or near copies.
    html
        Also write what --quality finds as one page with the pictures.
    faults_file
        Write all faults to this csv file too: row, column, value, remedy.
    """
    if html is not None and not quality:
        raise BadInput("--html shows what --quality finds; give both")
    from omlzoo.data.faults import write_faults
    from omlzoo.data.table import find_faults, read

    faults = find_faults(table, root)
    if faults_file is not None:
        write_faults(faults, faults_file)
    if faults:
        raise BadTable(str(table), faults)
    from omlzoo.evaluation.trivial_queries import find_trivial

    rows = read(table, "check", root)
    for text in (*rows.notices, *(finding.text for finding in find_trivial(rows))):
        notice(text)
    counts = rows.frame["split"].value_counts()
    labels = rows.frame.groupby("split")["label"].nunique()
    parts = [
        f"{split} {counted(counts[split], 'picture')} of {counted(labels[split], 'label')}" for split in counts.index
    ]
    lines = "" if rows.lines is None else f"{counted(len(rows), 'row')} of {rows.lines} lines; "
    print_line(f"{table}: no faults; {lines}{', '.join(parts)}")
    if duplicates:
        from omlzoo.curation.leakage import find_duplicates

        copies, left_out = find_duplicates(rows)
        total = counts.get("validation", 0)
        print_line(
            f"{len(copies)} of {total} validation pictures are also training pictures; {left_out} were not compared"
        )
        for one in copies.itertuples():
            print_line(f"  {one.path} ~ {one.train_path} ({one.correlation:.3f})")
    if quality:
        from omlzoo.cli.quality_page import print_quality

        print_quality(rows, html)
