"""Who may do what with an item in which state, and what it is then."""

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from accounts.permissions import AdminOnly
from marketplace.models import FleaItem, FleaState
from marketplace.store_errors import NotYours, ReasonMissing, UnknownAction, WrongState
from marketplace.store_reads import Filter, list_items
from marketplace.store_states import ACTIONS
from telemetry.models import AttributionSkill
from telemetry.resolver import Resolver
from telemetry.taxonomy import ItemKind
from tests.marketplace.market import NOW, act, put, renew
from tests.marketplace.uploads import skill_zip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


@pytest.fixture
def reviewed(settings: Settings) -> None:
    settings.AGNES_FLEA_REVIEW = "admin"


def open_names() -> list[str]:
    names = AttributionSkill.objects.filter(valid_to=None)
    return list(names.values_list("skill_name", flat=True))


@pytest.mark.parametrize("action", ["approve", "reject", "remove"])
def test_only_admins_judge(ada: User, bob: User, action: str) -> None:
    item = put(ada).item

    with pytest.raises(AdminOnly):
        act(item, action, bob, "because")
    assert FleaItem.objects.get().is_live


@pytest.mark.parametrize("action", ["submit", "withdraw"])
def test_only_owners_submit_and_withdraw(ada: User, root: User, action: str) -> None:
    with pytest.raises(NotYours):
        act(put(ada).item, action, root)


@pytest.mark.parametrize("action", ["reject", "remove"])
def test_an_admin_says_why(ada: User, root: User, action: str) -> None:
    item = put(ada).item
    with pytest.raises(ReasonMissing):
        act(item, action, root, "  ")

    item = act(item, action, root, "It asks for a password.")

    assert (item.state_reason, item.state_by_name, item.state_at) == (
        "It asks for a password.",
        "root",
        NOW,
    )


def test_removal_takes_the_name_and_restoring_brings_it_back(ada: User, root: User) -> None:
    item = put(ada).item
    item = act(item, "remove", root, "for now")
    assert (item.state, open_names()) == (FleaState.REMOVED, [])
    # What was invoked before keeps its item.
    found = Resolver.load().resolve(ItemKind.SKILL, "flea:chase-invoices-by-ada", at=NOW)
    assert found.ref_id == str(item.pk)

    item = act(item, "restore", root)
    assert (item.state, open_names()) == (FleaState.LIVE, ["flea:chase-invoices-by-ada"])


def test_an_owner_undoes_only_their_own_removal(ada: User, root: User) -> None:
    item = put(ada).item
    assert act(item, "remove", ada).state == FleaState.REMOVED
    assert act(item, "restore", ada).is_live
    assert act(item, "withdraw", ada).state == FleaState.REMOVED
    assert act(item, "restore", ada).is_live
    act(item, "remove", root, "no")
    with pytest.raises(NotYours, match="root"):
        act(item, "restore", ada)


@pytest.mark.usefixtures("reviewed")
def test_a_rejected_version_says_so_and_the_live_one_stays(
    ada: User, root: User, settings: Settings
) -> None:
    settings.AGNES_FLEA_REVIEW = "none"
    first = put(ada)
    settings.AGNES_FLEA_REVIEW = "admin"
    second = renew(first.item, ada)
    item = act(first.item, "reject", root, "Too vague.")
    second.refresh_from_db()

    assert (second.state, second.state_reason, second.state_by_name) == (
        "rejected",
        "Too vague.",
        "root",
    )
    assert (item.state, item.live_version) == (FleaState.LIVE, first)


@pytest.mark.usefixtures("reviewed")
def test_withdrawing_what_waits_makes_it_a_draft(ada: User) -> None:
    item = act(put(ada).item, "withdraw", ada)

    assert item.state == FleaState.DRAFT
    assert act(item, "submit", ada).state == FleaState.PENDING


