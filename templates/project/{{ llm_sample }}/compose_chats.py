"""Composes the sample chats from the lists in chat_words.py: `python data/compose_chats.py`.

Every chat asks for something that can be worked out from the question alone, so that a small model can truly
learn it: to find a fact in a sentence, to convert a date, a time or a unit, to add. The test chats use names,
places, numbers and wordings of their own, which occur in no other chat. The same seed gives the same files.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import chat_words as lists

CHATS, TEST_CHATS, PREFERENCES, PROMPTS = 2000, 200, 200, 10
SEED = 0

Messages = list[dict[str, str]]


class Fact(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


class Task(NamedTuple):
    """What a chat begins with (empty: nothing), and what can be asked."""

    text: str
    facts: list[Fact]


def held_out(value: int) -> bool:
    """Whether a number (a year, a day, a sum …) is for test chats only; one in seven, with any last digit."""
    return value % 7 == 3


def number(random: Random, low: int, high: int, test: bool) -> int:
    """A number from `low` to `high`, held out or not."""
    while held_out(value := random.randint(low, high)) != test:
        pass
    return value


def town(random: Random, test: bool) -> str:
    """Such as Millford."""
    return lists.TOWN_BEGINNINGS.pick(random, test) + random.choice(lists.TOWN_ENDINGS)


def name_zh(random: Random, test: bool) -> str:
    """Such as 李明."""
    return lists.SURNAMES_ZH.pick(random, test) + random.choice(lists.GIVEN_NAMES_ZH)


def city_zh(random: Random, test: bool) -> str:
    """Such as 云州."""
    return lists.CITY_BEGINNINGS_ZH.pick(random, test) + random.choice(lists.CITY_ENDINGS_ZH)


# --- find a fact in a sentence ---


def record(
    random: Random, test: bool, text: lists.Words, questions: dict[str, lists.Words], values: dict[str, str]
) -> Task:
    """A sentence with several values, each of which can be asked for."""
    facts = [Fact(asked.pick(random, test), values[name]) for name, asked in questions.items()]
    return Task(text.pick(random, test).format(**values), facts)


def person(random: Random, test: bool) -> Task:
    """Who, where, when."""
    values = {
        "name": lists.FIRST_NAMES.pick(random, test),
        "town": town(random, test),
        "year": str(number(random, 1900, 2029, test)),
    }
    return record(random, test, lists.PERSON, lists.ASK_PERSON, values)


def person_zh(random: Random, test: bool) -> Task:
    """Who, where, when, in Chinese."""
    year = str(number(random, 1900, 2029, test))
    values = {"name": name_zh(random, test), "city": city_zh(random, test), "year": year}
    return record(random, test, lists.PERSON_ZH, lists.ASK_PERSON_ZH, values)


def amounts(random: Random, test: bool) -> dict[str, str]:
    """How many for how much."""
    return {"count": str(number(random, 2, 99, test)), "price": str(number(random, 100, 999, test))}


def order(random: Random, test: bool) -> Task:
    """How many of what for how much."""
    values = {
        "name": lists.FIRST_NAMES.pick(random, test),
        "item": lists.ITEMS.pick(random, test),
        **amounts(random, test),
    }
    return record(random, test, lists.ORDER, lists.ASK_ORDER, values)


def order_zh(random: Random, test: bool) -> Task:
    """How many of what for how much, in Chinese."""
    values = {
        "name": name_zh(random, test),
        "item": lists.ITEMS_ZH.pick(random, test),
        **amounts(random, test),
    }
    return record(random, test, lists.ORDER_ZH, lists.ASK_ORDER_ZH, values)


# --- convert ---


def question(random: Random, test: bool, wording: lists.Words, answer: str, **values: object) -> Task:
    """A single question, with nothing before it."""
    return Task("", [Fact(wording.pick(random, test).format(**values), answer)])


def repeat(random: Random, test: bool) -> Task:
    """Nora 48 Millford → the same."""
    text = f"{lists.FIRST_NAMES.pick(random, test)} {number(random, 2, 999, test)} {town(random, test)}"
    return question(random, test, lists.REPEAT, text, text=text)


def repeat_zh(random: Random, test: bool) -> Task:
    """李明48云州 → the same."""
    text = f"{name_zh(random, test)}{number(random, 2, 999, test)}{city_zh(random, test)}"
    return question(random, test, lists.REPEAT_ZH, text, text=text)


def swap(random: Random, test: bool) -> Task:
    """Last name, first name → first name last name."""
    first, last = lists.FIRST_NAMES.pick(random, test), lists.LAST_NAMES.pick(random, test)
    return question(random, test, lists.SWAP, f"{first} {last}", first=first, last=last)


def some_day(random: Random, test: bool) -> datetime.date:
    """From 1990 to 2029."""
    first, last = datetime.date(1990, 1, 1).toordinal(), datetime.date(2029, 12, 31).toordinal()
    return datetime.date.fromordinal(number(random, first, last, test))


def date(random: Random, test: bool) -> Task:
    """2024-03-17 → 17 March 2024."""
    day = some_day(random, test)
    return question(random, test, lists.DATE, f"{day.day} {lists.MONTHS[day.month - 1]} {day.year}", date=day)


def date_zh(random: Random, test: bool) -> Task:
    """2024-03-17 → 2024年3月17日."""
    day = some_day(random, test)
    return question(random, test, lists.DATE_ZH, f"{day.year}年{day.month}月{day.day}日", date=day)


def clock(random: Random, test: bool) -> Task:
    """15:40 → 3:40 pm."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    answer = f"{(hour - 1) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}"
    return question(random, test, lists.CLOCK, answer, time=f"{hour:02}:{minute:02}")


