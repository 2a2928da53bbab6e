"""Composes the sample chats from the lists in chat_words.py: `python data/compose_chats.py`.

Every question can be answered from itself alone, so that a small model can truly learn it: to find a number
in a sentence, to convert a date, a time or a unit. The test chats use names, things, numbers and wordings of
their own, which occur in no other chat. The same seed gives the same files.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import chat_words as lists

CHATS, TEST_CHATS, PREFERENCES, PROMPTS = 1800, 200, 200, 10
TURNS = 3  # questions of a training chat; a test chat has one
FRAMED = 0.3  # share of the questions with something before them, and with something after them
SEED = 0

Messages = list[dict[str, str]]
Turn = tuple[str, str]  # question and answer


def held_out(value: int) -> bool:
    """Whether a number (a day, a minute, …) is for test chats only: one in seven, with any last digit."""
    return value % 7 == 3


def number(random: Random, low: int, high: int, test: bool) -> int:
    """A number from `low` to `high`, held out or not."""
    while held_out(value := random.randint(low, high)) != test:
        pass
    return value


def framed(question: str, random: Random, test: bool, chinese: bool) -> str:
    """The question, now and then with something before and after it."""
    openings, endings = (lists.OPENINGS_ZH, lists.ENDINGS_ZH) if chinese else (lists.OPENINGS, lists.ENDINGS)
    blank = "" if chinese else " "
    if random.random() < FRAMED:
        question = openings.pick(random, test) + blank + question
    if random.random() < FRAMED:
        question += blank + endings.pick(random, test)
    return question


# --- find a number in a sentence ---


def order(random: Random, test: bool) -> Turn:
    """How many for how much."""
    values = {
        "name": lists.FIRST_NAMES.pick(random, test),
        "item": lists.ITEMS.pick(random, test),
        **amounts(random, test),
    }
    wanted = random.choice(list(lists.ASK_ORDER))
    asked = lists.ASK_ORDER[wanted].pick(random, test)
    question = f"{lists.ORDER.pick(random, test).format(**values)} {asked}"
    return framed(question, random, test, chinese=False), values[wanted]


def order_zh(random: Random, test: bool) -> Turn:
    """How many for how much, in Chinese."""
    values = {
        "name": lists.SURNAMES_ZH.pick(random, test) + random.choice(lists.GIVEN_NAMES_ZH),
        "item": lists.ITEMS_ZH.pick(random, test),
        **amounts(random, test),
    }
    wanted = random.choice(list(lists.ASK_ORDER_ZH))
    asked = lists.ASK_ORDER_ZH[wanted].pick(random, test)
    question = lists.ORDER_ZH.pick(random, test).format(**values) + asked
    return framed(question, random, test, chinese=True), values[wanted]


def amounts(random: Random, test: bool) -> dict[str, str]:
    """How many for how much."""
    return {"count": str(number(random, 2, 99, test)), "price": str(number(random, 100, 999, test))}


# --- convert ---


def some_day(random: Random, test: bool) -> datetime.date:
    """From 1990 to 2029."""
    first, last = datetime.date(1990, 1, 1).toordinal(), datetime.date(2029, 12, 31).toordinal()
    return datetime.date.fromordinal(number(random, first, last, test))


def date(random: Random, test: bool) -> Turn:
    """2024-03-17 → 17 March 2024."""
    day = some_day(random, test)
    question = lists.DATE.pick(random, test).format(date=day)
    answer = f"{day.day} {lists.MONTHS[day.month - 1]} {day.year}"
    return framed(question, random, test, chinese=False), answer


def date_zh(random: Random, test: bool) -> Turn:
    """2024-03-17 → 2024年3月17日."""
    day = some_day(random, test)
    question = lists.DATE_ZH.pick(random, test).format(date=day)
    return framed(question, random, test, chinese=True), f"{day.year}年{day.month}月{day.day}日"


def clock(random: Random, test: bool) -> Turn:
    """15:40 → 3:40 pm."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    question = lists.CLOCK.pick(random, test).format(time=f"{hour:02}:{minute:02}")
    answer = f"{(hour - 1) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}"
    return framed(question, random, test, chinese=False), answer


def clock_zh(random: Random, test: bool) -> Turn:
    """15:40 → 下午3:40."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    question = lists.CLOCK_ZH.pick(random, test).format(time=f"{hour:02}:{minute:02}")
    answer = f"{'上午' if hour < 12 else '下午'}{(hour - 1) % 12 + 1}:{minute:02}"
    return framed(question, random, test, chinese=True), answer


def unit(random: Random, test: bool) -> Turn:
    """3 metres → 300 (centimetres)."""
    (large, small), times = random.choice(list(lists.UNITS.items()))
    many = number(random, 2, 999, test)
    question = lists.UNIT.pick(random, test).format(many=many, large=large, small=small)
    return framed(question, random, test, chinese=False), str(many * times)


def unit_zh(random: Random, test: bool) -> Turn:
    """3米 → 300 (厘米)."""
    (large, small), times = random.choice(list(lists.UNITS_ZH.items()))
    many = number(random, 2, 999, test)
    question = lists.UNIT_ZH.pick(random, test).format(many=many, large=large, small=small)
    return framed(question, random, test, chinese=True), str(many * times)


# --- the files ---

TASKS: list[Callable[[Random, bool], Turn]] = [
    *(order, date, clock, unit),
    *(order_zh, date_zh, clock_zh, unit_zh),
]


def chats(count: int, seed: int, test: bool, turns: int = 1) -> list[Messages]:
    """`count` chats of `turns` questions each, as many of each task, whose first questions differ."""
    random = Random(seed)
    tasks = [TASKS[place % len(TASKS)] for place in range(count * turns)]
    random.shuffle(tasks)
    made: dict[str, Messages] = {}
    while len(made) < count:
        messages = []
        for task in tasks[len(made) * turns :][:turns]:
            question, answer = task(random, test)
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        made.setdefault(messages[0]["content"], messages)
    return list(made.values())


def preference(messages: Messages, random: Random) -> dict[str, str]:
    """The right and short answer, against a wrong one or a wordy one."""
    prompt, right = messages[0]["content"], messages[1]["content"]
    wordy = [f"Sure! The answer is {right}. Is there anything else?", f"I think it is {right}, but check it."]
    wrong = [right + right[-1], right[1:] or "0" + right]
    return {"prompt": prompt, "chosen": right, "rejected": random.choice(random.choice([wordy, wrong]))}


def compose() -> dict[str, str]:
    """The text of each file, by its name."""
    random = Random(SEED)
    lines: dict[str, Sequence[object]] = {
        "chats.jsonl": [{"messages": messages} for messages in chats(CHATS, SEED, False, TURNS)],
        "chats_test.jsonl": [{"messages": messages} for messages in chats(TEST_CHATS, SEED + 1, True)],
        "preferences.jsonl": [
            preference(messages, random) for messages in chats(PREFERENCES, SEED + 2, False)
        ],
        "prompts.jsonl": [{"prompt": messages[0]["content"]} for messages in chats(PROMPTS, SEED + 3, True)],
    }
    return {
        name: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        for name, content in lines.items()
    }


def main() -> None:
    """Write the files beside this program."""
    for name, text in compose().items():
        Path(__file__).with_name(name).write_bytes(text.encode())


if __name__ == "__main__":
    main()
