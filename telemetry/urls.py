"""Telemetry's pages."""

from django.urls import path

from telemetry.views import ask, overview

urlpatterns = [
    path("admin/telemetry/", overview.overview_page, name="overview"),
    path("admin/telemetry/export", overview.export_table, name="overview_export"),
    path("admin/telemetry/views", overview.save, name="overview_save"),
    path("admin/telemetry/views/<int:pk>", overview.remove, name="overview_remove"),
    path("admin/telemetry/ask/", ask.ask_page, name="ask"),
    path("admin/telemetry/ask/save", ask.save_question, name="ask_save"),
    path("admin/telemetry/ask/saved/<int:pk>", ask.change_saved, name="ask_saved"),
    path("admin/telemetry/ask/<int:pk>/rows.csv", ask.rows_csv, name="ask_csv"),
]
