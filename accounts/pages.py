"""Who may open a page."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache

from accounts.models import User
from accounts.permissions import is_admin

Rest = ParamSpec("Rest")
View = Callable[Concatenate[HttpRequest, Rest], HttpResponseBase]


def admin_page(view: View[Rest]) -> View[Rest]:
    """For admins: strangers are asked to sign in, others get the page that says 403."""

    @wraps(view)
    def checked(
        request: HttpRequest, /, *args: Rest.args, **kwargs: Rest.kwargs
    ) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not is_admin(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return never_cache(checked)


def person_of(request: HttpRequest) -> User:
    """The signed-in person of a page that only such people open."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
