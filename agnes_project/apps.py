from django.apps import AppConfig


class AgnesProjectConfig(AppConfig):
    name = "agnes_project"
    verbose_name = "Agnes"

    def ready(self) -> None:
        from agnes_project import checks  # noqa: F401  (registers the system checks)
