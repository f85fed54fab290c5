"""The words of the word problems: things that are counted, people, places and sentences.

A *side* is "learnt" (what parents are taught from), "search" or "report". No thing, name, place or
sentence stands on two sides. What sides share are the verbs that say whether something comes or
goes: nobody could know that of a verb never met.
"""

from typing import Literal, NamedTuple

from vlm.zoo.build.words import Language

Side = Literal["learnt", "search", "report"]
Texts = dict[Language, tuple[str, ...]]


class Stories(NamedTuple):
    """All that a problem of one side is put together from.

    Sentences have holes: {who} {where} {what} (a name in the plural, where a language has one), {n} a
    number, {c} the Japanese counter, {is} あります or います. A change is a phrase of `when` before one
    of `come` or `go`.
    """

    things: dict[str, str]  # Japanese counter -> emoji characters whose CLDR names it counts
    who: Texts
    where: Texts
    opening: Texts
    when: Texts
    come: Texts
    go: Texts
    question: Texts


LEARNT = Stories(
    things={
        "個": "🍊🍋🥭🍑🍓🍅🥔🥚🥐🍔🍩🍬🔔💎🎈🔑🥨🧇🌰💡🧲🎁🍄🧽🥕🫒🍎🧀",
        "匹": "🐒🐈🐕🐇🐢🦋🐜🦓🐊🐍🦔🐪🦒🐄🐼🦂",
    },
    who={
        "en": ("Ken", "Yumi", "Taro", "Emi", "Ben", "Anna", "Tom", "Rina"),
        "ja": ("ケン", "ユミ", "太郎", "エミ", "ベン", "アンナ", "父", "母"),
    },
    where={
        "en": ("box", "garden", "house", "shop", "park", "school"),
        "ja": ("箱", "庭", "家", "店", "公園", "学校"),
    },
    opening={
        "en": (
            "{who} has {n} {what}.",
            "There are {n} {what} in the {where}.",
            "{who} sees {n} {what}.",
            "In the {where} there are {n} {what}.",
            "{who} counts {n} {what} in the {where}.",
        ),
        "ja": (
            "{who}は{what}を{n}{c}持っています。",
            "{where}に{what}が{n}{c}{is}。",
            "{who}は{what}を{n}{c}見ました。",
            "{where}には{n}{c}の{what}が{is}。",
            "{who}は{where}で{what}を{n}{c}数えました。",
            "{where}で{who}が{what}を{n}{c}買いました。",
            "{what}が{where}に{n}{c}{is}。",
            "{who}の{where}には{what}が{n}{c}ありました。",
            "{what}は{where}に{n}{c}です。",
            "{n}{c}の{what}を{who}が持っています。",
        ),
    },
    when={
        "en": ("", "", "", "Then ", "Later ", "Today "),
        "ja": (
            "",
            "",
            "",
            "",
            "さらに",
            "あとで",
            "朝に",
            "今日",
            "店で",
            "母から",
            "父と",
            "午後から",
            "雨の日に",
            "公園で",
            "少しして",
            "先生から",
        ),
    },
    come={
        "en": ("{n} come.", "{n} are added.", "{who} gets {n}."),
        "ja": (
            "{n}{c}もらいました。",
            "{n}{c}増えました。",
            "{n}{c}加わりました。",
            "ほかに{n}{c}もらいました。",
            "すぐに{n}{c}増えました。",
            "{who}が{n}{c}もらいました。",
            "数が{n}{c}増えました。",
        ),
    },
    go={
        "en": ("{n} go.", "{n} are lost.", "{who} gives {n}."),
        "ja": (
            "{n}{c}あげました。",
            "{n}{c}減りました。",
            "{n}{c}なくなりました。",
            "ほかに{n}{c}あげました。",
            "すぐに{n}{c}減りました。",
            "{who}が{n}{c}あげました。",
            "数が{n}{c}減りました。",
        ),
    },
    question={
        "en": ("How many?", "How many now?", "What is the number?"),
        "ja": (
            "今は何{c}ですか。",
            "何{c}になりましたか。",
            "何{c}{is}か。",
            "いくつですか。",
            "全部で何{c}ですか。",
            "数えると何{c}ですか。",
            "さて、何{c}でしょう。",
        ),
    },
)

SEARCH = Stories(
    things={"個": "🍐🥯🍮🍫🎀🧅🥝", "匹": "🐖🐐🦉🐝🐘"},
    who={"en": (), "ja": ("花子", "ジョン", "サキ")},
    where={"en": (), "ja": ("台所", "畑")},
    opening={
        "en": (),
        "ja": ("{who}が{what}を{n}{c}集めました。", "{where}の{what}は{n}{c}です。"),
    },
    when={"en": (), "ja": ("次の日に", "それから")},
    come={"en": (), "ja": ("新しく{n}{c}増えました。", "{n}{c}をもらいました。")},
    go={"en": (), "ja": ("急に{n}{c}減りました。", "{n}{c}をあげました。")},
    question={"en": (), "ja": ("最後は何{c}でしょう。", "もう何{c}ですか。")},
)

REPORT = Stories(
    things={"個": "🍈🍉🥥🥑🍪💍🪙🍍", "匹": "🦀🐌🐧🦎🐅🐑"},
    who={"en": (), "ja": ("次郎", "マリ", "リク", "妹")},
    where={"en": (), "ja": ("部屋", "森", "町")},
    opening={
        "en": (),
        "ja": (
            "{who}の{what}は{n}{c}でした。",
            "{where}で{what}が{n}{c}見つかりました。",
            "{what}{n}{c}が{who}のところに{is}。",
        ),
    },
    when={"en": (), "ja": ("昼までに", "友だちと", "夜になって")},
    come={"en": (), "ja": ("もう{n}{c}もらいました。", "また{n}{c}増えました。")},
    go={"en": (), "ja": ("もう{n}{c}あげました。", "また{n}{c}減りました。")},
    question={
        "en": (),
        "ja": ("では、何{c}でしょうか。", "合わせて何{c}になりますか。", "残りは何{c}ですか。"),
    },
)

STORIES: dict[Side, Stories] = {"learnt": LEARNT, "search": SEARCH, "report": REPORT}
