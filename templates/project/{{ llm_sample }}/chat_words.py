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


# --- names and things ---

FIRST_NAMES = words(
    """Adam Alice Amir Anna Anton Arthur Astrid Ben Bianca Boris Carla Carlos Clara Daniel David Diana Edgar
    Elena Elias Emil Emma Erik Eva Felix Fiona Frank George Greta Hana Hannah Harry Hugo Ida Igor Irene Ivan
    Jack Jana Jim John Jonas Julia Karl Kate Kim Lara Laura Lena Leo Lily Linda Lucas Lucy Maria Mark Martin
    Mary Max Maya Mia Michael Mila Nadia Nina Noah Nora Olga Oscar Otto Paul Peter Petra Rita Robert Rosa
    Ruth Sam Sara Simon Sofia Stefan Susan Tara Theo Thomas Tim Tina Tom Uma Vera Victor Walter""",
    "Agnes Bruno Celia Dora Edwin Gloria Henry Iris Jasper Lydia Magnus Pablo Roman Stella Yusuf",
)
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
ITEMS_ZH = words(
    """苹果 书包 杯子 椅子 桌子 毛笔 纸扇 花瓶 水壶 竹篮 灯笼 手表 帽子
    衣服 鞋子 雨伞 西瓜 月饼 风筝 木箱 酒杯 铜镜 画册 茶叶 石头""",
    "梨子 铁锅 棉被 琴弦 玉佩 香炉 木梳 草帽",
)
MONTHS = words(
    "January February March April May June July August September October November December", ""
).train

# --- what may stand before and after a question: most have neither ---

OPENINGS = wordings(
    """Please: | Now: | Next: | OK. | And this: | One more. | Then: | Hello! | Quick: | I ask: | Question:""",
    """So: | Well,""",
)
ENDINGS = wordings(
    """Thanks. | Please. | Thank you! | Only that. | Be short.""",
    """Many thanks. | Just that.""",
)
OPENINGS_ZH = wordings(
    """请问， | 现在： | 下一个： | 好。 | 还有： | 再来。 | 然后： | 你好！ | 问题：""",
    """那么， | 麻烦你，""",
)
ENDINGS_ZH = wordings(
    """谢谢。 | 只要这个。 | 请简短。""",
    """多谢。 | 就这个。""",
)

# --- find a number in a sentence ---

ORDER = wordings(
    """{name} bought {count} {item} for {price} dollars. | {count} {item} cost {price} dollars.
    | Order: {count} {item}. Price: {price} dollars. | For {price} dollars {name} got {count} {item}.
    | count={count}; item={item}; price={price} | {name} paid {price} dollars for {count} {item}.
    | Please send {count} {item}; we pay {price} dollars. | item: {item}, price: {price}, count: {count}
    | {count} {item}, {price} dollars. | Price: {price}. Count: {count}. Item: {item}.
    | We got {count} {item} and paid {price} dollars.
    | {name} has {count} {item}. They cost {price} dollars.
    | {price} dollars were paid for {count} {item}.
    | {name} wants {count} {item} and pays {price} dollars.""",
    """{name} sold {count} {item} for {price} dollars. | Price: {price} dollars. Order: {count} {item}.
    | We need {count} {item} and have {price} dollars.
    | {name} sent {count} {item} and got {price} dollars.""",
)
ASK_ORDER = {
    "count": wordings(
        """How many? | How many are there? | Give the count. | What is the count? | The count? | Count?
        | How many were it? | How many things? | Say how many. | Which count?""",
        """Tell me the count. | How many is that? | And the count?""",
    ),
    "price": wordings(
        """How much? | How much is it? | Give the price. | What is the price? | The price? | Price?
        | How much was it? | How many dollars? | Say how much. | Which price?""",
        """Tell me the price. | How much is that? | And the price?""",
    ),
}
ORDER_ZH = wordings(
    """{name}买了{count}个{item}，花了{price}元。 | {count}个{item}共{price}元。
    | 物品：{item}。数量：{count}。价格：{price}元。 | 用{price}元买了{count}个{item}。
    | 价格：{price}元，物品：{item}，数量：{count} | {name}花{price}元买{count}个{item}。
    | {name}有{count}个{item}，共{price}元。 | 我们要{count}个{item}，付{price}元。
    | {count}个{item}，{price}元。 | 付了{price}元，得了{count}个{item}。
    | 数量={count}；价格={price}；物品={item}""",
    """{name}卖了{count}个{item}，得了{price}元。 | 数量：{count}。物品：{item}。价格：{price}元。
    | {name}要{count}个{item}，价格{price}元。""",
)
ASK_ORDER_ZH = {
    "count": wordings(
        """数量是多少？ | 有几个？ | 请写出数量。 | 数量？ | 几个？ | 一共几个？ | 说出数量。 | 多少个？""",
        """告诉我数量。 | 请问数量？ | 数量呢？""",
    ),
    "price": wordings(
        """价格是多少？ | 多少钱？ | 请写出价格。 | 价格？ | 几元？ | 一共多少钱？ | 说出价格。 | 多少元？""",
        """告诉我价格。 | 请问价格？ | 价格呢？""",
    ),
}

