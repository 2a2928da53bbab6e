from pathlib import Path

BASE_DIR = Path(__file__).resolve(strict=True).parents[2]
APPS_DIR = BASE_DIR / "{{ cookiecutter.project_slug }}"
TIME_ZONE = "{{ cookiecutter.timezone }}"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
INSTALLED_APPS = ["django.contrib.contenttypes", "{{ cookiecutter.project_slug }}.users"]
