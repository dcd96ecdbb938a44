from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AgnesProjectConfig(AppConfig):
    name = "agnes_project"
    default = True
    verbose_name = "Agnes"

    def ready(self) -> None:
        from agnes_project import checks  # noqa: F401  (registers the system checks)


class AgnesAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "agnes_project.admin_site.AgnesAdminSite"
