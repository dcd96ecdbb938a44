"""How a tool call ended, as its result tells it."""

from typing import Any

import msgspec

from telemetry.taxonomy import Outcome
from telemetry.transcripts import Block, Line, decode_value

_REJECTIONS = ("The user doesn't want to proceed", "The user doesn't want to take this action")
_INTERRUPTION = "[Request interrupted"

TELLING = (Outcome.OK, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.REJECTED)
"""Of results of one instant the most telling holds, which comes last here."""


def result_outcome(line: Line, block: Block) -> Outcome:
    """ok, failed, rejected (by the person) or interrupted; a permission rule's no is failed."""
    if line.toolDenialKind == "user-rejected":
        return Outcome.REJECTED
    if line.toolDenialKind == "interrupted":
        return Outcome.INTERRUPTED
    if not block.is_error:
        return Outcome.INTERRUPTED if _is_interrupted(line.toolUseResult) else Outcome.OK
    if line.toolDenialKind:
        return Outcome.FAILED
    said = bytes(line.toolUseResult)
    if said.startswith(b'"User rejected'):
        return Outcome.REJECTED
    text = _result_text(block.content).lstrip()
    if text.startswith(_REJECTIONS):
        return Outcome.REJECTED
    if text.startswith(_INTERRUPTION) or _is_interrupted(line.toolUseResult):
        return Outcome.INTERRUPTED
    return Outcome.FAILED


def _is_interrupted(result: msgspec.Raw) -> bool:
    view = bytes(result)
    if b'"interrupted"' not in view:
        return False
    value = decode_value(result)
    return isinstance(value, dict) and value.get("interrupted") is True


def _result_text(content: msgspec.Raw) -> str:
    """The text of a result: a string, or its first text block."""
    value: Any = decode_value(content)
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict)]
        value = next((text for text in texts if isinstance(text, str)), "")
    return value if isinstance(value, str) else ""
