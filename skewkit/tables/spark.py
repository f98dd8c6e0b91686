"""What only Spark needs: its times, which Ibis takes for others than they are."""

from __future__ import annotations

import pyarrow as pa


def naive_columns(source):
    """The columns whose times have no zone; Ibis gives them the type of those that are moments."""
    import ibis
    from pyspark.sql import types

    session = source.get_backend()._session  # the active one is another thread's
    columns = session.sql(str(ibis.to_sql(source, dialect="pyspark"))).schema
    return {c.name for c in columns if isinstance(c.dataType, types.TimestampNTZType)}


def micros(time):
    """Microseconds since 1970, in Spark."""
    import ibis

    @ibis.udf.scalar.builtin(name="unix_micros", signature=(("timestamp('UTC')",), "int64"))
    def unix_micros(time): ...

    return unix_micros(time.cast("timestamp('UTC')"))


def with_zones(found, table):
    """What was read from Spark, with its moments in UTC as such."""
    kinds = table.kinds()
    types = [pa.timestamp("us", "UTC") if kinds[f.name] == "time" else f.type for f in found.schema]
    return found.cast(pa.schema(list(zip(found.schema.names, types, strict=True))))
