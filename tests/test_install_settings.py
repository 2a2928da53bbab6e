"""pip's settings are read as pip reads them, handed to uv, and failures are told apart."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scaffolder.install.diagnosis import diagnose
from scaffolder.install.indexes import answers
from scaffolder.install.settings import PackageSettings, pip_settings, uv_names_an_index

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="places of POSIX")

MIRROR = "https://pypi.tuna.tsinghua.edu.cn/simple"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mirror_in_pip_conf_reaches_uv(tmp_path: Path) -> None:
    write(tmp_path / ".config/pip/pip.conf", f"[global]\nindex-url = {MIRROR}\ncert = /etc/company.pem\n")
    settings = pip_settings({"XDG_CONFIG_DIRS": str(tmp_path / "none")}, tmp_path)
    assert settings.index_url == MIRROR
    assert settings.index_environment()["UV_DEFAULT_INDEX"] == MIRROR
    assert settings.connection_environment({}) == {"SSL_CERT_FILE": "/etc/company.pem"}
    assert settings.uv_toml() == f'[[index]]\nurl = "{MIRROR}"\ndefault = true\n'


def test_a_variable_goes_before_a_file_and_install_before_global(tmp_path: Path) -> None:
    own = write(
        tmp_path / "pip.conf",
        "[global]\nindex-url = https://global.example/simple\ntimeout = 60\n"
        "[install]\nindex-url = https://install.example/simple\nfind-links =\n    /one\n    /two\n",
    )
    environ = {"PIP_CONFIG_FILE": str(own), "XDG_CONFIG_DIRS": str(tmp_path)}
    settings = pip_settings(environ, tmp_path)
    assert settings.index_url == "https://install.example/simple"
    assert settings.find_links == ("/one", "/two")
    settings = pip_settings({**environ, "PIP_INDEX_URL": MIRROR}, tmp_path)
    assert settings.index_url == MIRROR


def test_pip_told_to_read_no_file_reads_none(tmp_path: Path) -> None:
    write(tmp_path / ".config/pip/pip.conf", f"[global]\nindex-url = {MIRROR}\n")
    assert pip_settings({"PIP_CONFIG_FILE": os.devnull}, tmp_path) == PackageSettings()


def test_extra_indexes_are_all_looked_at_as_pip_does() -> None:
    settings = PackageSettings(
        extra_index_urls=("https://a.example", "https://b.example"), trusted_hosts=("a.example",)
    )
    environ = settings.index_environment()
    assert environ["UV_INDEX"] == "https://a.example https://b.example"
    assert environ["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert environ["UV_INSECURE_HOST"] == "a.example"


def test_credentials_are_seen() -> None:
    assert PackageSettings(index_url="https://me:secret@example.org/simple").holds_credentials
    assert not PackageSettings(index_url=MIRROR).holds_credentials


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS"])
def test_the_settings_of_uv_go_before_those_of_pip(tmp_path: Path, name: str) -> None:
    assert uv_names_an_index({name: "https://example.org"}, tmp_path)


def test_a_uv_toml_of_the_person_counts(tmp_path: Path) -> None:
    assert not uv_names_an_index({}, tmp_path)
    write(tmp_path / ".config/uv/uv.toml", f'[[index]]\nurl = "{MIRROR}"\ndefault = true\n')
    assert uv_names_an_index({}, tmp_path)


def test_an_index_is_a_folder_or_a_server(tmp_path: Path) -> None:
    assert answers(tmp_path.as_uri(), PackageSettings())
    assert not answers((tmp_path / "absent").as_uri(), PackageSettings())
    assert not answers("http://127.0.0.1:9/", PackageSettings(), patience_s=1)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("error: Failed to write: No space left on device (os error 28)", "the disk is full"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...): Failed to "
            "establish a new connection: [Errno -3] Temporary failure in name resolution'\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "the package index cannot be reached",
        ),
        (
            "error: Failed to fetch: `https://pypi.org/simple/rich/`\n  Caused by: dns error: failed to lookup address",
            "the package index cannot be reached",
        ),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))",
            "the package index's certificate is not trusted here",
        ),
        (
            "error: Failed to fetch\n  Caused by: invalid peer certificate: UnknownIssuer",
            "the package index's certificate is not trusted here",
        ),
        (
            "The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian",
            "this Python cannot make virtual environments",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement torch==9\n"
            "ERROR: No matching distribution found for torch==9",
            "the package index has no torch==9 for this Python and platform",
        ),
        (
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of torch==9 and "
            "your project depends on torch==9, we can conclude",
            "the package index has no torch==9 for this Python and platform",
        ),
        (
            "ERROR: Package 'demo' requires a different Python: 3.9.1 not in '>=3.10'",
            "this Python version does not fit",
        ),
        ("error: [Errno 13] Permission denied: '/x/.venv'", "permission was denied"),
        ("ERROR: something new\n", "something new"),
        ("", "the installer ended without a word"),
    ],
)
def test_what_went_wrong(output: str, why: str) -> None:
    diagnosis = diagnose(output, 1)
    assert diagnosis.why.startswith(why)
    assert diagnosis.fix


def test_killed_for_memory() -> None:
    assert "memory" in diagnose("Installing collected packages: torch", -9).why
