import sys

from . import utils


class App:
    """What typer makes: an object that is called."""

    def __call__(self) -> int:
        print(f"{{ cookiecutter.project_slug }} {sys.argv[1:]}: {utils.do_something_useful()}")
        return 0


app = App()
