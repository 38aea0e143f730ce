"""Tables of words, as pandas has them, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

LINE = ["objects", "codec"]
"""The columns that name a line of a table."""


def crossed(cells: pd.DataFrame, columns: str, values: str) -> pd.DataFrame:
    """A row for each source of objects and codec, a column for each of something else, in their first order.

    Args:
        cells: with the columns of ``LINE`` and the two that follow.
        columns: what becomes the names of columns.
        values: what the table holds, in words; empty where there is nothing.
    """
    if cells.empty:
        return pd.DataFrame(columns=LINE)
    rows = cells[LINE].drop_duplicates()
    wide = cells.pivot_table(index=LINE, columns=columns, values=values, aggfunc="first")
    wide = wide.reindex(index=pd.MultiIndex.from_frame(rows), columns=cells[columns].unique())
    return wide.fillna("").rename_axis(columns=None).reset_index()


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown has it."""
    lines: list[Sequence[str]] = [list(table.columns), ["---"] * len(table.columns)]
    lines += table.astype(str).to_numpy().tolist()
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
