"""Counts, distances, what chance allows for them, and a model's metrics. Nothing here knows a case or a threshold."""
