from .base import *  # noqa: F403

SECRET_KEY = "only-for-tests"
