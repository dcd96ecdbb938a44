"""Telemetry's tables, by what they hold."""

from telemetry.models.ask import AskedQuestion, SavedQuestion
from telemetry.models.attribution import (
    AttributionAgent,
    AttributionCommand,
    AttributionMcpServer,
    AttributionPlugin,
    AttributionSkill,
)
from telemetry.models.imports import ImportedFile
from telemetry.models.operations import Heartbeat, Lease, PendingChange, ProcessorState, Watermark
from telemetry.models.privacy import PrivateLine, PrivateMark
from telemetry.models.rollups import (
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsageMarketplaceItemWindow,
    UsagePluginDaily,
    UsageSessionDaily,
    UsageSessionDriftDaily,
    UsageSessionHookDaily,
    UsageToolDaily,
    UsageUserDaily,
)
from telemetry.models.sessions import (
    DoomedBlob,
    IdentityKey,
    Session,
    SessionFile,
    SessionIdentity,
    SessionOverlap,
    Tombstone,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
)
from telemetry.models.usage import UsageEvent, UsageResponse, UsageSessionSummary
from telemetry.models.views import SavedView

__all__ = [
    "AskedQuestion",
    "AttributionAgent",
    "AttributionCommand",
    "AttributionMcpServer",
    "AttributionPlugin",
    "AttributionSkill",
    "DoomedBlob",
    "Heartbeat",
    "IdentityKey",
    "ImportedFile",
    "Lease",
    "PendingChange",
    "PrivateLine",
    "PrivateMark",
    "ProcessorState",
    "SavedQuestion",
    "SavedView",
    "Session",
    "SessionFile",
    "SessionIdentity",
    "SessionOverlap",
    "Tombstone",
    "TranscriptFile",
    "TranscriptRevision",
    "TranscriptSegment",
    "UsageEvent",
    "UsageFormatDrift",
    "UsageHookDaily",
    "UsageMarketplaceItemDaily",
    "UsageMarketplaceItemWindow",
    "UsagePluginDaily",
    "UsageResponse",
    "UsageSessionDaily",
    "UsageSessionDriftDaily",
    "UsageSessionHookDaily",
    "UsageSessionSummary",
    "UsageToolDaily",
    "UsageUserDaily",
    "Watermark",
]