def clock_zh(random: Random, test: bool) -> Task:
    """15:40 → 下午3:40."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    answer = f"{'上午' if hour < 12 else '下午'}{(hour - 1) % 12 + 1}:{minute:02}"
    return question(random, test, lists.CLOCK_ZH, answer, time=f"{hour:02}:{minute:02}")


def capitals(random: Random, test: bool) -> Task:
    """k-t-m → K-T-M."""
    code = number(random, 0, 26**3 - 1, test)
    letters = "-".join(chr(ord("a") + code // 26**place % 26) for place in range(3))
    return question(random, test, lists.CAPITALS, letters.upper(), letters=letters)


def unit(random: Random, test: bool) -> Task:
    """3 metres → 300 (centimetres)."""
    (large, small), times = random.choice(list(lists.UNITS.items()))
    many = number(random, 2, 99, test)
    return question(random, test, lists.UNIT, str(many * times), many=many, large=large, small=small)


def unit_zh(random: Random, test: bool) -> Task:
    """3米 → 300 (厘米)."""
    (large, small), times = random.choice(list(lists.UNITS_ZH.items()))
    many = number(random, 2, 99, test)
    return question(random, test, lists.UNIT_ZH, str(many * times), many=many, large=large, small=small)


def add(random: Random, test: bool) -> Task:
    """3 + 5 → 8."""
    a, b = divmod(number(random, 0, 99, test), 10)
    return question(random, test, lists.SUM, str(a + b), a=a, b=b)


def add_zh(random: Random, test: bool) -> Task:
    """3加5 → 8."""
    a, b = divmod(number(random, 0, 99, test), 10)
    return question(random, test, lists.SUM_ZH, str(a + b), a=a, b=b)


# --- the files ---

TASKS: list[Callable[[Random, bool], Task]] = [
    *(person, order, repeat, swap, date, clock, capitals, unit, add),
    *(person_zh, order_zh, repeat_zh, date_zh, clock_zh, unit_zh, add_zh),
]


def chat(task: Task, random: Random, turns: int) -> Messages:
    """The messages of a chat with up to `turns` questions."""
    messages: Messages = []
    for place, fact in enumerate(random.sample(task.facts, min(turns, len(task.facts)))):
        asked = f"{task.text} {fact.question}".strip() if place == 0 else fact.question
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": fact.answer}]
    return messages


def chats(count: int, seed: int, test: bool, most_turns: int = 1) -> list[Messages]:
    """`count` chats with different first questions, as many of each task, in mixed order."""
    random = Random(seed)
    tasks = [TASKS[place % len(TASKS)] for place in range(count)]
    random.shuffle(tasks)
    made: dict[str, Messages] = {}
    while tasks:
        messages = chat(tasks[-1](random, test), random, random.randint(1, most_turns))
        if messages[0]["content"] not in made:
            made[messages[0]["content"]] = messages
            tasks.pop()
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
    lines = {
        "chats.jsonl": [{"messages": messages} for messages in chats(CHATS, SEED, False, most_turns=3)],
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
