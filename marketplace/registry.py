"""Curated marketplaces registered, changed and removed by admins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from shutil import rmtree
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from marketplace import served_changes
from marketplace.addresses import read_address
from marketplace.explosion import explode_marketplace
from marketplace.git_source import configured_rules, store_of
from marketplace.manifests.sources import REF
from marketplace.models import Item, Marketplace
from marketplace.names import slug_from
from marketplace.task_queue import enqueue_sync
from marketplace.tokens import LONGEST, seal
from telemetry.task_queue import enqueue_attribution

FIELDS: Final = ("url", "ref", "pinned_sha", "token_variable")


class MarketplaceInvalid(AgnesError):
    """A value that a marketplace cannot have; `details` name the field."""

    code: ClassVar[str] = "marketplace_invalid"
    status: ClassVar[int] = 422


class SlugTaken(AgnesError):
    code: ClassVar[str] = "marketplace_slug_taken"
    status: ClassVar[int] = 409


class UnknownMarketplace(AgnesError):
    code: ClassVar[str] = "unknown_marketplace"
    status: ClassVar[int] = 404


@dataclass(frozen=True)
class Registration:
    """What an admin says of a marketplace. `token` None leaves the one that is stored, empty
    removes it."""

    url: str
    slug: str = ""
    ref: str = ""
    pinned_sha: str = ""
    token: str | None = field(default=None, repr=False)
    token_variable: str = ""


def find_marketplace(slug: str) -> Marketplace:
    """The registered marketplace. Raises UnknownMarketplace."""
    found = Marketplace.objects.registered().filter(slug=slug).first()
    if found is None:
        known = ", ".join(Marketplace.objects.registered().values_list("slug", flat=True)[:20])
        raise UnknownMarketplace(
            f"There is no marketplace {slug!r}.",
            fix=f"Registered are: {known}." if known else "Register one first.",
        )
    return found


def check(registration: Registration) -> Registration:
    """The registration with its address, slug and commit in their one form.

    Raises AddressRefused, MarketplaceInvalid. Asks nobody, so a host may still turn out private.
    """
    url = read_address(registration.url, configured_rules()).url
    slug = registration.slug.strip() or slug_from(
        url.rstrip("/").rpartition("/")[2].split(".git")[0]
    )
    if registration.ref and not REF.fullmatch(registration.ref.strip()):
        raise _invalid("ref", "This is no name of a branch or tag.")
    if registration.ref and registration.pinned_sha:
        raise _invalid("pinned_sha", "Give either a branch or tag, or a commit.")
    token = registration.token
    if token and registration.token_variable:
        raise _invalid("token_variable", "Give either the token, or the variable that holds it.")
    if token and (len(token) > LONGEST or not token.isascii() or not token.isprintable()):
        raise _invalid("token", "The token is too long or holds characters that no token has.")
    return Registration(
        url,
        slug,
        registration.ref.strip(),
        registration.pinned_sha.strip().lower(),
        token if token is None else token.strip(),
        registration.token_variable.strip(),
    )


@transaction.atomic
def register_marketplace(
    registration: Registration,
    *,
    by: User,
    door: audit.Door,
    now: datetime,
    request: HttpRequest | None = None,
) -> Marketplace:
    """A new marketplace, or one that was removed again; the worker syncs it at once.

    Raises MarketplaceInvalid, AddressRefused, SlugTaken.
    """
    given = check(registration)
    row = Marketplace.objects.select_for_update().filter(slug=given.slug).first()
    if row is not None and row.removed_at is None:
        raise SlugTaken(
            f"There is a marketplace {given.slug!r} already.", fix="Choose another slug."
        )
    row = row or Marketplace(slug=given.slug, created_at=now)
    row.removed_at, row.fingerprint, row.state = None, "", Marketplace.State.NEW
    row.token_sealed = ""
    _apply(row, given)
    _record("marketplace.create", row, by, door, request, {"url": row.url})
    transaction.on_commit(lambda: enqueue_sync(row.slug, by=by))
    return row


@transaction.atomic
def change_marketplace(
    marketplace: Marketplace,
    registration: Registration,
    *,
    by: User,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> Marketplace:
    """The marketplace with another address, pin or token; its slug stays. A changed address or pin
    is read by a sync that the worker begins at once. Raises MarketplaceInvalid, AddressRefused."""
    row = Marketplace.objects.select_for_update().get(pk=marketplace.pk)
    given = check(Registration(**{**registration.__dict__, "slug": row.slug}))
    before = {name: getattr(row, name) for name in FIELDS}
    if given.token_variable or not same_host(row.url, given.url):
        # A stored token is for the host it was given for, not for whichever comes after.
        row.token_sealed = ""
    _apply(row, given)
    changed = {name: [old, getattr(row, name)] for name, old in before.items()}
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    if given.token is not None:
        changed["token"] = ["***", "***" if given.token else ""]
    if changed:
        _record("marketplace.change", row, by, door, request, {"changed": changed})
        transaction.on_commit(lambda: enqueue_sync(row.slug, by=by))
    return row


@transaction.atomic
def remove_marketplace(
    marketplace: Marketplace,
    *,
    by: User,
    door: audit.Door,
    now: datetime,
    request: HttpRequest | None = None,
) -> None:
    """Close everything that it offered. Figures and past events keep it, and its slug stays its
    own; registering the slug again brings it back."""
    row = Marketplace.objects.select_for_update().get(pk=marketplace.pk)
    row.removed_at, row.fingerprint, row.token_sealed, row.token_variable = now, "", "", ""
    row.save()
    row.plugins.live().update(removed_at=now)
    Item.objects.filter(plugin__marketplace=row, removed_at=None).update(removed_at=now)
    if explode_marketplace(row, now=now):
        transaction.on_commit(enqueue_attribution)
    served_changes.announce()
    _record("marketplace.remove", row, by, door, request, {"url": row.url})
    transaction.on_commit(lambda: rmtree(store_of(row.slug), ignore_errors=True))


def same_host(before: str, after: str) -> bool:
    """Whether two addresses lead to one host and port, so that a token for one suits the other."""
    rules = configured_rules()
    try:
        return read_address(before, rules).origin == read_address(after, rules).origin
    except AgnesError:
        return False


def _apply(row: Marketplace, given: Registration) -> None:
    for name in FIELDS:
        setattr(row, name, getattr(given, name))
    if given.token is not None:
        row.token_sealed = seal(given.token)
    try:
        row.full_clean()
    except ValidationError as error:
        name, texts = next(iter(error.message_dict.items()))
        raise _invalid(name, " ".join(texts)) from None
    row.save()


def _invalid(name: str, text: str) -> MarketplaceInvalid:
    return MarketplaceInvalid(
        f"The marketplace's {name} cannot be used.", fix=text, details={"field": name}
    )


def _record(
    action: str,
    row: Marketplace,
    by: User,
    door: audit.Door,
    request: HttpRequest | None,
    details: Mapping[str, Any],
) -> None:
    audit.record(
        action=action,
        door=door,
        actor=by,
        resource_type="marketplace",
        resource_id=row.slug,
        details=dict(details),
        request=request,
    )
