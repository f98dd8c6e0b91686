"""Every input of the corpus ends as it must."""

import pytest

from .corpus import corpus

ENTRIES = list(corpus())


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_input_of_the_corpus_ends_as_it_must(entry):
    """What it once was: ok over a difference, an alarm over none, or an error that helped nobody."""
    end = entry.ends()
    assert entry.right(end), end


def test_each_entry_has_a_name_of_its_own():
    """So that a table counts each once."""
    assert len({str(e) for e in ENTRIES}) == len(ENTRIES) > 200
