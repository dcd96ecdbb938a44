"""Which names sample rows may show: those that are public or registered, never somebody's.

Names stand in transcripts as people chose them, so a filter of people's names alone is not enough:
what nobody registered is left out, and what is registered is masked all the same.
"""

import re
import unicodedata

from accounts.models import User
from telemetry.builtin_names import AGENTS, COMMANDS, MCP_SERVERS, SKILLS, TOOLS
from telemetry.models import (
    AttributionAgent,
    AttributionCommand,
    AttributionMcpServer,
    AttributionPlugin,
    AttributionSkill,
)

PUBLIC = frozenset(
    {*TOOLS, *AGENTS, *COMMANDS, *SKILLS, *MCP_SERVERS}
    | {"PreToolUse", "PostToolUse", "UserPromptSubmit", "SessionStart", "SessionEnd"}
    | {"Stop", "SubagentStop", "PreCompact", "Notification"}
    | {"success", "blocking_error", "non_blocking_error", "cancelled", "summarised", "started"}
    | {"last_7d", "last_30d"}
)
"""Names of Claude Code's own, of its hooks' events and results, and of our periods."""
PUBLIC_FORMS = re.compile(r"claude(-(opus|sonnet|haiku|\d+))+|\d+(\.\d+)*")
"""Names of models, and versions: words of a closed list and digits."""
REGISTRIES = (
    (AttributionPlugin, ("marketplace_name", "plugin_name", "version")),
    (AttributionSkill, ("skill_name",)),
    (AttributionAgent, ("agent_name",)),
    (AttributionCommand, ("command_name",)),
    (AttributionMcpServer, ("server_name",)),
)
SHORTEST_NAME = 3
"""Parts of people's names below this length are left: they would mask half of all words."""
SHORTEST_INSIDE = 5
"""From this length on a name is masked also inside a longer word."""
MASK = "someone"
WORD = re.compile(r"[^\W_]+")
PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_WITHOUT_MARK = str.maketrans("łŁøØđĐıħĦ", "lLoOdDihH") | {ord("ß"): "ss"}


def registered_names() -> frozenset[str]:
    """Whatever the marketplaces' tables of names hold: items, plugins, marketplaces, versions."""
    return frozenset(
        value
        for model, columns in REGISTRIES
        for row in model._default_manager.values_list("ref_id", "marketplace", "plugin", *columns)
        for value in row
        if value
    )


def is_public(value: str) -> bool:
    return value in PUBLIC or PUBLIC_FORMS.fullmatch(value) is not None


def parts_of_names() -> frozenset[str]:
    """The words of all people's names, usernames and e-mail addresses, folded."""
    people = User.objects.values_list("username", "name", "email")
    words = (
        _folded(word)
        for username, name, email in people
        for word in WORD.findall(_composed(f"{username} {name} {email.partition('@')[0]}"))
    )
    return frozenset(
        part
        for word in words
        for part in (word, word.strip("0123456789"))
        if len(part) >= SHORTEST_NAME
    )


def masked(line: str, names: frozenset[str]) -> str:
    """The text with each word replaced that is, holds or is made of one of `names`."""
    long = tuple(name for name in names if len(name) >= SHORTEST_INSIDE)
    return WORD.sub(lambda m: MASK if _names(m[0], names, long) else m[0], _composed(line))


def _names(word: str, names: frozenset[str], long: tuple[str, ...]) -> bool:
    whole = _folded(word)
    pieces = {piece.casefold() for piece in PIECE.findall(_unmarked(word))}
    return (
        whole in names
        or not pieces.isdisjoint(names)
        or any(name in whole for name in long)
        or _is_chain(whole.strip("0123456789"), names)
    )


def _is_chain(word: str, names: frozenset[str]) -> bool:
    """Whether the word is several names written together."""
    ends = {0}
    for end in range(SHORTEST_NAME, len(word) + 1):
        if any(word[start:end] in names for start in ends):
            ends.add(end)
    return bool(word) and len(word) in ends


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _unmarked(word: str) -> str:
    """The word without diacritics, letter case kept."""
    apart = unicodedata.normalize("NFKD", word.translate(_WITHOUT_MARK))
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def _folded(word: str) -> str:
    return _unmarked(word).casefold()
