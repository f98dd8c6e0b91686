"""`skewkit contract`: infer one from training, review it, test a table against it."""

from __future__ import annotations

from pathlib import Path

from ..records import SkewkitError

CODES = "exit codes of test: 0 every promise is kept, 4 one is broken, 2 a file cannot be read"


def arguments(parser) -> None:
    """What the command takes."""
    parser.epilog = CODES
    verbs = parser.add_subparsers(dest="verb", required=True)
    infer = verbs.add_parser("infer", help="write the contract that a training table fulfils, for you to edit")
    infer.add_argument(
        "training", help="a path, folder or glob of Parquet, CSV or Arrow files, or another location of the README"
    )
    infer.add_argument("-o", "--out", default="contract.yaml", type=Path)
    infer.add_argument("--key", help="the column that names each request; it is unique")
    infer.add_argument("--features", default="", help="columns, like a,b; every column when not given")
    review = verbs.add_parser("review", help="say that you have read a contract, and agree")
    review.add_argument("contract", type=Path)
    review.add_argument("--by", required=True, metavar="NAME", help="who answers for it")
    test = verbs.add_parser("test", help="test a table against a contract", epilog=CODES)
    test.add_argument(
        "table", help="a path, folder or glob of Parquet, CSV or Arrow files, or another location of the README"
    )
    test.add_argument("contract", type=Path)


def command(asked) -> int:
    """Do what was asked; gives the exit code."""
    return {"infer": _infer, "review": _review, "test": _test}[asked.verb](asked)


def _infer(asked):
    from ..contracts.contract import infer, write_contract
    from ..load.locations import open_table

    if asked.out.exists():
        raise SkewkitError(f"contract: {asked.out} is there already; name another file with -o, and compare the two")
    features = [f.strip() for f in asked.features.split(",") if f.strip()]
    made = infer(open_table("training", asked.training), features, asked.key)
    write_contract(made, asked.out)
    print(
        f"{asked.out}: {len(made.columns)} columns as training has them. Edit it, then: skewkit contract review {asked.out} --by NAME"
    )
    return 0


def _review(asked):
    from ..contracts.contract import review_contract

    if not asked.by.strip():
        raise SkewkitError("contract: --by is empty; give the name of who answers for it")
    contract = review_contract(asked.contract, asked.by.strip())
    who = f"reviewed by {contract.review.by} on {contract.review.day}"
    print(f"{asked.contract}: version {contract.version}, {who}, sha256 {contract.sha256[:12]}")
    return 0


def _test(asked):
    from ..contracts.contract import read_contract
    from ..testing import broken

    contract = read_contract(asked.contract)
    found = broken(asked.table, contract)
    print("\n".join(found) or f"{asked.table} keeps every promise of {asked.contract}, version {contract.version}")
    if not contract.reviewed:
        print(
            f"note: nobody has reviewed {asked.contract} as it stands: skewkit contract review {asked.contract} --by NAME"
        )
    return 4 if found else 0
