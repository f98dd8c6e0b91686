"""A database's table or query, or an Ibis table, becomes a Table whose rows stay in its engine."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256

from ..names import expand, first_line
from ..records import SkewkitError
from ..tables.lazy import Lazy
from .files import once

URL = re.compile(r"(?P<url>[a-z][a-z0-9+]*://[^#]*)#(?P<asked>.+)", re.S)
STORES = ("abfs", "abfss", "adl", "az", "file", "gcs", "gs", "hdfs", "http", "https", "memory", "oci", "s3", "s3a")
IN_MEMORY = ("duckdb://", "duckdb://:memory:")


def is_database(source) -> bool:
    """Whether a text is a database's URL with a table or a query behind #."""
    return isinstance(source, str) and bool(URL.fullmatch(source)) and source.partition(":")[0] not in STORES


def is_ibis(source) -> bool:
    """Whether something is an Ibis table; Ibis is not imported to find out."""
    return type(source).__module__.partition(".")[0] == "ibis"


def open_ibis(name: str, table) -> Lazy:
    """An Ibis table of any backend; DuckDB and Spark tell times in UTC from then on."""
    if not hasattr(table, "schema"):
        raise SkewkitError(f"{name} is an Ibis {type(table).__name__}; give a table")
    once(name, table.columns)
    _in_utc(table.get_backend())
    return Lazy(table, name=name)


def _in_utc(con):
    setting = {"duckdb": "SET TimeZone = 'UTC'", "pyspark": "SET spark.sql.session.timeZone = UTC"}.get(con.name)
    if setting:
        con.raw_sql(setting)


def open_database(name: str, source: str) -> Lazy:
    """A table or query at ``SCHEME://...#TABLE or SELECT ...``, through Ibis; a DuckDB file is opened to read alone.

    ``duckdb://#SELECT ... FROM 'log/*.parquet'`` asks files through DuckDB. What ``${NAME}`` stands for is never shown.
    """
    url, asked = URL.fullmatch(source).group("url", "asked")
    con = _connected(name, url, expand(url))
    asked = expand(asked).strip().rstrip(";")
    try:
        if re.match(r"(select|with|from)\b", asked, re.I):
            table = _query(con, asked)
        else:
            *database, table = asked.split(".")
            table = con.table(table, database=tuple(database) or None)
    except Exception as e:  # every engine has errors of its own
        raise SkewkitError(
            f"{name}: {source} is no table or query that {con.name} can answer ({first_line(e, source)}); it has {_tables(con)}"
        ) from None
    once(name, table.columns)
    return Lazy(table, name=name, uri=source)


@cache
def _connect(url):
    import ibis

    if url in IN_MEMORY:
        con = ibis.duckdb.connect()
    elif url.startswith("duckdb://"):
        con = ibis.duckdb.connect(url.removeprefix("duckdb://"), read_only=True)
    else:
        con = ibis.connect(url)
    _in_utc(con)
    return con


def _connected(name, shown, url):
    try:
        return _connect(url)
    except SkewkitError:
        raise
    except ImportError as e:
        scheme = url.partition("://")[0]
        raise SkewkitError(
            f"{name}: {shown} needs {e.name or 'a driver'}, which is not installed here; "
            f"pip install 'ibis-framework[{scheme}]'"
        ) from None
    except Exception as e:
        raise SkewkitError(
            f"{name}: no connection to {shown} ({type(e).__name__}); check the address, the file and the rights to it"
        ) from None


def _query(con, asked):
    if con.name != "duckdb":
        return con.sql(asked)
    view = f"skewkit_{sha256(asked.encode()).hexdigest()[:16]}"
    con.raw_sql(f"CREATE OR REPLACE TEMPORARY VIEW {view} AS {asked}")
    return con.table(view)


def _tables(con):
    try:
        duck = con.name == "duckdb"  # of which 2.0 is newer than what Ibis knows
        there = [row[0] for row in con.raw_sql("SHOW TABLES").fetchall()] if duck else con.list_tables()
    except Exception:
        return "no list of its tables"
    return ", ".join(sorted(t for t in there if not t.startswith("skewkit_"))[:20]) or "no tables"
