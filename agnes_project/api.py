"""The only NinjaAPI. Apps add their routers here; its documentation is served at /api/docs."""

from accounts.api_auth import SessionCookieAuth, TokenAuth
from agnes_project.api_description import DescribedAPI
from agnes_project.api_errors import register_error_handlers
from agnes_project.api_strictness import make_strict
from agnes_project.content_security import for_api_page
from marketplace.api import marketplaces, store
from telemetry.api import (
    ask,
    me,
    operations,
    sessions,
    usage_export,
    usage_snapshot,
    usage_summary,
)

api = DescribedAPI(
    title="Agnes",
    version="1",
    description="What an organisation's people do with Claude Code.",
    auth=[TokenAuth(), SessionCookieAuth()],
    urls_namespace="api",
    docs_decorator=for_api_page,
)
register_error_handlers(api)
make_strict(api)
api.add_router("", sessions.router)
api.add_router("/me", me.router)
api.add_router("/usage", usage_snapshot.router)
api.add_router("/admin/usage", usage_export.router)
api.add_router("/admin/usage", ask.router)
api.add_router("/admin/usage", usage_summary.router)
api.add_router("/admin", operations.router)
api.add_router("/marketplaces", marketplaces.router)
api.add_router("/store", store.router)
