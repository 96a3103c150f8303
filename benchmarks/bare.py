"""`python -m benchmarks.bare FILE DATABASE`: a CSV into SQLite by pandas, and nothing else done."""

import sqlite3
import sys
from contextlib import closing

import pandas as pd


def main(file: str, database: str) -> None:
    """As a script of five lines would: no masking, no checks, no keys, twice if run twice."""
    with closing(sqlite3.connect(database)) as connection:
        pd.read_csv(file).to_sql("rows", connection, if_exists="append", index=False)
        connection.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
