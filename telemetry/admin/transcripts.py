"""Where transcript bytes lie, and which identities sessions carry: for looking into trouble."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyInline
from accounts.models import User
from telemetry.admin import actions
from telemetry.admin.base import (
    TelemetryAdmin,
    person_link,
    row_link,
    session_link,
    size,
)
from telemetry.identity import KINDS, identity_key
from telemetry.models import (
    DoomedBlob,
    IdentityKey,
    ImportedFile,
    SessionIdentity,
    SessionOverlap,
    Tombstone,
    TranscriptRevision,
    TranscriptSegment,
)

KEY_BYTES = 8


class SegmentsOfRevision(ReadOnlyInline):
    model = TranscriptSegment
    fields = ("number", "offset", "size", "stored_size", "blob")


@admin.register(TranscriptRevision)
class TranscriptRevisionAdmin(TelemetryAdmin):
    list_display = ("number", "of_file", "bytes", "dropped_at")
    list_filter = (("dropped_at", admin.EmptyFieldListFilter),)
    list_select_related = ("file",)
    search_fields = ("=file__name", "=sha256")
    search_help_text = "A file's name or a SHA-256, in full."
    ordering = ("-pk",)
    inlines = (SegmentsOfRevision,)

    @admin.display(description="file")
    def of_file(self, revision: TranscriptRevision) -> SafeString | str:
        return row_link(revision.file, revision.file.name)

    @admin.display(description="size")
    def bytes(self, revision: TranscriptRevision) -> str:
        return size(revision.size)


@admin.register(TranscriptSegment)
class TranscriptSegmentAdmin(TelemetryAdmin):
    list_display = ("blob", "of_file", "number", "offset", "bytes", "stored")
    list_select_related = ("revision__file",)
    search_fields = ("=blob", "=revision__file__name")
    search_help_text = "A stored object's or a file's name, in full."
    ordering = ("-pk",)

    @admin.display(description="file")
    def of_file(self, segment: TranscriptSegment) -> SafeString | str:
        return row_link(segment.revision.file, segment.revision.file.name)

    @admin.display(description="size")
    def bytes(self, segment: TranscriptSegment) -> str:
        return size(segment.size)

    @admin.display(description="stored as")
    def stored(self, segment: TranscriptSegment) -> str:
        return size(segment.stored_size)


@admin.register(IdentityKey)
class IdentityKeyAdmin(TelemetryAdmin):
    note = "Which session brought a line, a response or a tool call first."
    list_display = ("key", "session")
    search_fields = ("key",)
    search_help_text = "A line's uuid, a message id or a tool_use id, as the transcript has it."
    ordering = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        keys = [identity_key(kind, term) for kind in sorted(KINDS)]
        return queryset.filter(pk__in=keys), False

    @admin.display(description="session")
    def session(self, row: IdentityKey) -> SafeString | str:
        return session_link(row.session_pk, str(row.session_pk))


@admin.register(SessionIdentity)
class SessionIdentityAdmin(TelemetryAdmin):
    list_display = ("of_session", "carried", "own")
    list_select_related = ("session",)
    search_fields = ("=session__session_id",)
    search_help_text = "A session id in full."
    ordering = ("-pk",)
    fields = ("session", "carried", "own")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer("keys", "owned")
        counted: QuerySet[Any] = rows.annotate(
            carried_keys=Length("keys") / KEY_BYTES, own_keys=Length("owned") / KEY_BYTES
        )
        return counted

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("carried", "own")

    @admin.display(description="session")
    def of_session(self, row: SessionIdentity) -> SafeString | str:
        return session_link(row.session_id, row.session.session_id)

    @admin.display(description="identities")
    def carried(self, row: Any) -> int:
        return int(row.carried_keys)

    @admin.display(description="of them its own")
    def own(self, row: Any) -> str:
        return "all" if row.own_keys is None else str(row.own_keys)


@admin.register(SessionOverlap)
class SessionOverlapAdmin(TelemetryAdmin):
    list_display = ("shared", "copy", "first")
    list_select_related = ("session", "holder")
    search_fields = ("=session__session_id", "=holder__session_id")
    search_help_text = "A session id in full."
    ordering = ("-pk",)

    @admin.display(description="session")
    def copy(self, overlap: SessionOverlap) -> SafeString | str:
        return session_link(overlap.session_id, overlap.session.session_id)

    @admin.display(description="brought first by")
    def first(self, overlap: SessionOverlap) -> SafeString | str:
        return session_link(overlap.holder_id, overlap.holder.session_id)


@admin.register(Tombstone)
class TombstoneAdmin(TelemetryAdmin):
    when_empty = "Nothing was erased."
    note = (
        "What was erased is not taken again while its tombstone stands. A tombstone is a hash, so "
        "it names nobody."
    )
    list_display = ("short_digest", "kind", "created_at", "lifted_at")
    list_filter = ("kind", ("lifted_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("digest",)
    ordering = ("-created_at", "-pk")
    actions = ("lift",)

    @admin.display(description="digest")
    def short_digest(self, tombstone: Tombstone) -> str:
        return tombstone.digest[:12]

    @admin.action(description="Lift the selected tombstones: uploads are taken again")
    def lift(self, request: HttpRequest, queryset: QuerySet[Tombstone]) -> None:
        by = cast("User", request.user)
        # The list may be filtered by what is about to change.
        selected = queryset.count()
        lifted = actions.lift_tombstones(queryset, by=by, now=timezone.now(), request=request)
        self.message_user(request, f"Lifted {lifted} of {selected}.", messages.SUCCESS)


@admin.register(DoomedBlob)
class DoomedBlobAdmin(TelemetryAdmin):
    when_empty = "Nothing waits to be deleted."
    note = "Stored objects whose rows are gone; they are deleted soon, and tried until they are."
    list_display = ("blob", "created_at")
    search_fields = ("=blob",)
    ordering = ("-pk",)


@admin.register(ImportedFile)
class ImportedFileAdmin(TelemetryAdmin):
    when_empty = "Nothing was imported from disk; manage.py usage_import FOLDER does it."
    note = "Files as an import read them last; without its row a file is only read once more."
    list_display = ("path", "person", "bytes", "verdict", "seen_at")
    list_select_related = ("user",)
    list_filter = ("seen_at",)
    search_fields = ("path", "user__username")
    ordering = ("-pk",)

    @admin.display(description="person")
    def person(self, row: ImportedFile) -> SafeString | str:
        return person_link(row.user_id, row.user.username)

    @admin.display(description="size")
    def bytes(self, row: ImportedFile) -> str:
        return size(row.size)
