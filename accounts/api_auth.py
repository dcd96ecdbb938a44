"""How an API request proves who sends it: a personal access token, or a browser session.

Both put a `Caller` into `request.auth`; the session form checks the CSRF token as well.
"""

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import APIKeyCookie, HttpBearer

from accounts.models import User
from accounts.permissions import Caller
from accounts.tokens import find_token


class TokenAuth(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Raises an AgnesError for a bad token, so that a session beside it is not tried."""
        found = find_token(token, now=timezone.now())
        request.user = found.user
        return Caller(user=found.user, token=found)


class SessionCookieAuth(APIKeyCookie):
    param_name = "sessionid"

    def __call__(self, request: HttpRequest) -> Caller | None:
        """A CSRF token is asked for only where a session would sign somebody in: whoever comes
        without one is told to sign in, whatever the method."""
        if self.authenticate(request, None) is None:
            return None
        caller: Caller | None = super().__call__(request)
        return caller

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = request.user
        if isinstance(user, User) and user.is_active:
            return Caller(user=user, token=None)
        return None
