"""What a user line is: a prompt that a person typed, a slash command, or neither."""

from telemetry.transcripts import Block, Line, decode_value

_COMMAND_NAME, _COMMAND_END = "<command-name>", "</command-name>"
_MACHINE_MADE = (
    "<local-command-",
    "<command-",
    "<bash-",
    "<task-notification",
    "[Request interrupted",
)
_TYPED_SOURCES = frozenset({"typed", "queued", "suggestion_accepted"})


def typed_command(line: Line, text: str | None) -> str | None:
    """The name of the slash command a user line holds, without the slash; None for any other line.

    The two tags come in either order, arguments may be missing, old versions write no slash.
    """
    if text is None or line.isMeta or not text.startswith("<command-", _start_of(text)):
        return None
    start = text.find(_COMMAND_NAME)
    end = text.find(_COMMAND_END, start)
    if start < 0 or end < 0:
        return None
    return text[start + len(_COMMAND_NAME) : end].strip().removeprefix("/").strip() or None


def is_prompt(line: Line, text: str | None, blocks: list[Block]) -> bool:
    """Whether a person typed this user line as a prompt.

    `origin.kind` and `promptSource` decide where they exist. Sidechain lines, tool results and what
    Claude Code makes itself never count; a typed slash command is an event of its own.
    """
    if line.isMeta or line.isCompactSummary or line.isSidechain:
        return False
    if any(block.type == "tool_result" for block in blocks):
        return False
    if typed_command(line, text):
        return False
    kind = line.origin.kind if line.origin else None
    if kind or line.promptSource:
        return kind in (None, "human") and line.promptSource in (None, *_TYPED_SOURCES)
    if text is None or text.isspace() or not text:
        return any(block.type in ("image", "document") for block in blocks)
    return not text.startswith(_MACHINE_MADE, _start_of(text))


def is_person_typed(line: Line) -> bool:
    """Whether the line itself says that a person typed it."""
    kind = line.origin.kind if line.origin else None
    return kind == "human" or line.promptSource in _TYPED_SOURCES


def first_text(blocks: list[Block]) -> str | None:
    """The text of the first text block, if any."""
    for block in blocks:
        if block.type == "text":
            text = decode_value(block.text)
            if isinstance(text, str):
                return text
    return None


def _start_of(text: str) -> int:
    return len(text) - len(text.lstrip()) if text[:1].isspace() else 0
