"""What compose_chats.py composes the sample chats of: names, places, things, sentences and questions."""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Words(NamedTuple):
    """What training chats are composed of, and what only test chats are composed of."""

    train: list[str]
    test: list[str]

    def pick(self, random: Random, test: bool) -> str:
        """One of them."""
        return random.choice(self.test if test else self.train)


def words(train: str, test: str) -> Words:
    """Words with blanks between them."""
    return Words(train.split(), test.split())


def signs(train: str, test: str) -> Words:
    """Single Chinese characters."""
    return Words(list(train), list(test))


def wordings(train: str, test: str) -> Words:
    """Sentences with | between them."""
    train_parts, test_parts = ([part.strip() for part in text.split("|")] for text in (train, test))
    return Words(train_parts, test_parts)


# --- names, places, things ---

FIRST_NAMES = words(
    """Adam Alice Amir Anna Anton Arthur Astrid Ben Bianca Boris Carla Carlos Clara Daniel David Diana Edgar
    Elena Elias Emil Emma Erik Eva Felix Fiona Frank George Greta Hana Hannah Harry Hugo Ida Igor Irene Ivan
    Jack Jana Jim John Jonas Julia Karl Kate Kim Lara Laura Lena Leo Lily Linda Lucas Lucy Maria Mark Martin
    Mary Max Maya Mia Michael Mila Nadia Nina Noah Nora Olga Oscar Otto Paul Peter Petra Rita Robert Rosa
    Ruth Sam Sara Simon Sofia Stefan Susan Tara Theo Thomas Tim Tina Tom Uma Vera Victor Walter""",
    "Agnes Bruno Celia Dora Edwin Gloria Henry Iris Jasper Lydia Magnus Pablo Roman Stella Yusuf",
)
LAST_NAMES = words(
    """Adler Allen Baker Bell Berg Blake Bond Brown Burns Carter Clark Cole Cook Costa Cruz Dahl Dean Diaz
    Dunn Ellis Fischer Fisher Ford Fox Garcia Grant Gray Green Hall Hansen Hill Holm Hunt Jensen Jones Kaur
    Keller King Klein Lane Lee Lopez Lund Marsh Mason Meyer Mills Moore Nash Olsen Owen Park Patel Perez
    Price Reed Rossi Ryan Shaw Silva Singh Smith Stone Tanaka Taylor Turner Wagner Walker Ward Webb White
    Wood Young""",
    "Bishop Duarte Falk Hardy Ivanov Kent Novak Porter Quinn Ramos Sato Weber",
)
TOWN_BEGINNINGS = words(
    """Alder Ash Beck Birch Black Brook Clay Cliff Cold Deep Elm Fair Far Fern Gold Hart High Hazel Iron King
    Lake Little Long Maple Mill Moor New North Oak Old Pine Red River Rock Salt Sand Silver South Stone Sun
    West White""",
    "Amber Copper Eagle Garden Holly Orchard Thorn Winter",
)
TOWN_ENDINGS = words("bridge brook bury field ford gate ham hill mouth port stead ton", "").train
ITEMS = words(
    """apples bags balls beds belts books bottles bowls boxes brushes cakes cameras candles caps cards chairs
    clocks coats coins combs cups desks dolls doors drums eggs fans flags forks glasses gloves hats jars
    kettles keys knives ladders lamps maps masks mugs nails paints pans pears pens pipes plates pots radios
    ropes rugs scarves shirts shoes socks sofas spoons stamps tables tents tickets towels toys tyres vases
    watches wheels windows""",
    "baskets blankets buckets carpets curtains hammers lemons mirrors needles pillows ribbons trumpets",
)
SURNAMES_ZH = signs("王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹", "苏白江叶石秦")
GIVEN_NAMES_ZH = "明月云山春花秋江白青文玉海天风雪清华安平长生永远思远光林竹松梅兰石泉星辰晓红志国建新家和"
CITY_BEGINNINGS_ZH = signs("东西南北江河湖海山云春秋金玉石长永安太新高大青白黄龙凤马花竹", "梅松清明天古")
CITY_ENDINGS_ZH = "州阳安城山江水门口关原"
ITEMS_ZH = words(
    """苹果 书包 杯子 椅子 桌子 毛笔 纸扇 花瓶 水壶 竹篮 灯笼 手表 帽子
    衣服 鞋子 雨伞 西瓜 月饼 风筝 木箱 酒杯 铜镜 画册 茶叶 石头""",
    "梨子 铁锅 棉被 琴弦 玉佩 香炉 木梳 草帽",
)
MONTHS = words(
    "January February March April May June July August September October November December", ""
).train

