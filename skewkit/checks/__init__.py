"""Checks, cheapest first. Each takes a Case and a Policy's numbers, and yields Findings without a verdict."""

from .distribution import distribution
from .parity import parity
from .schema import schema

CHECKS = (schema, distribution, parity)
