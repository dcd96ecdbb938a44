"""Every setting, read top to bottom. Values come from the environment only (see .env.example)."""

from pathlib import Path
from typing import Any

import django_stubs_ext

from agnes_project.admin_theme import THEME
from agnes_project.content_security import STRICT
from agnes_project.env import Env
from agnes_project.private_files import make_private_file, make_private_folder
from agnes_project.secret_key import read_or_create_secret_key

# Lets classes such as ModelAdmin[User] name their model, as the type checker needs it.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()

# --- Local state -----------------------------------------------------------------------------

AGNES_DATA_DIR = env.folder("AGNES_DATA_DIR", default=Path("data"))
AGNES_MIRROR_DIR = AGNES_DATA_DIR / "mirror"
AGNES_TRANSCRIPTS_DIR = AGNES_DATA_DIR / "transcripts"
AGNES_BUNDLES_DIR = AGNES_DATA_DIR / "bundles"
AGNES_SERVED_DIR = AGNES_DATA_DIR / "served"
AGNES_UPLOAD_TEMP_DIR = AGNES_DATA_DIR / "tmp"
# Not a umask, which files for everybody, as those of collectstatic, would get as well.
for _folder in (AGNES_DATA_DIR, AGNES_UPLOAD_TEMP_DIR, AGNES_MIRROR_DIR, AGNES_TRANSCRIPTS_DIR):
    # The last two are made private when they are first needed.
    if _folder in (AGNES_DATA_DIR, AGNES_UPLOAD_TEMP_DIR) or _folder.is_dir():
        make_private_folder(_folder)

# --- Security --------------------------------------------------------------------------------

SECRET_KEY = env.secret(
    "AGNES_SECRET_KEY",
    least=32,
    fix="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
) or read_or_create_secret_key(AGNES_DATA_DIR / "secret_key")
DEBUG = env.flag("AGNES_DEBUG", default=False)
AGNES_HTTPS = env.flag("AGNES_HTTPS", default=False)
ALLOWED_HOSTS = env.names("AGNES_ALLOWED_HOSTS", default=("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.origins("AGNES_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = AGNES_HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = STRICT
AGNES_ADMIN_EMAIL = env.text("AGNES_ADMIN_EMAIL", "admin@agnes.localhost")
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"

# --- Applications ----------------------------------------------------------------------------

INSTALLED_APPS = [
    "agnes_project",
    "accounts",
    "telemetry",
    "marketplace",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "agnes_project.apps.AgnesAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "django_q",
    "ninja",
]
MIDDLEWARE = [
    "agnes_project.request_id.RequestIdMiddleware",
    "agnes_project.api_errors.ApiErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "agnes_project.urls"
WSGI_APPLICATION = "agnes_project.wsgi.application"
ASGI_APPLICATION = "agnes_project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "telemetry.views.banners.trouble_banner",
                "agnes_project.navigation.navigation",
            ],
        },
    },
]

# Stands beside the name on every page, so that nobody takes a trial instance for the real one.
AGNES_ENVIRONMENT = env.text("AGNES_ENVIRONMENT")
UNFOLD = THEME

# --- Language and time -----------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "agnes_project.formats"

# --- Database --------------------------------------------------------------------------------

# Django's SQLite defaults let two writers fail with "database is locked"; IMMEDIATE takes the
# write lock when a transaction begins and WAL lets readers go on meanwhile.
SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; "
        "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-16000; "
        # Checkpoint every 64 MiB of log, not every 4: a bulk import writes the same pages often.
        "PRAGMA wal_autocheckpoint=16384"
    ),
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.postgres("DATABASE_URL")
    or {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": AGNES_DATA_DIR / "agnes.sqlite3",
        "OPTIONS": SQLITE_OPTIONS,
    }
}
# A connection per task costs several times the task on PostgreSQL. A psycopg pool would not
# survive the worker's forks, so there is none.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if isinstance(DATABASES["default"]["NAME"], Path):
    # SQLite gives its log the mode of the database.
    make_private_file(DATABASES["default"]["NAME"])

# --- Files -----------------------------------------------------------------------------------

