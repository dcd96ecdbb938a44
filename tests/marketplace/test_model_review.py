"""The model's look adds warnings; without a model an upload is taken all the same."""

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from marketplace.findings import Severity
from marketplace.model_review import model_findings
from tests.marketplace.market import put
from tests.marketplace.uploads import SKILL, submitted
from tests.telemetry.ask.messages_server import MessagesServer, answers, fails

ANSWER = {
    "findings": [
        {"topic": "exfiltration", "file": "SKILL.md", "line": 5, "message": "Sends invoices."},
        {"topic": "code", "file": "made-up.sh", "line": 900, "message": "Runs\x1b something."},
    ]
}


@pytest.fixture
def model(server: MessagesServer, settings: Settings) -> MessagesServer:
    settings.AGNES_FLEA_MODEL_REVIEW = True
    return server


def test_nothing_is_sent_unless_it_is_switched_on(server: MessagesServer) -> None:
    assert model_findings(submitted({"SKILL.md": SKILL})) == []
    assert server.received == []


def test_what_the_model_finds_are_warnings(model: MessagesServer) -> None:
    model.then(answers(ANSWER))

    first, second = model_findings(submitted({"SKILL.md": SKILL, "a.txt": "A note."}))

    assert (first.rule, first.severity, first.file, first.line, first.message) == (
        "model-exfiltration",
        Severity.WARNING,
        "SKILL.md",
        5,
        "Sends invoices.",
    )
    assert (second.file, second.line, second.message) == ("", None, "Runs something.")
    sent = model.received[0].body["messages"][0]["content"]
    assert "=== a.txt\nA note." in sent


@pytest.mark.django_db
@pytest.mark.usefixtures("folder")
def test_a_model_that_fails_refuses_nothing(ada: User, model: MessagesServer) -> None:
    model.then(fails(529), fails(529))

    version = put(ada)

    assert version.item.is_live
    assert [finding["rule"] for finding in version.findings] == ["model-review-missing"]
