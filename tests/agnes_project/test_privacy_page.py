"""Everybody can read what leaves their machine, in the documentation's words."""

import pytest
from django.test import Client

from accounts.models import User

ADDRESS = "/what-leaves-your-machine/"


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [False, True])
def test_the_page_says_what_the_documentation_says(client: Client, signed_in: bool) -> None:
    if signed_in:
        client.force_login(User.objects.create_user("ada@example.org"))
    page = client.get(ADDRESS)
    text = page.content.decode()
    assert page.status_code == 200
    assert "<h1>What leaves your machine</h1>" in text
    assert "<h2>Secrets</h2>" in text
    assert "<code>agnes mark-private</code>" in text
    assert (f'href="{ADDRESS}" aria-current="page"' in text) is signed_in
