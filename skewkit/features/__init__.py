"""A feature defined once: over a batch, for one request at a time, as one query; and definitions as files."""
