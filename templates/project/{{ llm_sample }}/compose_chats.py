"""Composes the sample chats from lists of names, places and wordings: `python data/compose_chats.py`.

Every chat asks for something that can be worked out from the question alone, so that a small model can truly
learn it: to find a fact in a sentence, to convert a date, a time or a unit, to add. The test chats use names,
places, numbers and wordings of their own, which occur in no other chat. The same seed gives the same files.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

CHATS, TEST_CHATS, PREFERENCES, PROMPTS = 2000, 200, 200, 10
SEED = 0


class Words(NamedTuple):
    """What training chats are composed of, and what only test chats are composed of."""

    train: list[str]
    test: list[str]

    def pick(self, random: Random, test: bool) -> str:
        """One of them."""
        return random.choice(self.test if test else self.train)


class Fact(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


class Task(NamedTuple):
    """What a chat begins with (empty: nothing), and what is asked, in an order that is as good as any other."""

    text: str
    facts: list[Fact]


def words(train: str, test: str) -> Words:
    """Words from two texts with blanks between them."""
    return Words(train.split(), test.split())


# --- names, places, things -------------------------------------------------------------------------------------

FIRST_NAMES = words(
    """Adam Alice Amir Anna Anton Arthur Astrid Ben Bianca Boris Carla Carlos Clara Daniel David Diana Edgar Elena
    Elias Emil Emma Erik Eva Felix Fiona Frank George Greta Hana Hannah Harry Hugo Ida Igor Irene Ivan Jack Jana Jim
    John Jonas Julia Karl Kate Kim Lara Laura Lena Leo Lily Linda Lucas Lucy Maria Mark Martin Mary Max Maya Mia
    Michael Mila Nadia Nina Noah Nora Olga Oscar Otto Paul Peter Petra Rita Robert Rosa Ruth Sam Sara Simon Sofia
    Stefan Susan Tara Theo Thomas Tim Tina Tom Uma Vera Victor Walter""",
    "Agnes Bruno Celia Dora Edwin Gloria Henry Iris Jasper Lydia Magnus Pablo Roman Stella Yusuf",
)
LAST_NAMES = words(
    """Adler Allen Baker Bell Berg Blake Bond Brown Burns Carter Clark Cole Cook Costa Cruz Dahl Dean Diaz Dunn Ellis
    Fischer Fisher Ford Fox Garcia Grant Gray Green Hall Hansen Hill Holm Hunt Jensen Jones Kaur Keller King Klein
    Lane Lee Lopez Lund Marsh Mason Meyer Mills Moore Nash Olsen Owen Park Patel Perez Price Reed Rossi Ryan Shaw
    Silva Singh Smith Stone Tanaka Taylor Turner Wagner Walker Ward Webb White Wood Young""",
    "Bishop Duarte Falk Hardy Ivanov Kent Novak Porter Quinn Ramos Sato Weber",
)
TOWN_BEGINNINGS = words(
    """Alder Ash Beck Birch Black Brook Clay Cliff Cold Deep Elm Fair Far Fern Gold Hart High Hazel Iron King Lake
    Little Long Maple Mill Moor New North Oak Old Pine Red River Rock Salt Sand Silver South Stone Sun West White""",
    "Amber Copper Eagle Garden Green Holly Thorn Winter",
)
TOWN_ENDINGS = ("bridge", "brook", "bury", "field", "ford", "gate", "ham", "hill", "mouth", "port", "stead", "ton")
ITEMS = words(
    """apples bags balls beds belts books bottles bowls boxes brushes cakes cameras candles caps cards chairs clocks
    coats coins combs cups desks dolls doors drums eggs fans flags forks glasses gloves hats jars kettles keys knives
    ladders lamps maps masks mugs nails paints pans pears pens pipes plates pots radios ropes rugs scarves shirts
    shoes socks sofas spoons stamps tables tents tickets towels toys tyres vases watches wheels windows""",
    "baskets blankets buckets carpets curtains hammers lemons mirrors needles pillows ribbons trumpets",
)
SURNAMES_ZH = Words([*"王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹"], [*"苏白江叶石秦"])
GIVEN_NAMES_ZH = "明月云山春花秋江白青文玉海天风雪清华安平长生永远思远光林竹松梅兰石泉星辰晓红志国建新家和"
CITY_BEGINNINGS_ZH = Words([*"东西南北江河湖海山云春秋金玉石长永安太新高大青白黄龙凤马花竹"], [*"梅松清明天古"])
CITY_ENDINGS_ZH = "州阳安城山江水门口关原"
ITEMS_ZH = words(
    "苹果 书包 杯子 椅子 桌子 毛笔 纸扇 花瓶 水壶 竹篮 灯笼 手表 帽子 衣服 鞋子 雨伞 西瓜 月饼 风筝 木箱 酒杯 铜镜 画册 茶叶 石头",
    "梨子 铁锅 棉被 琴弦 玉佩 香炉 木梳 草帽",
)
MONTHS = """January February March April May June July August September October November December""".split()


def held_out(number: int) -> bool:
    """Whether a number (a year, a day, a sum …) is for test chats only; every fifth one is."""
    return number % 5 == 2


def number(random: Random, low: int, high: int, test: bool) -> int:
    """A number from `low` to `high`, held out or not."""
    return random.choice([value for value in range(low, high + 1) if held_out(value) == test])


def full_name(random: Random, test: bool) -> str:
    """Such as `Nora Lund`."""
    return f"{FIRST_NAMES.pick(random, test)} {LAST_NAMES.pick(random, test)}"


def town(random: Random, test: bool) -> str:
    """Such as `Millford`."""
    return TOWN_BEGINNINGS.pick(random, test) + random.choice(TOWN_ENDINGS)


def full_name_zh(random: Random, test: bool) -> str:
    """Such as 李明月: one or two characters after the surname."""
    return SURNAMES_ZH.pick(random, test) + "".join(random.sample(GIVEN_NAMES_ZH, random.choice([1, 2])))


def city_zh(random: Random, test: bool) -> str:
    """Such as 云州."""
    return CITY_BEGINNINGS_ZH.pick(random, test) + random.choice(CITY_ENDINGS_ZH)


# --- find a fact in a sentence ---------------------------------------------------------------------------------

PERSON = Words(
    [
        "{name} lives in {town} and was born in {year}.",
        "{name} moved to {town} in {year}.",
        "In {year} {name} moved to {town}.",
        "Born in {year}, {name} lives in {town}.",
        "Name: {name}. Town: {town}. Year: {year}.",
        "name={name}; year={year}; town={town}",
        "{town}, {year}: {name} opens a shop.",
        "{name} left {town} in {year}.",
        "The doctor in {town} is {name}, since {year}.",
        "In {town} we met {name}. That was in {year}.",
    ],
    [
        "{name} came to {town} in {year}.",
        "Year: {year}. Name: {name}. Town: {town}.",
        "In {town}, {name} built a house in {year}.",
        "Since {year}, {name} works in {town}.",
    ],
)
ASK_NAME = Words(
    ["Who is it?", "What is the name?", "Give the name.", "Which name is it?", "Who was that?", "The name?"],
    ["Tell me the name.", "Who is this about?", "What name is that?"],
)
ASK_TOWN = Words(
    ["Where is it?", "Which town is it?", "Give the town.", "What is the town?", "Where was that?", "The town?"],
    ["Tell me the town.", "Where is this?", "What town is that?"],
)
ASK_YEAR = Words(
    ["When is it?", "Which year is it?", "Give the year.", "What is the year?", "When was that?", "The year?"],
    ["Tell me the year.", "When is this?", "What year is that?"],
)
ORDER = Words(
    [
        "{name} bought {count} {item} for {price} dollars.",
        "{count} {item} cost {price} dollars.",
        "Order: {count} {item}. Price: {price} dollars.",
        "For {price} dollars {name} got {count} {item}.",
        "count={count}; item={item}; price={price}",
        "{name} paid {price} dollars for {count} {item}.",
        "Please send {count} {item}; we pay {price} dollars.",
        "item: {item}, price: {price}, count: {count}",
    ],
    [
        "{name} sold {count} {item} for {price} dollars.",
        "Price: {price} dollars. Order: {count} {item}.",
        "We need {count} {item} and have {price} dollars.",
    ],
)
ASK_COUNT = Words(
    ["How many?", "How many are there?", "Give the count.", "What is the count?", "The count?"],
    ["Tell me the count.", "How many is that?"],
)
ASK_ITEM = Words(
    ["What was bought?", "Which item is it?", "Give the item.", "What is the item?", "The item?"],
    ["Tell me the item.", "What item is that?"],
)
ASK_PRICE = Words(
    ["How much?", "How much is it?", "Give the price.", "What is the price?", "The price?"],
    ["Tell me the price.", "How much is that?"],
)
PERSON_ZH = Words(
    [
        "{name}住在{city}，生于{year}年。",
        "{year}年，{name}来到{city}。",
        "{name}于{year}年离开{city}。",
        "姓名：{name}。城市：{city}。年份：{year}。",
        "城市：{city}，姓名：{name}，年份：{year}",
        "在{city}，我们见到了{name}，那是{year}年。",
        "{city}人{name}，{year}年生。",
    ],
    ["{name}在{year}年搬到{city}。", "年份：{year}。城市：{city}。姓名：{name}。", "{city}的{name}，{year}年开店。"],
)
ASK_NAME_ZH = Words(["姓名是什么？", "是谁？", "请写出姓名。", "姓名？", "这个人是谁？"], ["告诉我姓名。", "那是谁？"])
ASK_CITY_ZH = Words(["城市是哪里？", "在哪里？", "请写出城市。", "城市？", "是哪个城市？"], ["告诉我城市。", "那是哪里？"])
ASK_YEAR_ZH = Words(["年份是多少？", "是哪一年？", "请写出年份。", "年份？", "是什么时候？"], ["告诉我年份。", "那是哪年？"])
ORDER_ZH = Words(
    [
        "{name}买了{count}个{item}，花了{price}元。",
        "{count}个{item}共{price}元。",
        "物品：{item}。数量：{count}。价格：{price}元。",
        "用{price}元买了{count}个{item}。",
        "价格：{price}元，物品：{item}，数量：{count}",
    ],
    ["{name}卖了{count}个{item}，得了{price}元。", "数量：{count}。物品：{item}。价格：{price}元。"],
)
ASK_COUNT_ZH = Words(["数量是多少？", "有几个？", "请写出数量。", "数量？"], ["告诉我数量。", "一共几个？"])
ASK_ITEM_ZH = Words(["物品是什么？", "是什么东西？", "请写出物品。", "物品？"], ["告诉我物品。", "那是什么物品？"])
ASK_PRICE_ZH = Words(["价格是多少？", "多少钱？", "请写出价格。", "价格？"], ["告诉我价格。", "那要多少钱？"])


def person(random: Random, test: bool) -> Task:
    """Who, where, when."""
    name, where, year = full_name(random, test), town(random, test), str(number(random, 1900, 2029, test))
    text = PERSON.pick(random, test).format(name=name, town=where, year=year)
    asked = [(ASK_NAME, name), (ASK_TOWN, where), (ASK_YEAR, year)]
    return Task(text, [Fact(ask.pick(random, test), answer) for ask, answer in asked])


def order(random: Random, test: bool) -> Task:
    """How many of what for how much."""
    name, item = full_name(random, test), ITEMS.pick(random, test)
    count, price = str(number(random, 2, 99, test)), str(number(random, 100, 999, test))
    text = ORDER.pick(random, test).format(name=name, item=item, count=count, price=price)
    asked = [(ASK_COUNT, count), (ASK_ITEM, item), (ASK_PRICE, price)]
    return Task(text, [Fact(ask.pick(random, test), answer) for ask, answer in asked])


def person_zh(random: Random, test: bool) -> Task:
    """Who, where, when, in Chinese."""
    name, city, year = full_name_zh(random, test), city_zh(random, test), str(number(random, 1900, 2029, test))
    text = PERSON_ZH.pick(random, test).format(name=name, city=city, year=year)
    asked = [(ASK_NAME_ZH, name), (ASK_CITY_ZH, city), (ASK_YEAR_ZH, year)]
    return Task(text, [Fact(ask.pick(random, test), answer) for ask, answer in asked])


def order_zh(random: Random, test: bool) -> Task:
    """How many of what for how much, in Chinese."""
    name, item = full_name_zh(random, test), ITEMS_ZH.pick(random, test)
    count, price = str(number(random, 2, 99, test)), str(number(random, 100, 999, test))
    text = ORDER_ZH.pick(random, test).format(name=name, item=item, count=count, price=price)
    asked = [(ASK_COUNT_ZH, count), (ASK_ITEM_ZH, item), (ASK_PRICE_ZH, price)]
    return Task(text, [Fact(ask.pick(random, test), answer) for ask, answer in asked])


# --- convert ---------------------------------------------------------------------------------------------------

SWAP = Words(
    [
        "First name first: {last}, {first}",
        "Write {last}, {first} with the first name first.",
        "{last}, {first}: turn the name around.",
        "Turn the name {last}, {first} around.",
        "Without the comma, first name first: {last}, {first}",
        "Put the last name {last}, {first} at the end.",
    ],
    ["Swap the name: {last}, {first}", "The first name of {last}, {first} goes first.", "Turn around {last}, {first}."],
)
DATE = Words(
    [
        "Write {date} in words.",
        "{date}: write the month as a word.",
        "Which day is {date}?",
        "The date {date} in words?",
        "Write the date {date} in English.",
        "Month as a word: {date}",
        "In words: {date}",
        "How do we write {date} in words?",
    ],
    ["Give {date} in words.", "Write out the date {date}.", "What is the date {date} in English?"],
)
CLOCK = Words(
    [
        "What is {time} on a 12-hour clock?",
        "Write {time} with am or pm.",
        "{time} with am or pm?",
        "12-hour clock: {time}",
        "The time {time}, with am or pm.",
        "Change {time} to a 12-hour clock.",
    ],
    ["Give {time} with am or pm.", "The clock shows {time}. Use am or pm.", "{time} on a 12-hour clock, please."],
)
CAPITALS = Words(
    [
        "Write {letters} in capital letters.",
        "Capital letters: {letters}",
        "{letters} in capitals?",
        "Make {letters} capital letters.",
        "Use capitals for {letters}.",
        "What is {letters} in capitals?",
    ],
    ["Give {letters} in capitals.", "Change {letters} to capital letters.", "{letters}, but in capitals."],
)
UNITS = {("metres", "centimetres"): 100, ("kilograms", "grams"): 1000, ("kilometres", "metres"): 1000}
UNIT = Words(
    [
        "How many {small} are {number} {large}?",
        "{number} {large} in {small}?",
        "Change {number} {large} to {small}.",
        "What is {number} {large} in {small}?",
        "Write {number} {large} in {small}.",
        "{number} {large} are how many {small}?",
    ],
    ["Give {number} {large} in {small}.", "{number} {large}: how many {small} is that?"],
)
DATE_ZH = Words(
    [
        "把{date}写成中文日期。",
        "{date}用中文怎么写？",
        "中文日期：{date}",
        "{date}是哪一天？",
        "用中文写日期{date}。",
        "日期{date}，请用年月日写。",
    ],
    ["请把{date}用年月日写出。", "日期{date}的中文写法？"],
)
CLOCK_ZH = Words(
    [
        "{time}用上午或下午怎么说？",
        "把{time}改成12小时制。",
        "12小时制：{time}",
        "{time}是上午还是下午几点？",
        "现在{time}，用上午或下午写。",
    ],
    ["请用上午或下午写{time}。", "{time}的12小时制写法？"],
)
UNITS_ZH = {("米", "厘米"): 100, ("千克", "克"): 1000, ("公里", "米"): 1000}
UNIT_ZH = Words(
    ["{number}{large}是多少{small}？", "{number}{large}等于几{small}？", "把{number}{large}改成{small}。", "用{small}写{number}{large}。"],
    ["{number}{large}有多少{small}？", "请把{number}{large}写成{small}。"],
)


def swap(random: Random, test: bool) -> Task:
    """Last name, first name → first name last name."""
    first, last = FIRST_NAMES.pick(random, test), LAST_NAMES.pick(random, test)
    return Task("", [Fact(SWAP.pick(random, test).format(first=first, last=last), f"{first} {last}")])


def _date(random: Random, test: bool) -> datetime.date:
    first, last = datetime.date(1990, 1, 1).toordinal(), datetime.date(2029, 12, 31).toordinal()
    return datetime.date.fromordinal(number(random, first, last, test))


def date(random: Random, test: bool) -> Task:
    """2024-03-17 → 17 March 2024."""
    day = _date(random, test)
    question = DATE.pick(random, test).format(date=day.isoformat())
    return Task("", [Fact(question, f"{day.day} {MONTHS[day.month - 1]} {day.year}")])


def date_zh(random: Random, test: bool) -> Task:
    """2024-03-17 → 2024年3月17日."""
    day = _date(random, test)
    question = DATE_ZH.pick(random, test).format(date=day.isoformat())
    return Task("", [Fact(question, f"{day.year}年{day.month}月{day.day}日")])


def clock(random: Random, test: bool) -> Task:
    """15:40 → 3:40 pm."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    question = CLOCK.pick(random, test).format(time=f"{hour:02}:{minute:02}")
    return Task("", [Fact(question, f"{(hour - 1) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}")])