# --- find a fact in a sentence ---

PERSON = wordings(
    """{name} lives in {town} and was born in {year}. | {name} moved to {town} in {year}.
    | In {year} {name} moved to {town}. | Born in {year}, {name} lives in {town}.
    | Name: {name}. Town: {town}. Year: {year}. | name={name}; year={year}; town={town}
    | {town}, {year}: {name} opens a shop. | {name} left {town} in {year}.
    | The doctor in {town} is {name}, since {year}. | In {town} we met {name}. That was in {year}.""",
    """{name} came to {town} in {year}. | Year: {year}. Name: {name}. Town: {town}.
    | In {town}, {name} built a house in {year}. | Since {year}, {name} works in {town}.""",
)
ASK_PERSON = {
    "name": wordings(
        "Who is it? | What is the name? | Give the name. | Which name is it? | Who was that? | The name?",
        "Tell me the name. | Who is this? | What name is that?",
    ),
    "town": wordings(
        "Where is it? | Which town is it? | Give the town. | What is the town? | Where was that? | The town?",
        "Tell me the town. | Where is this? | What town is that?",
    ),
    "year": wordings(
        "When is it? | Which year is it? | Give the year. | What is the year? | When was that? | The year?",
        "Tell me the year. | When is this? | What year is that?",
    ),
}
ORDER = wordings(
    """{name} bought {count} {item} for {price} dollars. | {count} {item} cost {price} dollars.
    | Order: {count} {item}. Price: {price} dollars. | For {price} dollars {name} got {count} {item}.
    | count={count}; item={item}; price={price} | {name} paid {price} dollars for {count} {item}.
    | Please send {count} {item}; we pay {price} dollars. | item: {item}, price: {price}, count: {count}""",
    """{name} sold {count} {item} for {price} dollars. | Price: {price} dollars. Order: {count} {item}.
    | We need {count} {item} and have {price} dollars.""",
)
ASK_ORDER = {
    "count": wordings(
        "How many? | How many are there? | Give the count. | What is the count? | The count?",
        "Tell me the count. | How many is that?",
    ),
    "item": wordings(
        "What was bought? | Which item is it? | Give the item. | What is the item? | The item?",
        "Tell me the item. | What item is that?",
    ),
    "price": wordings(
        "How much? | How much is it? | Give the price. | What is the price? | The price?",
        "Tell me the price. | How much is that?",
    ),
}
PERSON_ZH = wordings(
    """{name}住在{city}，生于{year}年。 | {year}年，{name}来到{city}。 | {name}于{year}年离开{city}。
    | 姓名：{name}。城市：{city}。年份：{year}。 | 城市：{city}，姓名：{name}，年份：{year}
    | 在{city}，我们见到了{name}，那是{year}年。 | {city}人{name}，{year}年生。""",
    """{name}在{year}年搬到{city}。 | 年份：{year}。城市：{city}。姓名：{name}。
    | {city}的{name}，{year}年开店。""",
)
ASK_PERSON_ZH = {
    "name": wordings(
        "姓名是什么？ | 是谁？ | 请写出姓名。 | 姓名？ | 这个人是谁？", "告诉我姓名。 | 请问姓名？"
    ),
    "city": wordings(
        "城市是哪里？ | 在哪里？ | 请写出城市。 | 城市？ | 是哪个城市？", "告诉我城市。 | 请问城市？"
    ),
    "year": wordings(
        "年份是多少？ | 是哪一年？ | 请写出年份。 | 年份？ | 是什么时候？", "告诉我年份。 | 请问年份？"
    ),
}
ORDER_ZH = wordings(
    """{name}买了{count}个{item}，花了{price}元。 | {count}个{item}共{price}元。
    | 物品：{item}。数量：{count}。价格：{price}元。 | 用{price}元买了{count}个{item}。
    | 价格：{price}元，物品：{item}，数量：{count}""",
    "{name}卖了{count}个{item}，得了{price}元。 | 数量：{count}。物品：{item}。价格：{price}元。",
)
ASK_ORDER_ZH = {
    "count": wordings("数量是多少？ | 有几个？ | 请写出数量。 | 数量？", "告诉我数量。 | 请问数量？"),
    "item": wordings("物品是什么？ | 是什么东西？ | 请写出物品。 | 物品？", "告诉我物品。 | 请问物品？"),
    "price": wordings("价格是多少？ | 多少钱？ | 请写出价格。 | 价格？", "告诉我价格。 | 请问价格？"),
}

