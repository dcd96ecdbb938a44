"""What figures are narrowed down to, as an address carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

from telemetry.stats.windows import SummaryRefused
from telemetry.taxonomy import Source

LONGEST_VALUE = 1000


@dataclass(frozen=True)
class Filters:
    """Empty ones filter nothing.

    `person` is a username, `plugin` a ref_id, `item` the name of a skill, agent, command or MCP
    server. `model` and `project` are a session's: the model most of its answers came from, and the
    folder it ran in.
    """

    person: str = ""
    source: str = ""
    marketplace: str = ""
    plugin: str = ""
    tool: str = ""
    item: str = ""
    model: str = ""
    project: str = ""

    @classmethod
    def parse(cls, words: Mapping[str, str]) -> Self:
        """The filters among `words`; raises SummaryRefused for a value that can never match."""
        values = {name: words.get(name, "").strip() for name in cls.names()}
        source = values["source"]
        if source and source not in set(Source):
            known = ", ".join(Source)
            raise SummaryRefused(f"source={source!r} is not known.", fix=f"Use one of {known}.")
        for name, value in values.items():
            if len(value) > LONGEST_VALUE or "\x00" in value:
                raise SummaryRefused(f"{name} is no name.", fix="Choose one that is listed.")
        return cls(**values)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @property
    def chosen(self) -> dict[str, str]:
        """Those that are set."""
        return {name: value for name in self.names() if (value := getattr(self, name))}

    @property
    def of_events(self) -> dict[str, str]:
        """Those that choose events; figures of sessions are then of sessions with such an event."""
        kinds = ("source", "marketplace", "plugin", "tool", "item")
        return {name: value for name, value in self.chosen.items() if name in kinds}

    @property
    def of_sessions(self) -> dict[str, str]:
        return {name: v for name, v in self.chosen.items() if name in ("model", "project")}

    def without(self, name: str) -> Self:
        return replace(self, **{name: ""})
