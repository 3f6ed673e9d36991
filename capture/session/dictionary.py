"""What FIX 4.4 and the venue define: types of fields, their values, and the fields and groups of each message.

Layer: session. Data only, read by `content`.
Source: FIX 4.4 volumes 2 and 6; the venue's tables for its own tags (2349, 2446, from 5000) and its messages. Where
both define a value, both are taken. Required are the fields that FIX 4.4 requires: what the venue wants beyond them it
refuses in its own words (35=j, 35=Y), which is the application's affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class FieldType(Enum):
    """How the value of a field is written."""

    TEXT = "text"
    CHAR = "char"
    INT = "int"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    TIME = "time"
    DATA = "data"


_TAGS: Final[Mapping[FieldType, str]] = {
    FieldType.TEXT: """1 8 10 11 15 17 18 22 37 41 48 49 50 55 56 57 58 79 106 107 109 112 115 116 120 128 129 137 138
        142 143 144 145 148 167 193 207 262 278 303 311 320 322 324 335 336 347 372 379 447 448 453 461 523 527 532 541
        553 554 600 625 1003 5001 5025 5041 5050 5060 5273 35""",
    FieldType.CHAR: "21 39 40 54 59 63 104 139 150 263 269 279 281 388 430 434 530 531 2446",
    FieldType.INT: """7 9 16 34 36 45 78 90 93 95 98 102 103 108 136 146 212 264 265 267 268 321 323 340 348 350 354
        369 371 373 380 383 384 386 393 398 418 452 454 533 555 559 560 567 603 627 711 789 802 803 5032 7928 8674""",
    FieldType.DECIMAL: """6 14 31 32 38 44 99 132 133 134 135 151 152 188 189 190 191 202 231 270 271 381 562 566 811
        1138 2349 5010 5011 5012 5013 5022""",
    FieldType.BOOLEAN: "43 97 114 121 123 141 208 266 464 893 5030 5051",
    FieldType.TIMESTAMP: "52 60 62 122 126 168 370",
    FieldType.TIME: "273",
    FieldType.DATA: "89 91 96 213 349 351 355",
}
FIELD_TYPES: Final[Mapping[int, FieldType]] = {int(tag): kind for kind, named in _TAGS.items() for tag in named.split()}

_VALUES: Final = """
    21 1 2 3
    39 0 1 2 3 4 5 6 7 8 9 A B C D E
    40 1 2 3 4 5 6 7 8 9 A D E F G H I J K L M N O P Q R S T U
    54 1 2 3 4 5 6 7 8 9 A B C D E F G
    59 0 1 2 3 4 5 6 7
    98 0 1 2 3 4 5 6
    150 0 1 2 3 4 5 6 7 8 9 A B C D E F G H I
    263 0 1 2
    265 0 1
    269 0 1 2 3 4 5 6 7 8 9 A B C
    279 0 1 2
    373 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 99
    434 1 2
    530 1 2 3 4 5 6 7
    559 0 1 2 3 4
    560 0 1 2 3 4 5
    2446 0 1 2