AGNES_TRANSCRIPT_STORAGE = env.choice(
    "AGNES_TRANSCRIPT_STORAGE", default="local", choices=("local", "s3")
)
AGNES_S3_BUCKET = env.text("AGNES_S3_BUCKET")
AGNES_S3_ENDPOINT_URL = env.url("AGNES_S3_ENDPOINT_URL")
AGNES_S3_REGION = env.text("AGNES_S3_REGION")
AGNES_S3_ACCESS_KEY_ID = env.text("AGNES_S3_ACCESS_KEY_ID")
AGNES_S3_SECRET_ACCESS_KEY = env.text("AGNES_S3_SECRET_ACCESS_KEY")
LOCAL_TRANSCRIPTS: dict[str, Any] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {
        "location": AGNES_TRANSCRIPTS_DIR,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    },
}
S3_TRANSCRIPTS: dict[str, Any] = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": AGNES_S3_BUCKET,
        "endpoint_url": AGNES_S3_ENDPOINT_URL or None,
        "region_name": AGNES_S3_REGION or None,
        "access_key": AGNES_S3_ACCESS_KEY_ID or None,
        "secret_key": AGNES_S3_SECRET_ACCESS_KEY or None,
        "default_acl": None,
        "querystring_auth": True,
        "file_overwrite": True,
    },
}
if AGNES_TRANSCRIPT_STORAGE == "s3":
    from botocore.config import Config  # slow to import

    # A storage that does not answer ends in an error, not in a request that waits for ever.
    S3_TRANSCRIPTS["OPTIONS"]["client_config"] = Config(
        connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 3}
    )
# What marketplaces hold: beside the transcripts, whose folders are all numbers.
BUNDLES: dict[str, Any] = {
    "BACKEND": LOCAL_TRANSCRIPTS["BACKEND"],
    "OPTIONS": {**LOCAL_TRANSCRIPTS["OPTIONS"], "location": AGNES_BUNDLES_DIR},
}
if AGNES_TRANSCRIPT_STORAGE == "s3":
    BUNDLES = {**S3_TRANSCRIPTS, "OPTIONS": {**S3_TRANSCRIPTS["OPTIONS"], "location": "bundles"}}
# Filled by collectstatic, which takes its time to compress; without it static files are served
# as they lie in the packages, and nothing has to be collected before a start.
STATIC_ROOT = env.optional_folder("AGNES_STATIC_DIR")
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "transcripts": S3_TRANSCRIPTS if AGNES_TRANSCRIPT_STORAGE == "s3" else LOCAL_TRANSCRIPTS,
    "bundles": BUNDLES,
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if STATIC_ROOT
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
MEDIA_ROOT = AGNES_DATA_DIR / "media"
STATIC_URL = "static/"
STATICFILES_DIRS = [folder for folder in [BASE_DIR / "static"] if folder.is_dir()]
AGNES_UPLOAD_MAX_BYTES = env.integer("AGNES_UPLOAD_MAX_BYTES", default=256 * 1024**2, minimum=1)
# Django refuses a request body above this when a view reads it whole; uploads are streamed and
# counted by their own limit, so everything else may stay small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024**2
# Files in forms are bundles; nothing of one is written before it was checked.
FILE_UPLOAD_HANDLERS = ["marketplace.upload_handler.BundleUploadHandler"]

# --- Telemetry -------------------------------------------------------------------------------

# Days; 0 keeps for ever. Negative numbers are refused by a system check that names the fix.
USAGE_EVENTS_RETENTION_DAYS = env.integer("USAGE_EVENTS_RETENTION_DAYS", default=0)
USAGE_RESPONSES_RETENTION_DAYS = env.integer("USAGE_RESPONSES_RETENTION_DAYS", default=0)
USAGE_TRANSCRIPTS_RETENTION_DAYS = env.integer("USAGE_TRANSCRIPTS_RETENTION_DAYS", default=0)
USAGE_QUESTIONS_RETENTION_DAYS = env.integer("USAGE_QUESTIONS_RETENTION_DAYS", default=90)
USAGE_DAILY_RETENTION_DAYS = env.integer("USAGE_DAILY_RETENTION_DAYS", default=0)

# --- Questions in plain language -------------------------------------------------------------

