"""Sessions and their files, with everything that hangs on them in reach."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyInline
from telemetry.admin.base import (
    TelemetryAdmin,
    list_links,
    person_link,
    row_link,
    session_link,
    size,
)
from telemetry.models import (
    ProcessorState,
    Session,
    SessionFile,
    SessionOverlap,
    TranscriptFile,
    TranscriptRevision,
    UsageEvent,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionSummary,
)

ERASE_NOTE = (
    "Sessions are not deleted here: events, figures, files, the mirror and the copies that other "
    "sessions hold all hang on them. The command manage.py usage_erase takes care of all of it."
)


class FilesOfSession(ReadOnlyInline):
    model = SessionFile
    verbose_name_plural = "transcript files"
    fields = readonly_fields = ("name", "kind", "bytes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("file").order_by("file__name")

    @admin.display(description="file")
    def name(self, link: SessionFile) -> SafeString | str:
        return row_link(link.file, link.file.name)

    def kind(self, link: SessionFile) -> str:
        return link.file.get_kind_display()

    @admin.display(description="size")
    def bytes(self, link: SessionFile) -> str:
        return size(link.file.size)


class StatesOfSession(ReadOnlyInline):
    model = ProcessorState
    verbose_name_plural = "processors"
    fields = ("name", "status", "attempts", "due_at", "processed_at", "version", "error")
    readonly_fields = ("name",)

    @admin.display(description="processor")
    def name(self, state: ProcessorState) -> SafeString | str:
        return row_link(state, state.processor)


class OverlapsOfSession(ReadOnlyInline):
    model = SessionOverlap
    fk_name = "session"
    verbose_name_plural = "brought first by other sessions"
    fields = readonly_fields = ("other", "shared")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("holder")

    @admin.display(description="session")
    def other(self, overlap: SessionOverlap) -> SafeString | str:
        return row_link(overlap.holder, overlap.holder.session_file)


@admin.register(Session)
class SessionAdmin(TelemetryAdmin):
    note = ERASE_NOTE
    list_display = (
        "short_name",
        "title",
        "person",
        "folder",
        "started",
        "prompts",
        "tool_calls",
        "cost",
        "uploaded_at",
    )
    list_filter = (
        "uploaded_at",
        ("forked_from", admin.EmptyFieldListFilter),
        ("transcript_dropped_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("user", "summary")
    search_fields = ("=session_id", "=session_file", "title", "project", "user__username")
    search_help_text = "A session id in full, or a part of title, project or username."
    ordering = ("-uploaded_at",)
    sortable_by = ("uploaded_at",)
    inlines = (FilesOfSession, StatesOfSession, OverlapsOfSession)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("session_id", "title", "user", "related"), "description": ERASE_NOTE}),
        ("Where", {"fields": ("project", "git_branch", "versions")}),
        ("Lineage", {"fields": ("forked_from", "resumed_from", "agent_ids")}),
        ("Content", {"fields": ("session_file", "bytes", "content_hash")}),
        ("Times", {"fields": ("created_at", "uploaded_at", "transcript_dropped_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("related", "bytes")

    @admin.display(description="session")
    def short_name(self, session: Session) -> str:
        return session.session_id[:8]

    @admin.display(description="person")
    def person(self, session: Session) -> SafeString | str:
        return person_link(session.user_id, session.user.username)

    @admin.display(description="project")
    def folder(self, session: Session) -> str:
        return session.project.rstrip("/\\").replace("\\", "/").rpartition("/")[2]

    @admin.display(description="started")
    def started(self, session: Session) -> datetime | None:
        summary = _summary(session)
        return summary.started_at if summary else None

    @admin.display(description="prompts")
    def prompts(self, session: Session) -> int | None:
        summary = _summary(session)
        return summary.prompts if summary else None

    @admin.display(description="tool calls")
    def tool_calls(self, session: Session) -> int | None:
        summary = _summary(session)
        return summary.tool_calls if summary else None

    @admin.display(description="cost")
    def cost(self, session: Session) -> str:
        summary = _summary(session)
        return (
            "unknown" if summary is None or summary.cost_usd is None else f"${summary.cost_usd:.2f}"
        )

    @admin.display(description="size")
    def bytes(self, session: Session) -> str:
        return size(session.size)

    @admin.display(description="look at")
    def related(self, session: Session) -> SafeString:
        """Lists of what was derived from this session."""
        own = f"session_row__id__exact={session.pk}"
        return list_links(
            (
                (UsageSessionSummary, f"session_row__id__exact={session.pk}", "summary"),
                (
                    UsageEvent,
                    own,
                    f"{UsageEvent.objects.filter(session_row=session).count()} events",
                ),
                (
                    UsageResponse,
                    own,
                    f"{UsageResponse.objects.filter(session_row=session).count()} responses",
                ),
                (UsageSessionDaily, own, "figures by day"),
                (ProcessorState, f"session__id__exact={session.pk}", "processor states"),
            )
        )


def _summary(session: Session) -> UsageSessionSummary | None:
    return getattr(session, "summary", None)


class RevisionsOfFile(ReadOnlyInline):
    model = TranscriptRevision
    fields = ("name", "size", "sha256", "dropped_at")
    readonly_fields = ("name",)

    @admin.display(description="revision")
    def name(self, revision: TranscriptRevision) -> SafeString | str:
        return row_link(revision, f"revision {revision.number}")


class SessionsOfFile(ReadOnlyInline):
    model = SessionFile
    verbose_name_plural = "sessions"
    fields = readonly_fields = ("held",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("session")

    @admin.display(description="session")
    def held(self, link: SessionFile) -> SafeString | str:
        return row_link(link.session, link.session.session_file)


@admin.register(TranscriptFile)
class TranscriptFileAdmin(TelemetryAdmin):
    note = ERASE_NOTE
    list_display = (
        "name",
        "person",
        "kind",
        "bytes",
        "stored",
        "number_of_revisions",
        "uploaded_at",
    )
    list_filter = ("kind", "uploaded_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    search_help_text = "A part of the name, or a username."
    sortable_by = ()
    ordering = ("-pk",)
    inlines = (SessionsOfFile, RevisionsOfFile)
    exclude = ("size", "stored_size")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("revisions")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("bytes", "stored")

    @admin.display(description="person")
    def person(self, file: TranscriptFile) -> SafeString | str:
        return person_link(file.user_id, file.user.username)

    @admin.display(description="size")
    def bytes(self, file: TranscriptFile) -> str:
        return size(file.size)

    @admin.display(description="stored as")
    def stored(self, file: TranscriptFile) -> str:
        return size(file.stored_size)

    @admin.display(description="revisions")
    def number_of_revisions(self, file: TranscriptFile) -> int:
        return len(file.revisions.all())


@admin.register(SessionFile)
class SessionFileAdmin(TelemetryAdmin):
    list_display = ("of_session", "of_file")
    list_select_related = ("session", "file")
    search_fields = ("=session__session_id", "=file__name")
    ordering = ("-pk",)

    @admin.display(description="session")
    def of_session(self, link: SessionFile) -> SafeString | str:
        return session_link(link.session_id, link.session.session_id)

    @admin.display(description="file")
    def of_file(self, link: SessionFile) -> SafeString | str:
        return row_link(link.file, link.file.name)
