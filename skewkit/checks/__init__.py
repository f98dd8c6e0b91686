"""Checks, cheapest first. Each takes a Case and a Policy's numbers, and yields Findings without a verdict.

ABSENT say what a check could not measure for want of something given.
"""

from . import contract as _contract
from . import parity as _parity
from . import schema as _schema
from .distribution import distribution
from .freshness import absent as freshness_absent
from .freshness import freshness
from .leakage import absent as leakage_absent
from .leakage import leakage
from .lineage import absent as lineage_absent
from .lineage import lineage
from .parity import parity
from .schema import schema

CHECKS = (lineage, schema, freshness, distribution, parity, leakage)
ABSENT = (lineage_absent, _schema.absent, _contract.absent, freshness_absent, _parity.absent, leakage_absent)
