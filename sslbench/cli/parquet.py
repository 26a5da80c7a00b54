"""Tables as parquet files that are never half written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.durable import beside, settle

if TYPE_CHECKING:
    import pandas as pd


def write_table(table: pd.DataFrame, file: Path) -> None:
    """Replace a parquet file in one step: it holds the old table or the whole new one."""
    temporary = beside(file)
    try:
        table.to_parquet(temporary, index=False)
        settle(temporary)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
