"""The first step: a path, a frame, a database's query or a version of a table becomes a Table, and tables become a case."""
