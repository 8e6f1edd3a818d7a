"""The mixed text of tests/tokenizer/mixedText.ts: the same documents from the same seed."""

import json
import pathlib

POOLS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "tokenizer" / "mixedPools.json"


def seeded(seed):
    """mulberry32: whole numbers below a bound."""
    state = seed & 0xFFFFFFFF

    def draw(below):
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61))) & 0xFFFFFFFF
        return ((mixed ^ (mixed >> 14)) * below) >> 32

    return draw


def documents(seed, count, pieces, longest=3000):
    """`count` documents of `pieces` pieces each: words, lines of code, runs of one text, runs of one range of characters."""
    pools = json.loads(POOLS.read_text(encoding="utf-8"))
    draw = seeded(seed)
    made = []
    for _ in range(count):
        parts = []
        for _ in range(pieces):
            kind = draw(16)
            if kind < 7:
                parts.append(pools["words"][draw(len(pools["words"]))] + " ")
            elif kind < 9:
                parts.append(pools["lines"][draw(len(pools["lines"]))])
            elif kind == 9 and draw(40) == 0:
                parts.append(pools["runs"][draw(len(pools["runs"]))] * (1 + draw(longest)))
            else:
                first, last = pools["ranges"][draw(len(pools["ranges"]))]
                parts.append("".join(chr(first + draw(last - first + 1)) for _ in range(1 + draw(6))))
        made.append("".join(parts))
    return made
