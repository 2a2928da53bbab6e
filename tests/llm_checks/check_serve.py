"""A served model answers OpenAI's own client, a chat in a pipe and in a terminal answers, and both end cleanly.

Run in a generated project of the task `llm`, by its Python: the scripts are started as a person would start them, with
a small random model. On Windows the terminal is left out.
"""

import importlib
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

WAIT = 240  # seconds for a script to get ready on a machine with much else to do
MESSAGES: list[Any] = [{"role": "user", "content": "The river runs to the sea. 你好 🙂"}]
TEXT = "The river runs to the sea. 你好，世界 🙂 — it's 12345. " * 20


def part(name: str) -> Any:
    """A module of the project in the working directory."""
    package = next(Path.cwd().glob("*/trainee.py")).parent.name
    return importlib.import_module(f"{package}.{name}")


def make_model(folder: Path) -> Path:
    """A small random model."""
    part("tokenizer").train_tokenizer([TEXT], 320, folder / "tokenizer")
    sizes = {"hidden_size": 64, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate_size": 96, "context": 256}
    config = part("config").ModelConfig(vocabulary=320, **sizes)
    part("trainee").new_trainee(config, folder / "tokenizer", 0).save(folder / "model")
    return folder / "model"


class Server:
    """serve.py in a process of its own."""

    def __init__(self, model: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "serve.py", "--run", str(model), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
        )
        self.said: list[str] = []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        assert self.ready.wait(WAIT), self.said
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", "".join(self.said))
        assert found, self.said
        self.port = int(found[1])
        self.client = openai.OpenAI(base_url=found[0], api_key="none", max_retries=0, timeout=120)

    def read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line)
            if "/v1 (Ctrl-C ends)" in line:
                self.ready.set()
        self.ready.set()

    def stop(self, number: int) -> int:
        """End it as a person or a system does; gives the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.reader.join()
        return code


def check_answers(server: Server) -> None:
    """Whole and streamed answers are equal; errors are those of OpenAI's client; two at a time both come."""
    client, name = server.client, server.client.models.list().data[0].id
    asked: dict[str, Any] = {"model": name, "messages": MESSAGES, "temperature": 0, "max_tokens": 24}
    whole = client.chat.completions.create(**asked)
    assert whole.usage and whole.usage.completion_tokens <= 24
    events = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert streamed == whole.choices[0].message.content, (streamed, whole)
    assert events[-1].usage == whole.usage
    seeded = [
        client.chat.completions.create(**{**asked, "temperature": 1.0}, seed=seed).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert seeded[0] == seeded[1] != seeded[2], seeded
    unseeded = [client.chat.completions.create(**{**asked, "temperature": 1.0}).choices[0].message for _ in range(2)]
    assert unseeded[0] != unseeded[1], unseeded
    assert client.completions.create(model=name, prompt="The river", max_tokens=4, temperature=0).choices[0].text
    for wrong, kind in (
        ({"n": 2}, openai.BadRequestError),
        ({"messages": [{"role": "user", "content": "x " * 600}]}, openai.BadRequestError),
    ):
        refuse(client, {**asked, **wrong}, kind)
    texts: list[Any] = []
    threads = [threading.Thread(target=lambda: texts.append(client.chat.completions.create(**asked))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.choices[0].message.content for one in texts} == {streamed}
    print("serve: answers, streams, errors, several clients: as they should be")


def check_readme(server: Server) -> None:
    """The README's example, with the port of this server."""
    example = re.search(r"```python\n(from openai .*?)```", Path("README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example
    script = example[1].replace(":8000/", f":{server.port}/")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=WAIT)
    assert ended.returncode == 0 and ended.stdout and not ended.stderr, ended
    print("serve: the README's example runs")


def refuse(client: openai.OpenAI, asked: dict[str, Any], kind: type[openai.APIStatusError]) -> None:
    """The server must answer with an error of this kind."""
    try:
        client.chat.completions.create(**asked)
    except kind as error:
        assert error.message
        return
    raise AssertionError(f"{asked} was accepted")


def check_disconnect(server: Server) -> None:
    """A client that leaves frees the model for the next."""
    name = server.client.models.list().data[0].id
    stream = server.client.completions.create(model=name, prompt="The", max_tokens=240, stream=True)
    next(iter(stream))
    stream.close()
    started = time.perf_counter()
    server.client.completions.create(model=name, prompt="The", max_tokens=1)
    print(f"serve: the next answer {time.perf_counter() - started:.2f} s after a client left")


def check_port_in_use(model: Path, port: int) -> None:
    """One sentence, exit code 2."""
    command = [sys.executable, "serve.py", "--run", str(model), "--port", str(port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert ended.returncode == 2, ended
    assert f"Port {port} is in use" in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
    print("serve: a port in use is one sentence")


def check_pipe(model: Path) -> None:
    """chat.py where the input is no terminal: answers, commands, the end of the input."""
    command = [sys.executable, "chat.py", "--run", str(model), "--sampling.max_new_tokens", "8"]
    typed = "Hello 你好\n/help\n/reset\nAgain\n"
    ended = subprocess.run(
        command, input=typed, capture_output=True, text=True, encoding="utf-8", timeout=WAIT,
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended
    assert "/system TEXT" in ended.stdout and "Traceback" not in ended.stderr, ended
    print("chat: a pipe is answered, its end ends the chat")


def check_terminal(model: Path) -> None:
    """chat.py in a terminal: an answer, Ctrl-C in the middle of one, Ctrl-C twice, exit code 0."""
    import fcntl
    import pty
    import termios

    command = [sys.executable, "chat.py", "--run", str(model), "--sampling.max_new_tokens", "200"]
    own, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = subprocess.Popen(
        command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C becomes a signal
    )  # fmt: skip
    os.close(other)
    said = bytearray()

    def read_until(done: Callable[[], bool], seconds: float = WAIT) -> bool:
        """Read what the terminal shows until `done`, or the time is over."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            if select.select([own], [], [], 0.1)[0]:
                try:
                    said.extend(os.read(own, 4096))
                except OSError:  # the other end is closed
                    return done()
        return True

    try:
        assert read_until(lambda: b">" in said.partition(b"/exit ends.")[2]), bytes(said)
        os.write(own, b"Hello\r")
        shown = len(said)
        assert read_until(lambda: len(said) > shown + 40), bytes(said)  # the answer has begun
        os.write(own, b"\x03")  # stops the answer; where that was over, it is the first of two at the prompt
        assert read_until(lambda: b"(Stopped.)" in said or b"once more ends" in said), bytes(said)
        if b"once more ends" not in said:
            read_until(lambda: False, 2)  # until the prompt is there
            os.write(own, b"\x03")
            assert read_until(lambda: b"once more ends" in said), bytes(said)
        read_until(lambda: False, 2)
        os.write(own, b"\x03")
        read_until(lambda: process.poll() is not None)
        code = process.wait(20)
    finally:
        process.kill()
        os.close(own)
    assert code == 0, (code, bytes(said))
    assert b"Traceback" not in said, bytes(said)
    when = "in the middle" if b"(Stopped.)" in said else "after the end"
    print(f"chat: a terminal is answered; Ctrl-C came {when} of an answer, twice it ended the chat")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        model = make_model(Path(place))
        server = Server(model)
        try:
            check_answers(server)
            check_readme(server)
            check_disconnect(server)
            check_port_in_use(model, server.port)
        finally:
            code = server.stop(signal.SIGINT)
        said = "".join(server.said)
        assert code in (0, 130) and "Traceback" not in said, (code, said)
        named = Server(model, "--name", "mine")
        refuse(named.client, {"model": "other", "messages": MESSAGES}, openai.NotFoundError)
        assert named.stop(signal.SIGTERM) == 0
        print("serve: Ctrl-C and SIGTERM end it cleanly")
        check_pipe(model)
        if os.name == "posix":
            check_terminal(model)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
