"""The flea market over HTTP: publish, check, list, change, download."""

import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from marketplace import bundle_uploads
from marketplace.models import FleaItem
from tests.marketplace.uploads import AGENT, SKILL, skill_zip
from tests.telemetry.api.uploading import error, token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
NAME = "chase-invoices-by-ada"


class Caller:
    """Sends requests with a token of somebody."""

    def __init__(self, user: User, *scopes: str) -> None:
        self.client = Client()
        text = token(user, *(scopes or ("publish", "read")))
        self.headers = {"Authorization": f"Bearer {text}"}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/store/{path}", headers={**self.headers, **headers})

    def post(
        self, path: str, body: Any = b"", type: str = "application/zip", **query: object
    ) -> Any:
        return self.client.post(
            f"/api/store/{path}",
            body,
            content_type=type,
            headers=self.headers,
            query_params={key: str(value) for key, value in query.items()},
        )

    def act(self, action: str, reason: str = "") -> Any:
        return self.post(f"items/{NAME}/{action}", {"reason": reason}, "application/json")


@pytest.fixture
def as_ada(ada: User) -> Caller:
    return Caller(ada)


@pytest.fixture
def as_bob(bob: User) -> Caller:
    return Caller(bob)


@pytest.fixture
def as_root(root: User) -> Caller:
    return Caller(root, "admin")


def test_a_zip_is_published_and_listed_for_everybody(as_ada: Caller, as_bob: Caller) -> None:
    answer = as_ada.post("items", skill_zip())

    assert answer.status_code == 201, answer.content
    assert answer.json()["item"]["public_name"] == NAME
    assert answer.json()["version"]["items"][0]["name"] == f"flea:{NAME}"
    listed = as_bob.get("items").json()
    assert (listed["count"], listed["items"][0]["state"]) == (1, "live")
    assert as_bob.get(f"items/{NAME}").json()["live_version"] == "1.0.0"
    row = AuditEvent.objects.get(action="store.upload")
    assert (row.door, row.actor_label) == ("api", "ada")


def test_markdown_is_published_as_a_body_and_as_a_form(as_ada: Caller, ada: User) -> None:
    answer = as_ada.post(
        "items", AGENT.encode(), "text/markdown", kind="agent", file_name="book.md"
    )
    assert answer.status_code == 201, answer.content

    form = {"file": SimpleUploadedFile("remind.md", SKILL.encode())}
    sent = as_ada.client.post("/api/store/items?kind=skill", form, headers=as_ada.headers)
    assert sent.status_code == 201, sent.content
    assert FleaItem.objects.count() == 2