# --- convert ---

DATE = wordings(
    """Write {date} in words. | {date}: write the month as a word. | Which day is {date}?
    | The date {date} in words? | Write the date {date} in English. | Month as a word: {date}
    | In words: {date} | How do we write {date} in words? | Say {date} in words.
    | Tell me the day {date} in words. | {date} as words | {date} in English? | Turn {date} into words.
    | Change the date {date} to words. | The day is {date}. Say it in words. | What is {date}?
    | Show {date} with the name of the month. | Name the day {date}. | {date} is which day?
    | Read {date} to me.""",
    """Give {date} in words. | Write out the date {date}. | What is the date {date} in English?
    | Today is {date}. Write it in words.""",
)
DATE_ZH = wordings(
    """把{date}写成中文日期。 | {date}用中文怎么写？ | 中文日期：{date} | {date}是哪一天？
    | 用中文写日期{date}。 | 日期{date}，请用年月日写。 | {date}，年月日？ | 说出日期{date}。
    | 年月日：{date} | 今天是{date}，用中文说。 | 把日期{date}改成年月日。 | {date}怎么说？
    | 写出{date}。 | {date}换成中文。""",
    """请把{date}用年月日写出。 | 日期{date}的中文写法？ | 那天是{date}，写成中文。""",
)
CLOCK = wordings(
    """What is {time} on a 12-hour clock? | Write {time} with am or pm. | {time} with am or pm?
    | 12-hour clock: {time} | The time {time}, with am or pm. | Change {time} to a 12-hour clock.
    | Say {time} with am or pm. | Tell me the time {time} with am or pm.
    | It is {time}. Is that am or pm? | {time} in am or pm | Turn {time} into am or pm.
    | Show {time} with am or pm. | At {time} we eat. Say it with am or pm.
    | The train leaves at {time}. Use am or pm. | {time}: am or pm? | Read the clock: {time}
    | What time is {time}? | am or pm: {time}""",
    """Give {time} with am or pm. | The clock shows {time}. Use am or pm.
    | {time} on a 12-hour clock, please. | Write the time {time} on a 12-hour clock.""",
)
CLOCK_ZH = wordings(
    """{time}用上午或下午怎么说？ | 把{time}改成12小时制。 | 12小时制：{time} | {time}是上午还是下午几点？
    | 现在{time}，用上午或下午写。 | {time}，上午还是下午？ | {time}是几点？ | 说出时间{time}。
    | 上午或下午：{time} | 把时间{time}改成上午或下午。 | 火车{time}开，上午还是下午？ | {time}怎么说？
    | 写出{time}，用上午或下午。""",
    """请用上午或下午写{time}。 | {time}的12小时制写法？ | 时间是{time}，用12小时制说。""",
)
UNITS = {("metres", "centimetres"): 100, ("kilograms", "grams"): 1000, ("kilometres", "metres"): 1000}
UNITS_ZH = {("米", "厘米"): 100, ("千克", "克"): 1000, ("公里", "米"): 1000}
UNIT = wordings(
    """How many {small} are {many} {large}? | {many} {large} in {small}?
    | Change {many} {large} to {small}. | What is {many} {large} in {small}?
    | Write {many} {large} in {small}. | {many} {large} are how many {small}?
    | Say {many} {large} in {small}. | Turn {many} {large} into {small}.
    | Tell me {many} {large} in {small}. | In {small}: {many} {large} | {many} {large} to {small}
    | How many {small} do {many} {large} have? | We have {many} {large}. How many {small}?
    | {many} {large} as {small} | Show {many} {large} in {small}.""",
    """Give {many} {large} in {small}. | {many} {large}: how many {small} is that?
    | How many {small} make {many} {large}?""",
)
UNIT_ZH = wordings(
    """{many}{large}是多少{small}？ | {many}{large}等于几{small}？ | 把{many}{large}改成{small}。
    | 用{small}写{many}{large}。 | {many}{large}，几{small}？ | 多少{small}是{many}{large}？
    | {many}{large}换成{small}。 | 说出{many}{large}是几{small}。 | {small}：{many}{large}
    | {many}{large}共多少{small}？""",
    """{many}{large}有多少{small}？ | 请把{many}{large}写成{small}。 | {many}{large}合多少{small}？""",
)
