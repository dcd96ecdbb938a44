"""Where to go, by task: the one list behind the sidebar of our own pages and of the Django admin.

An entry is shown as soon as the page it names is there, and to whom it is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from accounts.permissions import is_admin


@dataclass(frozen=True)
class Entry:
    """`page` is the name of a URL; `more` are pages of the same task that are needed less often.

    `icon` is the name of one in static/vendor/lucide-static-*/icons.svg. `address` and `is_here`
    are filled for one request.
    """

    title: str
    page: str
    icon: str = ""
    more: tuple["Entry", ...] = ()
    address: str = ""
    is_here: bool = False

    @property
    def is_open(self) -> bool:
        return self.is_here or any(entry.is_here for entry in self.more)


@dataclass(frozen=True)
class Group:
    title: str
    entries: tuple[Entry, ...]
    for_admins: bool = False


def _list(title: str, model: str, app: str = "telemetry") -> Entry:
    return Entry(title, f"admin:{app}_{model}_changelist")


GROUPS = (
    Group(
        "",
        (
            Entry("Start", "home", "house"),
            Entry("Marketplace", "marketplace", "store"),
            Entry("Publish", "publish", "upload"),
            Entry("My usage", "me", "activity"),
            Entry("What is sent", "what_leaves", "lock"),
        ),
    ),
    Group(
        "Organisation",
        (
            Entry("Overview", "overview", "gauge"),
            Entry("People", "admin:accounts_user_changelist", "users"),
            Entry(
                "Sessions",
                "admin:telemetry_session_changelist",
                "terminal",
                more=(
                    Entry("Search", "session_search"),
                    _list("Summaries", "usagesessionsummary"),
                    _list("Events", "usageevent"),
                    _list("Responses", "usageresponse"),
                    _list("Transcript files", "transcriptfile"),
                ),
            ),
            Entry(
                "Marketplaces",
                "marketplaces",
                "package",
                more=(
                    Entry("Review", "review"),
                    _list("Curated marketplaces", "marketplace", "marketplace"),
                    Entry("Gaps", "marketplace_gaps"),
                    _list("Flea market", "fleaitem", "marketplace"),
                    _list("Flea versions", "fleaversion", "marketplace"),
                    _list("Items of 7 and 30 days", "usagemarketplaceitemwindow"),
                    _list("Plugins known", "attributionplugin"),
                    _list("Skills known", "attributionskill"),
                    _list("Agents known", "attributionagent"),
                    _list("Commands known", "attributioncommand"),
                    _list("MCP servers known", "attributionmcpserver"),
                ),
            ),
            Entry(
                "Ask",
                "ask",
                "message-circle-question-mark",
                more=(
                    _list("Asked questions", "askedquestion"),
                    _list("Saved questions", "savedquestion"),
                ),
            ),
        ),
        for_admins=True,
    ),
    Group(
        "System",
        (
            Entry(
                "Operations",
                "operations",
                "server",
                more=(
                    _list("Processors", "processorstate"),
                    _list("Schedules", "schedule", "django_q"),
                    _list("Failed jobs", "failure", "django_q"),
                    _list("Queued jobs", "ormq", "django_q"),
                    _list("Format drift", "usageformatdrift"),
                    _list("Heartbeats", "heartbeat"),
                    _list("Erased", "tombstone"),
                    _list("Private sessions", "privatemark"),
                    Entry("All tables", "admin:index"),
                ),
            ),
            Entry(
                "Audit",
                "audit",
                "scroll-text",
                more=(
                    _list("Audit events", "auditevent", "accounts"),
                    _list("Access tokens", "apitoken", "accounts"),
                ),
            ),
            Entry("API", "api:openapi-view", "code"),
        ),
        for_admins=True,
    ),
)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `navigation` is a list of groups; `environment` names the instance."""
    return {
        "navigation": SimpleLazyObject(lambda: groups_for(request)),
        "environment_name": settings.AGNES_ENVIRONMENT,
    }


def groups_for(request: HttpRequest) -> list[Group]:
    """What the signed-in person may go to, each with its address; nothing for a stranger."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    groups = [group for group in GROUPS if is_admin(user) or not group.for_admins]
    found = [replace(group, entries=tuple(_reachable(group.entries))) for group in groups]
    here = _here(request.path, found)
    return [
        replace(group, entries=tuple(_marked(entry, here) for entry in group.entries))
        for group in found
        if group.entries
    ]


def _reachable(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    """Those with a page, or with more pages below; such a group leads to its first one."""
    for entry in entries:
        more = tuple(_reachable(entry.more))
        address = _address(entry.page)
        if not address and more:
            address, more = more[0].address, more
        if address:
            yield replace(entry, address=address, more=more)


def _address(page: str) -> str:
    try:
        return reverse(page)
    except NoReverseMatch:
        return ""


def _here(path: str, groups: list[Group]) -> str:
    """The longest address that the path is at or below."""
    addresses = [
        entry.address
        for group in groups
        for top in group.entries
        for entry in (*top.more, top)
        if path == entry.address
        or (len(entry.address) > 1 and path.startswith(entry.address.rstrip("/") + "/"))
    ]
    return max(addresses, key=len, default="")


def _marked(entry: Entry, here: str) -> Entry:
    more = tuple(replace(other, is_here=other.address == here) for other in entry.more)
    below = any(other.is_here for other in more)
    return replace(entry, more=more, is_here=entry.address == here and not below)
