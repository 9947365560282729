"""A text as the word lists read it: one form for what looks or is meant alike. Linear in the text's length.

NFKC makes one of full and half width; case and accents go; Cyrillic and Greek letters that look Latin become it, digits and
signs that stand for letters too where they stand among letters; letters set apart are joined; the commonest traditional
characters become simplified.
"""

import re
import unicodedata

_LOOKALIKES = str.maketrans("авеіјкмнорсѕтухһαεικνορτυχ", "abeijkmhopcstyxhaeiknoptux")
_TRADITIONAL = str.maketrans(
    "殺媽傷戀愛學習門開關萬與東說話這個們來時國會長樣處兒頭發點對還進過後從買賣錢藥槍彈製煉獄難過癢癱雜種婊強姦幹騙賭詐龜婦黃壞豬賤滾猶雞誘擊揍斃",
    "杀妈伤恋爱学习门开关万与东说话这个们来时国会长样处儿头发点对还进过后从买卖钱药枪弹制炼狱难过痒瘫杂种婊强奸干骗赌诈龟妇黄坏猪贱滚犹鸡诱击揍毙",
)
_LETTER_SIGNS = {"@": "a", "$": "s", "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "!": "i"}
_AMONG_LETTERS = re.compile(r"(?<=[a-z])[@$0134357!](?=[a-z])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\x00-\x08\x0e-\x1f]+")
_SPACES = re.compile(r"\s+")
# Single letters with a separator between them: three at least, so that "a b" stays; more than 40 are no word.
_APART = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*·|/]){2,40}[^\W\d_](?![^\W_])")
_CHARACTERS_APART = re.compile(r"(?<=[一-鿿])[ .\-_*·|/]{1,2}(?=[一-鿿])")
_SEPARATORS = re.compile(r"[ .\-_*·|/]+")


def normalized(text: str) -> str:
    """The form in which lists are looked up."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(letter for letter in text if not unicodedata.combining(letter)) if not text.isascii() else text
    text = _INVISIBLE.sub("", text).translate(_LOOKALIKES).translate(_TRADITIONAL)
    text = _AMONG_LETTERS.sub(lambda sign: _LETTER_SIGNS[sign[0]], text)
    text = text.replace("’", "'").replace("`", "'")
    text = _APART.sub(lambda run: _SEPARATORS.sub("", run[0]), text)
    text = _CHARACTERS_APART.sub("", text)
    return _SPACES.sub(" ", text)