# Without a key nothing leaves this server: verified questions and own SQL still run.
AGNES_ANTHROPIC_API_KEY = env.text("AGNES_ANTHROPIC_API_KEY")
AGNES_ANTHROPIC_BASE_URL = env.url("AGNES_ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
AGNES_ASK_MODEL = env.text("AGNES_ASK_MODEL", "claude-haiku-5-5")
AGNES_ASK_EFFORT = env.choice(
    "AGNES_ASK_EFFORT", default="low", choices=("none", "low", "medium", "high")
)
AGNES_ASK_SECONDS = env.integer("AGNES_ASK_SECONDS", default=25, minimum=1, maximum=300)
# Rows of each table that the model sees as examples, without names of people.
AGNES_ASK_SAMPLE_ROWS = env.integer("AGNES_ASK_SAMPLE_ROWS", default=3, minimum=0, maximum=20)
# How many statements of questions may run at once on this machine; more are told to come again.
AGNES_ASK_MAX_QUERIES = env.integer("AGNES_ASK_MAX_QUERIES", default=3, minimum=1, maximum=64)

# --- Marketplaces ----------------------------------------------------------------------------

AGNES_MARKETPLACES_DIR = AGNES_DATA_DIR / "marketplaces"
AGNES_MARKETPLACE_PRIVATE_HOSTS = env.names("AGNES_MARKETPLACE_PRIVATE_HOSTS")
AGNES_MARKETPLACE_HTTP_HOSTS = env.names("AGNES_MARKETPLACE_HTTP_HOSTS")
AGNES_MARKETPLACE_ALLOW_FILE = env.flag("AGNES_MARKETPLACE_ALLOW_FILE", default=False)
# Secrets; a marketplace names the one that it is fetched with.
AGNES_MARKETPLACE_TOKENS = env.beginning_with("AGNES_MARKETPLACE_TOKEN_")
AGNES_MARKETPLACE_MAX_BYTES = env.integer(
    "AGNES_MARKETPLACE_MAX_BYTES", default=256 * 1024**2, minimum=1
)
AGNES_MARKETPLACE_MAX_FILES = env.integer("AGNES_MARKETPLACE_MAX_FILES", default=50_000, minimum=1)
# The worker ends a task after 120 seconds.
AGNES_MARKETPLACE_SYNC_SECONDS = env.integer(
    "AGNES_MARKETPLACE_SYNC_SECONDS", default=90, minimum=1
)
AGNES_FLEA_REVIEW = env.choice("AGNES_FLEA_REVIEW", default="none", choices=("none", "admin"))
AGNES_FLEA_MODEL_REVIEW = env.flag("AGNES_FLEA_MODEL_REVIEW", default=False)

# --- Jobs ------------------------------------------------------------------------------------

# Seconds between two runs; 0 switches the job off.
SCHEDULER_USAGE_PROCESS_INTERVAL = env.integer(
    "SCHEDULER_USAGE_PROCESS_INTERVAL", default=60, minimum=0
)
SCHEDULER_USAGE_ROLLUP_INTERVAL = env.integer(
    "SCHEDULER_USAGE_ROLLUP_INTERVAL", default=60, minimum=0
)
SCHEDULER_USAGE_PRUNE_INTERVAL = env.integer(
    "SCHEDULER_USAGE_PRUNE_INTERVAL", default=86400, minimum=0
)
SCHEDULER_MARKETPLACE_SERVE_INTERVAL = env.integer(
    "SCHEDULER_MARKETPLACE_SERVE_INTERVAL", default=3600, minimum=0
)
SCHEDULER_MARKETPLACE_SYNC_INTERVAL = env.integer(
    "SCHEDULER_MARKETPLACE_SYNC_INTERVAL", default=86400, minimum=0
)
SCHEDULER_ATTRIBUTION_INTERVAL = env.integer(
    "SCHEDULER_ATTRIBUTION_INTERVAL", default=60, minimum=0
)
SCHEDULER_SWEEP_INTERVAL = env.integer("SCHEDULER_SWEEP_INTERVAL", default=3600, minimum=0)
SCHEDULER_HEARTBEAT_INTERVAL = env.integer("SCHEDULER_HEARTBEAT_INTERVAL", default=60, minimum=0)
AGNES_WORKERS = env.integer("AGNES_WORKERS", default=2, minimum=1, maximum=64)
# Jobs are delivered at least once: every task is short, bounded and safe to run twice.
Q_CLUSTER: dict[str, Any] = {
    "name": "agnes",
    "label": "Jobs",
    "orm": "default",
    "workers": AGNES_WORKERS,
    "queue_limit": AGNES_WORKERS,
    "bulk": 1,
    "poll": 1,
    "timeout": 120,
    # The clock of `retry` starts when a task is fetched, not when it starts, hence the distance.
    "retry": 300,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": 1000,
    "recycle": 200,
    # KiB; a worker above it is replaced between two tasks.
    "max_rss": 350 * 1024,
}

# --- Logs ------------------------------------------------------------------------------------

AGNES_LOG_LEVEL = env.choice(
    "AGNES_LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR")
)
AGNES_LOG_FORMAT = env.choice("AGNES_LOG_FORMAT", default="text", choices=("text", "json"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "agnes_project.request_id.RequestIdFilter"}},
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"},
        "json": {"()": "agnes_project.log_format.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": AGNES_LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": AGNES_LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # Two lines a task say nothing that the tables of jobs do not.
        "django-q": {"level": "WARNING" if AGNES_LOG_LEVEL == "INFO" else AGNES_LOG_LEVEL},
        # boto3 logs whole requests at DEBUG, headers included.
        "botocore": {"level": "WARNING"},
        # At DEBUG these log whole requests, the question and the key included.
        "anthropic": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
    },
}
