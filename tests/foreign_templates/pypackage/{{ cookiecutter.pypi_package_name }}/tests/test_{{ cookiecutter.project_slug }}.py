import unittest

from {{ cookiecutter.project_slug }} import utils


class Test(unittest.TestCase):
    def test_something(self) -> None:
        assert "utility" in utils.do_something_useful()
