"""The served marketplace over HTTP: two routes for git, a zip and its marketplace.json.

Git knows user name and password alone, so a token comes as the password of Basic auth, with any
user name. Signed-in browsers get the zip too.
"""

import base64
import binascii
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.errors import AgnesError
from accounts.models import Scope, User
from accounts.permissions import Caller, NotSignedIn, require_scope
from accounts.tokens import find_token
from marketplace.serving.repository import served, state_with
from marketplace.serving.upload_pack import (
    FetchRefused,
    LengthMissing,
    UploadPack,
    read_body,
    wanted_objects,
)

SERVICE: Final = "git-upload-pack"
ANNOUNCED: Final = b"001e# service=git-upload-pack\n0000"
NEVER_KEPT: Final = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}
View = Callable[[HttpRequest], HttpResponseBase]


def for_readers(view: View) -> View:
    """Answers 401 with Basic, as git expects it, unless a token or session may read.

    Errors are told as a line of text, which git shows.
    """

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        try:
            request.auth = _caller(request)  # type: ignore[attr-defined]
            require_scope(request, Scope.READ)
            return view(request)
        except AgnesError as error:
            headers = {"WWW-Authenticate": 'Basic realm="Agnes"'} if error.status == 401 else {}
            text = f"{error}\n"
            response = HttpResponse(
                text, "text/plain; charset=utf-8", error.status, headers=headers
            )
            if error.status == 503:
                response["Retry-After"] = "60"
            return response

    return guarded


@require_GET
@for_readers
def info_refs(request: HttpRequest) -> HttpResponseBase:
    if request.GET.get("service") != SERVICE:
        raise _Refused(
            "This repository can only be fetched, with a git of 2012 or later.",
            fix="Change plugins in their own repositories, or publish in the flea market.",
        )
    built = served(now=timezone.now())
    protocol = request.headers.get("Git-Protocol", "")
    told = b"".join(UploadPack(built.folder, body=None, protocol=protocol))
    return HttpResponse(
        ANNOUNCED + told, f"application/x-{SERVICE}-advertisement", headers=NEVER_KEPT
    )


@csrf_exempt
@require_POST
@for_readers
def upload_pack(request: HttpRequest) -> HttpResponseBase:
    if request.content_type != f"application/x-{SERVICE}-request":
        raise FetchRefused("This is no request of git's.", fix="Use git clone or git fetch.")
    body = read_body(_reader(request), encoding=request.headers.get("Content-Encoding", ""))
    try:
        # What was advertised a moment ago may have been replaced since.
        folder = state_with(wanted_objects(body)) or served(now=timezone.now()).folder
        protocol = request.headers.get("Git-Protocol", "")
        client = request.META.get("gunicorn.socket")
        output = UploadPack(folder, body=body, protocol=protocol, client=client)
    except BaseException:
        body.close()
        raise
    response = StreamingHttpResponse(output, f"application/x-{SERVICE}-result", headers=NEVER_KEPT)
    response["X-Accel-Buffering"] = "no"
    return response


@require_GET
@for_readers
def marketplace_zip(request: HttpRequest) -> HttpResponseBase:
    built = served(now=timezone.now())
    etag = quote_etag(built.commit)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    return FileResponse(
        built.zip_path.open("rb"),
        as_attachment=True,
        filename="agnes-marketplace.zip",
        content_type="application/zip",
        headers={"ETag": etag, "Cache-Control": "private, no-cache"},
    )


@require_GET
@for_readers
def marketplace_json(request: HttpRequest) -> HttpResponseBase:
    """Where each plugin lies is relative to the repository, so git is needed to install them."""
    built = served(now=timezone.now())
    etag = quote_etag(built.commit)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    return HttpResponse(built.catalogue_path.read_bytes(), "application/json", headers=headers)


def _reader(request: HttpRequest) -> Callable[[int], bytes]:
    """Reads the body; git sends a large one in chunks, which Django takes for an empty one.

    Raises LengthMissing where the web server does not tell the end of one in chunks.
    """
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        return request.read
    if not request.META.get("wsgi.input_terminated"):
        raise LengthMissing
    read: Callable[[int], bytes] = request.META["wsgi.input"].read
    return read


class _Refused(AgnesError):
    code = "read_only"
    status = 403


def _caller(request: HttpRequest) -> Caller:
    """Raises NotSignedIn, or what find_token raises."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        value = _password(value)
    elif scheme.lower() != "bearer":
        value = ""
    if value:
        token = find_token(value.strip(), now=timezone.now())
        return Caller(user=token.user, token=token)
    user: Any = getattr(request, "user", None)
    if isinstance(user, User) and user.is_active:
        return Caller(user=user, token=None)
    raise NotSignedIn(
        "This needs an access token.", fix="Give one with the scope `read` as the password."
    )


def _password(value: str) -> str:
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    user, _, password = text.partition(":")
    # Some put a token where the user name belongs.
    return password or user
