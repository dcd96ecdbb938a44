"""Why the flea market refuses something."""

from collections.abc import Sequence
from typing import ClassVar

from accounts.errors import AgnesError
from marketplace.findings import Finding, Severity


class UploadBlocked(AgnesError):
    """The guardrails found something that blocks; `details` hold all findings."""

    code: ClassVar[str] = "upload_blocked"
    status: ClassVar[int] = 422

    def __init__(self, findings: Sequence[Finding]) -> None:
        found = [one for one in findings if one.severity is Severity.BLOCKING]
        more = f" And {len(found) - 1} more." if len(found) > 1 else ""
        super().__init__(
            f"The upload was not taken. {found[0]}{more}",
            fix="Mend what the findings name and upload it again.",
            details={"findings": [finding.as_json() for finding in findings]},
        )


class NameTaken(AgnesError):
    code: ClassVar[str] = "name_taken"
    status: ClassVar[int] = 409


class UnknownItem(AgnesError):
    code: ClassVar[str] = "unknown_item"
    status: ClassVar[int] = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no {name!r} in the flea market.",
            fix="Look for its public name, <name>-by-<owner>, in the list.",
        )


class NotYours(AgnesError):
    code: ClassVar[str] = "not_yours"
    status: ClassVar[int] = 403


class WrongState(AgnesError):
    code: ClassVar[str] = "wrong_state"
    status: ClassVar[int] = 409


class ReasonMissing(AgnesError):
    code: ClassVar[str] = "reason_missing"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("A reason is missing.", fix="Say why, so that its owner can mend it.")


class UnknownAction(AgnesError):
    code: ClassVar[str] = "unknown_action"
    status: ClassVar[int] = 404
