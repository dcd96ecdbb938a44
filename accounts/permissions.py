"""Who may do what: two questions, asked by every page and API handler."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from accounts.errors import AgnesError
from accounts.models import ApiToken, Scope, User


class NotSignedIn(AgnesError):
    code = "not_signed_in"
    status = 401


class AdminOnly(AgnesError):
    code = "admin_only"
    status = 403


class MissingScope(AgnesError):
    code = "missing_scope"
    status = 403


@dataclass(frozen=True)
class Caller:
    """Who sent an API request. `token` is None for a browser session, which has every scope."""

    user: User
    token: ApiToken | None

    def has_scope(self, scope: Scope) -> bool:
        return self.token is None or scope in self.token.scopes


def is_admin(user: User | AnonymousUser) -> bool:
    return bool(user.is_active and user.is_staff)


def caller_of(request: HttpRequest) -> Caller:
    """The authenticated caller of an API request; raises NotSignedIn when there is none."""
    caller = getattr(request, "auth", None)
    if isinstance(caller, Caller):
        return caller
    raise NotSignedIn(
        "This needs a signed-in user.",
        fix="Send 'Authorization: Bearer agn_...' with a personal access token.",
    )


def require_scope(request: HttpRequest, scope: Scope) -> User:
    """The caller's user; raises MissingScope when their token may not be used for this.

    A token with the admin scope may read too.
    """
    caller = caller_of(request)
    allowed = caller.has_scope(scope) or (scope == Scope.READ and caller.has_scope(Scope.ADMIN))
    if not allowed:
        raise MissingScope(
            f"This token lacks the scope {scope.value!r}.",
            fix=f"Make a token with the scope {scope.value!r}.",
            details={"scope": scope.value},
        )
    return caller.user


def require_admin(request: HttpRequest) -> User:
    """The caller's user; raises MissingScope or AdminOnly unless account and token are admin's."""
    user = caller_of(request).user
    if not is_admin(user):
        raise AdminOnly("Only an admin may do this.", fix="Ask an admin of this Agnes.")
    return require_scope(request, Scope.ADMIN)
