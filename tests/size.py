"""Code lines of the package by file, without blanks, comments and docstrings: python -m tests.size"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "skewkit"
SKIP = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def code_lines(path: Path) -> int:
    """Lines of a file that hold code."""
    text = path.read_text("utf-8")
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in SKIP
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def sizes() -> dict[str, int]:
    return {p.relative_to(PACKAGE.parent).as_posix(): code_lines(p) for p in sorted(PACKAGE.rglob("*.py"))}


if __name__ == "__main__":
    found = sizes()
    print("\n".join(f"{n:>6}  {name}" for name, n in found.items()), f"\n{sum(found.values()):>6}  in all")
