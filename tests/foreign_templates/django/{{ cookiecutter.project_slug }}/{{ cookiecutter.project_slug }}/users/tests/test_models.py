from django.test import SimpleTestCase

from {{ cookiecutter.project_slug }}.users.models import User


class UserTest(SimpleTestCase):
    def test_name(self) -> None:
        assert User(name="Ada").name == "Ada"
