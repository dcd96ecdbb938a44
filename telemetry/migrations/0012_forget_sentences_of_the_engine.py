from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def forget(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Sentences of the engine may quote data, which outlived its erasure here."""
    apps.get_model("telemetry", "AskedQuestion").objects.filter(
        error_code__in=["query_failed", "query_refused"]
    ).update(error="The SQL could not be run; run it again to see why.")


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0011_saved_views")]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop, elidable=True)]
