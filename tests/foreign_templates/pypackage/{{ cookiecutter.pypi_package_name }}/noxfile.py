import nox


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    session.run("python", "-m", "unittest", "discover", "-s", "tests", env={"PYTHONPATH": "src"})


@nox.session(name="byte-compile", venv_backend="none")
def compiled(session: nox.Session) -> None:
    session.run("python", "-m", "compileall", "-q", "src")


@nox.session(venv_backend="none")
def publish(session: nox.Session) -> None:
    session.error("this would reach other people")
