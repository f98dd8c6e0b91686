"""What is remembered, how often it is made, and what is forgotten."""

import numpy as np

from skewkit.memory import Memory


def made(memory, marks):
    """The marks whose results had to be made, each of 8 bytes."""
    new = []
    for mark in marks:
        memory.get(mark, lambda mark=mark: new.append(mark) or np.zeros(1))
    return new


def test_a_result_is_made_once():
    """Asked for again, it is the one that was made."""
    memory = Memory()
    assert made(memory, "abab") == ["a", "b"] and len(memory) == 2
    assert memory.get("a", None) is memory.get("a", None)


def test_what_was_asked_for_longest_ago_is_forgotten():
    """With room for two, the third sends away the one not asked for since; and the bytes held stay within the bound."""
    memory = Memory(most=16)
    assert made(memory, "abac") == ["a", "b", "c"]
    assert made(memory, "ac") == [] and made(memory, "b") == ["b"]
    assert (len(memory), memory.held) == (2, 16)


def test_a_result_beyond_the_bound_is_kept_until_the_next():
    """What is asked for again and again is not made anew for being large."""
    memory = Memory(most=4)
    assert made(memory, "aa") == ["a"]
    assert made(memory, "ba") == ["b", "a"] and len(memory) == 1
