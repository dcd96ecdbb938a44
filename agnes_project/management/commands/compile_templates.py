from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template


class Command(BaseCommand):
    help = "Compile every template of the project, so that a broken one is found before a page is."

    def handle(self, *args: Any, **options: Any) -> None:
        names = template_names()
        for name in names:
            try:
                get_template(name)
            except (TemplateSyntaxError, TemplateDoesNotExist) as error:
                raise CommandError(f"The template {name} does not compile: {error}") from None
        self.stdout.write(f"{len(names)} templates compile.")


def template_folders() -> list[Path]:
    """Where this repository's templates lie."""
    folders = [Path(settings.BASE_DIR) / "templates"]
    for app in apps.get_app_configs():
        if Path(app.path).parent == Path(settings.BASE_DIR):
            folders.append(Path(app.path) / "templates")
    return folders


def template_names() -> list[str]:
    """The names of the templates in this repository, without those of installed packages."""
    return sorted(
        str(file.relative_to(folder))
        for folder in template_folders()
        for file in folder.rglob("*")
        if file.suffix in {".html", ".txt", ".svg", ".md"}
    )
