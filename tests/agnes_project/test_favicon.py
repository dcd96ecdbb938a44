"""Browsers ask for an icon with each page; none of these requests is answered with 404."""

import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
SIGN_IN = "/admin/login/"


def test_pages_name_an_icon_that_is_there(client: Client) -> None:
    named = re.search(r'<link rel="icon"[^>]* href="([^"]+)"', client.get(SIGN_IN).content.decode())
    assert named is not None
    icon = client.get(named[1])
    assert (icon.status_code, icon.headers["Content-Type"]) == (200, "image/svg+xml")
    icon.close()


def test_pages_that_name_none_get_it_by_its_usual_name(client: Client) -> None:
    answer = client.get("/favicon.ico", follow=True)
    assert answer.redirect_chain == [("/static/favicon.svg", 302)]
    assert answer.status_code == 200
    answer.close()
