"""Stands in for PyCharm's _jb_pytest_runner.py: pytest, without the runner's own folder on the search path."""

import sys

import pytest

sys.path.pop(0)
sys.exit(pytest.main([*sys.argv[1:], "--no-header", "--no-summary", "-q"]))
