"""How the inputs of the corpus end, kind by kind, as a table: `python -m tests.bench.ok`"""

from __future__ import annotations

from ..corpus import corpus


def main() -> int:
    """Print the table; the number of inputs that end wrongly."""
    kinds: dict[str, list[tuple[str, bool, str]]] = {}
    for entry in corpus():
        end = entry.ends()
        kinds.setdefault(entry.kind, []).append((entry.name, entry.right(end), end))
    print("| kind | inputs | as they must |\n|---|---|---|")
    for kind, found in kinds.items():
        print(f"| {kind} | {len(found)} | {sum(right for _, right, _ in found)} |")
    wrong = [(kind, name, end) for kind, found in kinds.items() for name, right, end in found if not right]
    print(f"| all | {sum(map(len, kinds.values()))} | {sum(map(len, kinds.values())) - len(wrong)} |")
    for kind, name, end in wrong:
        print(f"\nwrong: {kind}: {name}: {end}")
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
