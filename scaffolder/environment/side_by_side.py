"""Ask several programs at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def side_by_side(work: Callable[[Item], Answer], items: Iterable[Item], *, most: int = 16) -> list[Answer]:
    """`work` of every item, in their order, `most` at a time.

    In daemon threads, unlike concurrent.futures: a program that cannot even be killed, because it waits for a driver,
    must not keep ours from ending.

    Raises:
        Exception: What `work` raised first.
    """
    room = threading.Semaphore(most)
    answers: dict[int, Answer] = {}
    errors: list[Exception] = []

    def one(number: int, item: Item) -> None:
        with room:
            try:
                answers[number] = work(item)
            except Exception as error:
                errors.append(error)

    threads = [
        threading.Thread(target=one, args=(number, item), daemon=True, name=f"ask-{number}")
        for number, item in enumerate(items)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [answers[number] for number in sorted(answers)]
