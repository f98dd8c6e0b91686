"""A benchmark of diagnosis that any tool can be run on: cases as files, their truth, and a scorer of answers.

`python -m tests.bench.diagnosis make OUT` writes `OUT/tables`, `OUT/cases` and `OUT/truth`; `cases.load` reads a case;
an answer is one JSON a case and regime; `python -m tests.bench.diagnosis score OUT ANSWERS` compares. See `cases` for
the files, `score` for an answer's form and what counts as right.
"""