"""
VALUES: Final[Mapping[int, frozenset[bytes]]] = {
    int(tag): frozenset(it.encode() for it in allowed)
    for tag, *allowed in (line.split() for line in _VALUES.strip().splitlines())
}

_HEADER: Final = "8 9 35 34 43 49 50 52 56 57 90 91 97 115 116 122 128 129 142 143 144 145 212 213 347 369 627"
HEADER: Final = frozenset(int(tag) for tag in _HEADER.split())
TRAILER: Final = frozenset({10, 89, 93})

# All message types of FIX 4.4; U is left to whoever agrees on one.
_MSG_TYPES: Final = (
    "0 1 2 3 4 5 6 7 8 9 A B C D E F G H J K L M N P Q R S T V W X Y Z a b c d e f g h i j k l m n o p q r s t u v"
    " w x y z AA AB AC AD AE AF AG AH AI AJ AK AL AM AN AO AP AQ AR AS AT AU AV AW AX AY AZ BA BB BC BD BE BF BG BH"
)
MSG_TYPES: Final = frozenset(it.encode() for it in _MSG_TYPES.split())


@dataclass(frozen=True, slots=True)
class Group:
    """The body of a message or of a group entry.

    first: the field that begins each entry; none for a body.
    """

    first: int
    required: frozenset[int]
    tags: frozenset[int]
    groups: Mapping[int, "Group"]


def _group(words: list[str]) -> Group:
    """Return what words describe: `262!` is required, `267! ( 269! )` a group; takes the words up to its end."""
    first, required, tags, groups, last = 0, set[int](), set[int](), dict[int, Group](), 0
    while words:
        word = words.pop(0)
        if word == ")":
            break
        if word == "(":
            groups[last] = _group(words)
            continue
        last = int(word.rstrip("!"))
        first = first or last
        tags.add(last)
        if word.endswith("!"):
            required.add(last)
    return Group(first, frozenset(required), frozenset(tags), groups)


# Groups are in parentheses after their count; the first field in them begins each entry. `!` is required.
_MESSAGES: Final = """
    0 112
    1 112!
    2 7! 16!
    3 45! 371 372 373 58 354 355
    4 123 36!
    5 58 354 355
    A 98! 108! 95 96 109 141 383 384 ( 372 ) 464 553 554 789 5025 5030 5051 8674
    V 262! 263! 264! 265 266 267! ( 269! ) 146! ( 55! )
    W 262 55! 268! ( 269! 270 271 273 278 5060 5273 40 2446 ) 5041
    X 262 55 268! ( 279! 269 278 55 270 271 273 40 2446 5060 5273 ) 5041
    Y 262! 281 58
    x 320! 559! 55 167 263 336
    y 320! 322! 560! 393 893 146 ( 55! 562 5010 5011 5012 5013 2349 5022 5032 167 207 15 ) 58
    g 335! 336 263!
    h 335 336! 340! 567 58
    j 45 372! 379 380! 58 354 355
    D 11! 1 15 18 21 22 38 40! 44 48 54! 55 58 59 60! 62 63 78 ( 79! ) 99 109 114 126 132 133 168 188 189 190 191 207
      386 ( 336! ) 388 453 ( 448! 447 452 802 ( 523! 803 ) ) 1138 5001 7928 167 461 541 554
    F 11! 37 41 54! 55 60! 38 58
    G 11! 37 41 54! 55 60! 40! 38 44 59 62 99 18 21 1138 58
    H 11! 37 54 55 60
    q 11! 530! 60! 55
    r 11 37! 530! 531! 532 533 55 60 58
    8 37! 17! 150! 39! 54! 55 11 41 527 1 6! 14! 151! 31 32 38 40 44 58 59 60 62 99 103 126 136 ( 137 138 139 )
      78 ( 79 ) 168 18 381 388 1003 1138 5001 5050 7928
    9 37! 11! 41! 39! 434! 102 58 60
    d 320! 322! 323! 55 58 15 48 22 167 107 106 336 711 ( 311! 305 309 ) 555 ( 600! 603 )
"""


def _messages(text: str) -> dict[bytes, Group]:
    defined: dict[bytes, Group] = {}
    for line in text.replace("\n      ", " ").strip().splitlines():
        msg_type, *words = line.split()
        defined[msg_type.encode()] = _group(words)
    return defined


MESSAGES: Final[Mapping[bytes, Group]] = _messages(_MESSAGES)

# Third-party addressing: what a Reject bears where the message refused bore the other.
REVERSED_ROUTE: Final[Mapping[int, int]] = {115: 128, 128: 115, 116: 129, 129: 116, 144: 145, 145: 144}

REASONS: Final[Mapping[int, str]] = {  # SessionRejectReason(373), in the standard's words.
    0: "Invalid tag number",
    1: "Required tag missing",
    2: "Tag not defined for this message type",
    3: "Undefined tag",
    4: "Tag specified without a value",
    5: "Value is incorrect (out of range) for this tag",
    6: "Incorrect data format for value",
    9: "CompID problem",
    10: "SendingTime accuracy problem",
    11: "Invalid MsgType",
    13: "Tag appears more than once",
    14: "Tag specified out of required order",
    15: "Repeating group fields out of order",
    16: "Incorrect NumInGroup count for repeating group",
    17: "Non data value includes field delimiter",
}