# --- convert ---

REPEAT = wordings(
    """Repeat: {text} | Repeat after me: {text} | Say again: {text} | Write once more: {text}
    | Copy this: {text} | Say the same: {text}""",
    "Please repeat: {text} | Copy: {text} | Once more: {text}",
)
REPEAT_ZH = wordings(
    "请重复：{text} | 再说一遍：{text} | 照写：{text} | 复述：{text}", "请再写：{text} | 请照写：{text}"
)
SWAP = wordings(
    """First name first: {last}, {first} | Write {last}, {first} with the first name first.
    | {last}, {first}: turn the name around. | Turn the name {last}, {first} around.
    | Without the comma, first name first: {last}, {first} | Put the last name {last}, {first} at the end.""",
    """Swap the name: {last}, {first} | The first name of {last}, {first} goes first.
    | Turn around {last}, {first}.""",
)
DATE = wordings(
    """Write {date} in words. | {date}: write the month as a word. | Which day is {date}?
    | The date {date} in words? | Write the date {date} in English. | Month as a word: {date}
    | In words: {date} | How do we write {date} in words?""",
    "Give {date} in words. | Write out the date {date}. | What is the date {date} in English?",
)
CLOCK = wordings(
    """What is {time} on a 12-hour clock? | Write {time} with am or pm. | {time} with am or pm?
    | 12-hour clock: {time} | The time {time}, with am or pm. | Change {time} to a 12-hour clock.""",
    "Give {time} with am or pm. | The clock shows {time}. Use am or pm. | {time} on a 12-hour clock, please.",
)
CAPITALS = wordings(
    """Write {letters} in capital letters. | Capital letters: {letters} | {letters} in capitals?
    | Make {letters} capital letters. | Use capitals for {letters}. | What is {letters} in capitals?""",
    "Give {letters} in capitals. | Change {letters} to capital letters. | {letters}, but in capitals.",
)
UNITS = {("metres", "centimetres"): 100, ("kilograms", "grams"): 1000, ("kilometres", "metres"): 1000}
UNIT = wordings(
    """How many {small} are {many} {large}? | {many} {large} in {small}? | Change {many} {large} to {small}.
    | What is {many} {large} in {small}? | Write {many} {large} in {small}.
    | {many} {large} are how many {small}?""",
    "Give {many} {large} in {small}. | {many} {large}: how many {small} is that?",
)
DATE_ZH = wordings(
    """把{date}写成中文日期。 | {date}用中文怎么写？ | 中文日期：{date} | {date}是哪一天？
    | 用中文写日期{date}。 | 日期{date}，请用年月日写。""",
    "请把{date}用年月日写出。 | 日期{date}的中文写法？",
)
CLOCK_ZH = wordings(
    """{time}用上午或下午怎么说？ | 把{time}改成12小时制。 | 12小时制：{time}
    | {time}是上午还是下午几点？ | 现在{time}，用上午或下午写。""",
    "请用上午或下午写{time}。 | {time}的12小时制写法？",
)
UNITS_ZH = {("米", "厘米"): 100, ("千克", "克"): 1000, ("公里", "米"): 1000}
UNIT_ZH = wordings(
    """{many}{large}是多少{small}？ | {many}{large}等于几{small}？ | 把{many}{large}改成{small}。
    | 用{small}写{many}{large}。""",
    "{many}{large}有多少{small}？ | 请把{many}{large}写成{small}。",
)
SUM = wordings(
    "What is {a} plus {b}? | {a} + {b} = | {a} plus {b}? | Add {a} and {b}. | How much is {a} + {b}?",
    "Give {a} + {b}. | What is the sum of {a} and {b}?",
)
SUM_ZH = wordings(
    "{a}加{b}等于几？ | {a}加{b}是多少？ | {a} + {b} 等于几？ | 请算{a}加{b}。",
    "{a}与{b}的和是多少？ | 算一算{a}加{b}。",
)
