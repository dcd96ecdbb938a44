import os

from django.core.asgi import get_asgi_application

from agnes_project.start import sentence_instead_of_traceback

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agnes_project.settings")
# 3 tells gunicorn that starting this worker again is of no use.
with sentence_instead_of_traceback(exit_code=3):
    application = get_asgi_application()
