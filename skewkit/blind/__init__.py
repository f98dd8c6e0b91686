"""Blind drills: a skew planted in copies, which the team is not told, and what they made of it."""
