"""The client, served by the server it talks to: laptop and server always match."""

import hashlib
from collections.abc import Callable
from functools import cache

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from agnes_cli import packing

PYZ = "agnes.pyz"


@require_safe
def client_file(request: HttpRequest, name: str) -> HttpResponse:
    """`agnes.pyz`, or the wheel of this version; for everybody, since it holds no secret."""
    if name not in (PYZ, packing.wheel_name()):
        raise Http404
    content, etag = _made(packing.make_pyz if name == PYZ else packing.make_wheel)
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    response = HttpResponse(content, content_type="application/zip", headers={"ETag": etag})
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@cache
def _made(make: Callable[[], bytes]) -> tuple[bytes, str]:
    content = make()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
