"""Training and served alone."""

from __future__ import annotations

from .causes import Diagnosis


def diagnose(case, policy, seed):
    return Diagnosis()
