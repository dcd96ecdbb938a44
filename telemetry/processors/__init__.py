"""What is done with each session, and by whom: the contract, the runner, one file per processor."""

from telemetry.processors.base import Processor
from telemetry.processors.usage import UsageProcessor
from telemetry.processors.verification import VerificationProcessor

PROCESSORS: tuple[Processor, ...] = (UsageProcessor(), VerificationProcessor())
"""Every processor, the most urgent first."""


def names() -> tuple[str, ...]:
    """The names of all processors, in the order in which they run."""
    return tuple(processor.name for processor in PROCESSORS)


def by_name(name: str) -> Processor:
    """The processor of this name; raises KeyError."""
    return {processor.name: processor for processor in PROCESSORS}[name]
