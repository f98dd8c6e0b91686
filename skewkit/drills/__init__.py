"""Skews planted on purpose: what they cost, what noticed them, and what mends them."""
