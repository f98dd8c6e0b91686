"""How much rows of one entity are alike, and so by how much they are fewer draws than rows. Imports nothing else of skewkit.

The variance of a share whose rows come in clusters is sum_i (s_i - p m_i)^2 / M^2, with s_i of the m_i rows of entity i
counted and M rows in all (Cochran, Sampling Techniques, ch. 9). Its ratio to p (1 - p) / M is the design effect,
1 + alike (heaviest - 1): 1 where rows are independent, and `heaviest` where all rows of an entity are alike (Kish 1965).
Where the rows counted are those of the largest entities, it is more.
"""

from __future__ import annotations

import numpy as np


def heaviest(entities: np.ndarray) -> float:
    """How many rows the entity of a row has, on average over the rows, from each row's entity as a number, shape (rows,)."""
    of = np.bincount(entities).astype(float)
    return float((of**2).sum() / of.sum())


def alike(entities: np.ndarray, cells: np.ndarray, count: int, upto: bool = False) -> np.ndarray:
    """How much the rows of one entity are alike in each cell, shape (count,), from 0 to 1 (independent, all alike).

    ``entities`` and ``cells`` number each row's entity and cell from 0, shape (rows,); ``upto``: in lying up to each cell.
    A cell that holds no row, or all, says nothing and counts as 0.
    """
    most = heaviest(np.unique(entities, return_inverse=True)[1])
    if most <= 1:
        return np.zeros(count)
    return np.clip((effects(entities, cells, count, upto) - 1) / (most - 1), 0.0, 1.0)


def effects(entities: np.ndarray, cells: np.ndarray, count: int, upto: bool = False) -> np.ndarray:
    """The design effect of each cell's share, shape (count,); arguments as `alike` takes them. A cell of no row or all has 1."""
    entities = np.unique(entities, return_inverse=True)[1]
    of = np.bincount(entities).astype(float)
    held = np.bincount(entities * count + cells, minlength=len(of) * count).reshape(len(of), count).astype(float)
    held = held.cumsum(axis=1) if upto else held
    rows, share = of.sum(), held.sum(axis=0) / of.sum()
    varies = (held**2).sum(axis=0) - 2 * share * (held * of[:, None]).sum(axis=0) + share**2 * (of**2).sum()
    independent = rows * share * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(independent > 0, varies / independent, 1.0)
