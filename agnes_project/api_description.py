"""The OpenAPI description, with what every route may answer: the error envelope and its statuses.

Routes tell of their own ones with accounts.api_answers.
"""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from accounts.api_answers import described

ALWAYS = (422, 500, 507)
SIGNED_IN = (401, 403)
WITH_BODY = (400,)
WITH_PATH = (404,)
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fix", "details", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "Stable; for programs."},
                "message": {"type": "string", "description": "What is wrong, in a sentence."},
                "fix": {"type": "string", "description": "What helps, in a sentence."},
                "details": {"type": "object", "additionalProperties": True},
                "request_id": {"type": "string", "description": "By which the log finds it."},
            },
        }
    },
}


class DescribedAPI(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Error"] = ERROR
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                responses = operation["responses"]
                for status in _common(path, operation):
                    responses.setdefault(status, described(status))
                operation["responses"] = dict(sorted(responses.items()))
        return schema


def _common(path: str, operation: dict[str, Any]) -> tuple[int, ...]:
    """The statuses that follow from a route's form."""
    return (
        *ALWAYS,
        *(SIGNED_IN if "security" in operation else ()),
        *(WITH_BODY if "requestBody" in operation else ()),
        *(WITH_PATH if "{" in path else ()),
    )
