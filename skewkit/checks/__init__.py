"""Checks, cheapest first. Each takes a Case and a Policy's numbers, and yields Findings without a verdict."""

from . import contract as _contract
from . import distribution as _distribution
from . import parity as _parity
from .distribution import distribution
from .parity import parity
from .schema import schema

CHECKS = (schema, distribution, parity)
ABSENT = (
    _contract.absent,
    _distribution.absent,
    _parity.absent,
)  # what of them could not run on a case, and what to give
