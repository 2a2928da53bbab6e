"""What only language model projects have, pressed as PyCharm would: chat, serve, check data, align, export, go on."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import psutil
import yaml

if TYPE_CHECKING:
    from test_cells_run import Project

#: A model is loaded and answers within this time; it is gone within the other after being stopped.
ANSWERS_WITHIN, STOPS_WITHIN = 120, 20


def check_language_model(project: Project, framework: str) -> None:
    """Press every run configuration that other tasks lack."""
    (checked,) = project.press("Check data")
    assert (checked / "report.html").exists()
    check_chat(project)
    check_server(project)
    if framework == "pytorch":
        (aligned,) = project.press("Align preferences")
        metrics = json.loads((aligned / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["after"]["reward_accuracy"] >= metrics["before"]["reward_accuracy"]
        (exported,) = project.press("Export")
        assert list(exported.rglob("*.gguf")) or list(exported.rglob("*.safetensors"))
        (continued,) = project.press("Continue pretraining")
        assert (continued / "model" / "config.json").exists()


def check_chat(project: Project) -> None:
    """A question is answered, and the door is where it says."""
    with project.pycharm.started("Chat") as running:
        running.wait_for(r"/exit", ANSWERS_WITHIN)
        running.process.sendline("What is 2 + 3?")
        running.wait_for(r"What is 2 \+ 3\?", ANSWERS_WITHIN)
        time.sleep(1)
        running.process.sendline("/exit")
        finished = running.finish(ANSWERS_WITHIN)
    assert finished.exit_code == 0, finished.output
    assert "Traceback" not in finished.output


def check_server(project: Project) -> None:
    """It answers as OpenAI's does, whole and piece by piece, and stops cleanly."""
    path = project.folder / "configs" / "serve.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**settings, "port": 0}), encoding="utf-8")
    with project.pycharm.started("Serve") as running:
        address = running.wait_for(r"http://127\.0\.0\.1:\d+/v1", ANSWERS_WITHIN).group()
        (model,) = ask(f"{address}/models")["data"]
        question = {"model": model["id"], "messages": [{"role": "user", "content": "What is 2 + 3?"}], "max_tokens": 8}
        answer = ask(f"{address}/chat/completions", question)
        assert answer["choices"][0]["message"]["role"] == "assistant"
        assert answer["usage"]["completion_tokens"] <= 8
        lines = stream(f"{address}/chat/completions", {**question, "stream": True})
        assert lines[-1] == "data: [DONE]"
        assert all("delta" in json.loads(line[6:])["choices"][0] for line in lines[:-1])
        family = running.family()
        running.stop()
        finished = running.finish(STOPS_WITHIN)
    assert finished.exit_code in (0, -2, 130), finished.output
    assert "Traceback" not in finished.output
    _gone, alive = psutil.wait_procs(family, timeout=STOPS_WITHIN)
    assert alive == []


def ask(address: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON that a server answers; asked again while it does not listen yet."""
    return json.loads(request(address, body))


def stream(address: str, body: dict[str, Any]) -> list[str]:
    """The lines of a stream of server-sent events."""
    return [line for line in request(address, body).splitlines() if line.startswith("data: ")]


def request(address: str, body: dict[str, Any] | None) -> str:
    data = None if body is None else json.dumps(body).encode()
    until = time.monotonic() + ANSWERS_WITHIN
    while (answer := try_request(urllib.request.Request(address, data, {"Content-Type": "application/json"}))) is None:
        assert time.monotonic() < until, f"{address} does not answer"
        time.sleep(0.2)
    return answer


def try_request(asked: urllib.request.Request) -> str | None:
    """What the server answers; None while nobody listens."""
    try:
        with urllib.request.urlopen(asked, timeout=ANSWERS_WITHIN) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{asked.full_url}: {error.code} {error.read().decode()}") from None
    except OSError:
        return None