def test_the_worker_is_told_to_build(
    as_ada: Caller, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        as_ada.post("items", skill_zip())

    assert [row.func() for row in OrmQ.objects.all()] == ["marketplace.tasks.build_served"]


def test_a_preview_tells_everything_and_stores_nothing(as_ada: Caller) -> None:
    answer = as_ada.post("preview", skill_zip(SKILL + "rm -rf ~\n", {"a.bin": b"\0"})).json()

    assert (answer["public_name"], answer["would_be_taken"]) == (NAME, False)
    assert [each["rule"] for each in answer["findings"]] == ["destructive", "binary"]
    assert answer["findings"][0]["line"] == 6
    assert as_ada.post("preview", skill_zip()).json()["would_be_taken"]
    assert not FleaItem.objects.exists()


def test_findings_that_block_come_in_the_envelope(as_ada: Caller) -> None:
    told = error(as_ada.post("items", skill_zip(SKILL + "rm -rf ~\n")), 422)

    assert told["code"] == "upload_blocked"
    assert told["details"]["findings"][0]["file"] == "SKILL.md"


def test_a_form_without_its_file_is_refused(as_ada: Caller) -> None:
    sent = as_ada.client.post("/api/store/items", {"other": "x"}, headers=as_ada.headers)

    assert error(sent, 400)["code"] == "body_missing"
    assert error(as_ada.post("items", b""), 422)["code"] == "bad_bundle"


def test_an_upload_that_is_too_large_is_refused_unread(
    as_ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreadable(BytesIO):
        def read(self, *args: object) -> bytes:
            raise AssertionError("the body was read")

    length = str(bundle_uploads.LARGEST_UPLOAD + 65 * 1024)
    extra: Any = {"CONTENT_LENGTH": length, "wsgi.input": Unreadable()}
    for type in ("application/zip", "multipart/form-data; boundary=x"):
        answer = as_ada.client.generic(
            "POST",
            "/api/store/items",
            b"",
            content_type=type,
            headers=as_ada.headers,
            **extra,
        )
        assert error(answer, 413)["code"] == "bundle_too_large"


def test_publishing_needs_the_scope(ada: User) -> None:
    told = error(Caller(ada, "read", "push").post("items", skill_zip()), 403)

    assert (told["code"], told["details"]) == ("missing_scope", {"scope": "publish"})
    assert Client().get("/api/store/items").status_code == 401


def test_what_is_not_live_is_for_owner_and_admins(
    as_ada: Caller, as_bob: Caller, as_root: Caller
) -> None:
    as_ada.post("items", skill_zip(), draft=True)

    assert as_bob.get("items").json()["count"] == 0
    assert as_ada.get("items").json()["count"] == 0
    assert as_ada.get("items?mine=true").json()["items"][0]["state"] == "draft"
    assert as_root.get("items?state=draft").json()["count"] == 1
    assert as_bob.get("items?state=draft").json()["count"] == 0
    assert error(as_bob.get(f"items/{NAME}"), 404)["code"] == "unknown_item"
    assert error(as_bob.get(f"items/{NAME}/download"), 404)["code"] == "unknown_item"
    assert as_root.get(f"items/{NAME}/download").status_code == 200
    assert as_ada.act("submit").json()["state"] == "live"


def test_review_goes_through_the_list_of_what_waits(
    as_ada: Caller, as_bob: Caller, as_root: Caller, settings: Settings
) -> None:
    as_ada.post("items", skill_zip())
    settings.AGNES_FLEA_REVIEW = "admin"
    as_ada.post(f"items/{NAME}/versions", skill_zip(SKILL + "More.\n"), note="one more line")

    (waiting,) = as_root.get("items?state=pending").json()["items"]
    assert (waiting["state"], waiting["waiting"]) == ("live", 2)
    assert as_bob.get(f"items/{NAME}").json()["waiting"] is None
    numbers = [each["number"] for each in as_bob.get(f"items/{NAME}/versions").json()]
    assert numbers == [1]
    assert as_ada.get(f"items/{NAME}/versions").json()[0]["note"] == "one more line"

    assert error(as_bob.act("approve"), 403)["code"] == "admin_only"
    assert error(as_root.act("reject"), 422)["code"] == "reason_missing"
    assert as_root.act("approve").json()["live_version"] == "1.0.1"
    assert as_root.get("items?state=pending").json()["count"] == 0


def test_an_owner_takes_out_and_an_admin_too(as_ada: Caller, as_root: Caller) -> None:
    as_ada.post("items", skill_zip())

    assert as_ada.act("remove").json()["state"] == "removed"
    assert as_root.act("restore").json()["state"] == "live"
    assert as_root.act("remove", "Not here.").json()["state_reason"] == "Not here."
    assert error(as_ada.act("restore"), 403)["code"] == "not_yours"
    assert error(as_ada.act("explode"), 404)["code"] == "unknown_action"


@pytest.mark.parametrize("action", ["remove", "restore", "reject", "approve"])
def test_an_admins_token_without_the_admins_scope_is_nobody_special(
    as_ada: Caller, root: User, action: str
) -> None:
    as_ada.post("items", skill_zip())
    if action == "restore":
        as_ada.act("remove")
    state = FleaItem.objects.get().state

    answer = Caller(root, "publish", "read").act(action, "Because.")

    assert error(answer, 403)["code"] in {"admin_only", "missing_scope", "not_yours"}
    assert FleaItem.objects.get().state == state


def test_a_download_is_the_same_every_time_and_counted_once_a_person(
    as_ada: Caller, as_bob: Caller
) -> None:
    as_ada.post("items", skill_zip())
    answers = [as_bob.get(f"items/{NAME}/download") for _ in range(2)]
    as_ada.get(f"items/{NAME}/download")

    assert answers[0].content == answers[1].content
    with zipfile.ZipFile(BytesIO(answers[0].content)) as archive:
        assert f"name: {NAME}" in archive.read("SKILL.md").decode()
    etag = answers[0].headers["ETag"]
    assert as_bob.get(f"items/{NAME}/download", **{"If-None-Match": etag}).status_code == 304
    assert as_bob.get(f"items/{NAME}").json()["installs"] == 1


def test_items_are_found_by_kind_and_words(as_ada: Caller) -> None:
    as_ada.post("items", skill_zip())
    as_ada.post("items", AGENT.encode(), "text/markdown", kind="agent", file_name="book.md")

    def names(query: str) -> list[str]:
        return [each["name"] for each in as_ada.get(f"items?{query}").json()["items"]]

    assert names("kind=agent") == ["bookkeeper"]
    assert names("q=REMINDERS") == ["chase-invoices"]
    assert len(names("limit=1")) == 1
    assert names("limit=1&offset=2") == []


def test_a_signed_in_browser_may_publish_with_its_csrf_token(ada: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    form = {"file": SimpleUploadedFile("greet.zip", skill_zip())}

    assert browser.post("/api/store/items", form).status_code == 403
    assert not FleaItem.objects.exists()
