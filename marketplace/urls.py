"""The catalogue's pages."""

from django.urls import path

from marketplace.views import gaps

urlpatterns = [
    path("admin/marketplace/gaps/", gaps.gaps_page, name="marketplace_gaps"),
]