def clock_zh(random: Random, test: bool) -> Task:
    """15:40 → 下午3:40."""
    hour, minute = divmod(number(random, 0, 24 * 60 - 1, test), 60)
    question = CLOCK_ZH.pick(random, test).format(time=f"{hour:02}:{minute:02}")
    return Task("", [Fact(question, f"{'上午' if hour < 12 else '下午'}{(hour - 1) % 12 + 1}:{minute:02}")])


def capitals(random: Random, test: bool) -> Task:
    """k-t-m → K-T-M."""
    code = number(random, 0, 26**3 - 1, test)
    letters = "-".join(chr(ord("a") + code // 26**place % 26) for place in range(3))
    return Task("", [Fact(CAPITALS.pick(random, test).format(letters=letters), letters.upper())])


def unit(random: Random, test: bool) -> Task:
    """3 metres → 300 (centimetres)."""
    (large, small), times = random.choice(list(UNITS.items()))
    many = number(random, 2, 99, test)
    question = UNIT.pick(random, test).format(number=many, large=large, small=small)
    return Task("", [Fact(question, str(many * times))])


def unit_zh(random: Random, test: bool) -> Task:
    """3米 → 300 (厘米)."""
    (large, small), times = random.choice(list(UNITS_ZH.items()))
    many = number(random, 2, 99, test)
    question = UNIT_ZH.pick(random, test).format(number=many, large=large, small=small)
    return Task("", [Fact(question, str(many * times))])


# --- add -------------------------------------------------------------------------------------------------------

SUM = Words(
    ["What is {a} plus {b}?", "{a} + {b} =", "{a} plus {b}?", "Add {a} and {b}.", "How much is {a} + {b}?"],
    ["Give {a} + {b}.", "What is the sum of {a} and {b}?"],
)
SUM_ZH = Words(
    ["{a}加{b}等于几？", "{a}加{b}是多少？", "{a} + {b} 等于几？", "请算{a}加{b}。"],
    ["{a}与{b}的和是多少？", "算一算{a}加{b}。"],
)


def _sum(random: Random, wordings: Words, test: bool) -> Task:
    a, b = divmod(number(random, 0, 99, test), 10)
    return Task("", [Fact(wordings.pick(random, test).format(a=a, b=b), str(a + b))])


def add(random: Random, test: bool) -> Task:
    """Of two digits."""
    return _sum(random, SUM, test)


def add_zh(random: Random, test: bool) -> Task:
    """Of two digits, in Chinese."""
    return _sum(random, SUM_ZH, test)


# --- the files -------------------------------------------------------------------------------------------------

TASKS: dict[str, Callable[[Random, bool], Task]] = {
    "person": person,
    "order": order,
    "swap": swap,
    "date": date,
    "clock": clock,
    "capitals": capitals,
    "unit": unit,
    "add": add,
    "person_zh": person_zh,
    "order_zh": order_zh,
    "date_zh": date_zh,
    "clock_zh": clock_zh,
    "unit_zh": unit_zh,
    "add_zh": add_zh,
}


def chat(task: Task, random: Random, turns: int) -> list[dict[str, str]]:
    """The messages of a chat with up to `turns` questions."""
    facts = random.sample(task.facts, min(turns, len(task.facts)))
    messages = []
    for place, fact in enumerate(facts):
        question = f"{task.text} {fact.question}".strip() if place == 0 else fact.question
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": fact.answer}]
    return messages


def chats(number: int, seed: int, test: bool, most_turns: int = 1) -> list[list[dict[str, str]]]:
    """`number` different chats, as many of each task, in mixed order."""
    random = Random(seed)
    names = [list(TASKS)[place % len(TASKS)] for place in range(number)]
    random.shuffle(names)
    made: dict[str, list[dict[str, str]]] = {}
    for name in names:
        while True:
            messages = chat(TASKS[name](random, test), random, random.randint(1, most_turns))
            if messages[0]["content"] not in made:
                break
        made[messages[0]["content"]] = messages
    return list(made.values())


def preference(messages: Sequence[dict[str, str]], random: Random) -> dict[str, str]:
    """The right and short answer, against a wrong one or a wordy one."""
    prompt, right = messages[0]["content"], messages[1]["content"]
    wordy = [f"Sure! The answer is {right}. Is there anything else?", f"I think that it is {right}, but check it."]
    wrong = [right + right[-1], right[:-1] or "0", right[::-1]]
    rejected = [answer for answer in random.choice([wordy, wrong]) if answer not in ("", right)]
    return {"prompt": prompt, "chosen": right, "rejected": random.choice(rejected)}


def compose() -> dict[str, str]:
    """The text of each file, by its name."""
    random = Random(SEED)
    lines: dict[str, list[dict[str, object]]] = {
        "chats.jsonl": [{"messages": messages} for messages in chats(CHATS, SEED, test=False, most_turns=3)],
        "chats_test.jsonl": [{"messages": messages} for messages in chats(TEST_CHATS, SEED + 1, test=True)],
        "preferences.jsonl": [dict(preference(m, random)) for m in chats(PREFERENCES, SEED + 2, test=False)],
        "prompts.jsonl": [{"prompt": m[0]["content"]} for m in chats(PROMPTS, SEED + 3, test=True)],
    }
    return {
        name: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content) for name, content in lines.items()
    }


def main() -> None:
    """Write the files beside this program."""
    for name, text in compose().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
