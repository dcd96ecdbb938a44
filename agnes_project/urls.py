from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from agnes_project.api import api
from agnes_project.client_files import client_file
from agnes_project.privacy_page import what_leaves
from telemetry.views import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    # Browsers ask for it by this name where a page names no other.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("favicon.svg"))),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz/worker", health.worker_healthz, name="worker_healthz"),
    path("cli/<str:name>", client_file, name="client_file"),
    path("what-leaves-your-machine/", what_leaves, name="what_leaves"),
    path("api/", api.urls),
    # Before the admin, which takes every other address below its own.
    path("", include("telemetry.urls")),
    path("", include("marketplace.urls")),
    path("", include("marketplace.serving.urls")),
    path("admin/", admin.site.urls),
]
