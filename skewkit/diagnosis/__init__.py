"""The fifth step: the cause by name, for which every skew proposes and the shortest description wins."""