def test_what_an_admin_rejected_comes_back_only_by_an_admin(ada: User, root: User) -> None:
    item = act(put(ada).item, "reject", root, "no")
    assert open_names() == []

    with pytest.raises(NotYours):
        act(item, "restore", ada)
    assert renew(item, ada).state == FleaState.PENDING
    item = act(item, "withdraw", ada)
    assert (item.state, open_names()) == (FleaState.DRAFT, [])
    assert act(item, "submit", ada).state == FleaState.PENDING
    assert act(item, "remove", ada).state == FleaState.REMOVED
    assert not act(item, "restore", ada).is_live
    item = act(item, "approve", root)
    assert item.is_live
    assert renew(item, ada, None, draft=False).state == FleaState.LIVE


def test_restoring_what_was_never_live_does_not_make_it_so(ada: User, root: User) -> None:
    item = put(ada, draft=True).item
    act(item, "remove", ada)

    assert act(item, "restore", ada).state == FleaState.DRAFT


@pytest.mark.parametrize(
    ("before", "action"),
    [
        ([], "submit"),
        ([], "approve"),
        ([], "restore"),
        (["remove"], "withdraw"),
        (["remove"], "approve"),
        (["remove"], "submit"),
        (["remove"], "reject"),
    ],
)
def test_an_action_that_does_not_fit_is_refused(
    ada: User, root: User, before: list[str], action: str
) -> None:
    item = put(ada).item
    for each in before:
        item = act(item, each, ada)

    with pytest.raises(WrongState, match="chase-invoices-by-ada"):
        act(item, action, ada if action in {"submit", "withdraw", "restore"} else root, "why")


def test_an_old_draft_does_not_take_the_place_of_what_is_live(ada: User) -> None:
    item = put(ada, draft=True).item
    live = renew(item, ada)

    with pytest.raises(WrongState, match="newer"):
        act(item, "submit", ada)
    item.refresh_from_db()
    assert item.live_version == live


@pytest.mark.usefixtures("reviewed")
def test_an_old_draft_does_not_take_the_place_of_what_waits(ada: User) -> None:
    item = put(ada, draft=True).item
    waiting = renew(item, ada)

    with pytest.raises(WrongState, match="newer"):
        act(item, "submit", ada)
    waiting.refresh_from_db()
    assert waiting.state == FleaState.PENDING


@pytest.mark.usefixtures("reviewed")
def test_a_draft_beside_what_waits_leaves_it_waiting(ada: User) -> None:
    item = put(ada).item
    renew(item, ada, draft=True)

    item.refresh_from_db()
    assert item.state == FleaState.PENDING


def test_an_owner_does_not_escape_a_removal_by_removing_first(ada: User, root: User) -> None:
    item = act(put(ada).item, "remove", ada)
    with pytest.raises(WrongState):
        act(item, "remove", ada)
    item = act(item, "remove", root, "not here")

    assert item.state_reason == "not here"
    with pytest.raises(NotYours):
        act(item, "restore", ada)
    with pytest.raises(WrongState):
        act(item, "remove", root, "again")
    assert act(item, "restore", root).is_live


def test_what_was_rejected_waits_when_it_is_uploaded_again(ada: User, root: User) -> None:
    first = put(ada)
    act(first.item, "reject", root, "no")

    again = renew(first.item, ada, skill_zip())

    assert (again.number, again.state) == (2, FleaState.PENDING)
    assert not FleaItem.objects.get().is_live


@pytest.mark.usefixtures("reviewed")
def test_what_is_removed_is_not_in_the_list_of_what_waits(ada: User, root: User) -> None:
    item = put(ada).item
    assert item in list_items(Filter(state="pending"), by=root)

    act(item, "remove", ada)

    assert not list_items(Filter(state="pending"), by=root)


def test_an_unknown_action_names_those_there_are(ada: User) -> None:
    with pytest.raises(UnknownAction, match=", ".join(ACTIONS)):
        act(put(ada).item, "delete", ada)


def test_each_change_has_its_audit_row(ada: User, root: User) -> None:
    item = put(ada).item
    act(item, "remove", root, "because")

    row = AuditEvent.objects.get(action="store.remove")
    assert (row.actor, row.subject, row.resource_id) == (root, ada, item.public_name)
    assert row.details == {"from": "live", "to": "removed", "version": 1, "reason": "because"}
