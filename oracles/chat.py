"""Records what transformers renders of chat templates: tests/chat/golden/*.json.

Run: python oracles/chat.py TEMPLATES_DIR...    (needs: pip install transformers==5.18.0 jinja2)

One file per template: the cases, and for each the rendering or the sentence it was refused with. Templates of this
repository (tests/chat/templates) keep the text of a rendering; of other folders only its SHA-256 and length.
"""

import datetime
import hashlib
import json
import pathlib
import random
import sys

import jinja2
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent
OWN = ROOT / "tests/chat/templates"
OUT = ROOT / "tests/chat/golden"
NOW = datetime.datetime(2026, 3, 7, 15, 4, 5)

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place: \"now\" & <here> \u00e9\u4e16\U0001f600.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer", "enum": [1, 2.5, None, False]}},
            "required": [],
        },
    },
}
TEXTS = [
    "", " ", "Hello", "  spaces  ", "\n\nlines\n\n", "\u00a0\u2003wide\x1c\x85", "\ufeffmark", "é世😀", "a </think> b",
    "<think>\nidea\n</think>\n\nanswer", "\n<tool_response>x</tool_response>", "/no_think please", "{{ braces }} {% x %}",
    "<|im_end|>", "quote \" ' \\ back", "tab\tend\t",
]


def conversations():
    draw = random.Random(11)
    yield [("user", "Hi")]
    yield [("system", "Be brief."), ("user", "Hi")]
    yield [("user", "Same"), ("assistant", "Yes"), ("user", "Same")]
    yield [("user", "One"), ("user", "Two")]
    for turns in (1, 2, 3, 4):
        for system in (False, True):
            roles = ["system"] * system + ["user", "assistant"] * turns
            for end in (0, 1):
                yield [(role, draw.choice(TEXTS)) for role in roles[: len(roles) - end]]


def cases():
    for messages in conversations():
        messages = [{"role": role, "content": content} for role, content in messages]
        for variables in ({}, {"enable_thinking": True}, {"enable_thinking": False}, {"thinking": True}):
            yield {"messages": messages, "variables": variables, "addGenerationPrompt": True}
        yield {"messages": messages, "variables": {}, "addGenerationPrompt": False}
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"place": "Bern", "days": 2}}}
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}]
    used = [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abcdefghi", "content": "sunny"},
    ]
    for messages in (asked, asked[1:], asked + used, asked + used + [{"role": "assistant", "content": "Sunny."}]):
        for tools in ([TOOL], [TOOL, TOOL]):
            yield {"messages": messages, "tools": tools, "variables": {}, "addGenerationPrompt": True}
    thought = {"role": "assistant", "content": "Sunny.", "reasoning_content": "\nIt shines.\n"}
    for end in ([], [{"role": "user", "content": "Sure?"}]):
        yield {"messages": asked + [thought] + end, "variables": {}, "addGenerationPrompt": not not end}


def render(source, case):
    arguments = {"bos_token": "<s>", "eos_token": "</s>", **case["variables"]}
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [case["messages"]],
            tools=case.get("tools"),
            chat_template=source,
            add_generation_prompt=case["addGenerationPrompt"],
            **arguments,
        )
        return {"text": texts[0]}
    except jinja2.exceptions.TemplateError as error:
        return {"refused": str(error)}


def fixed_clock():
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    chat_template_utils.datetime = Clock


def digest(rendering):
    if "text" not in rendering:
        return rendering
    data = rendering["text"].encode()
    return {"sha256": hashlib.sha256(data).hexdigest()[:16], "bytes": len(data)}


def main(folders):
    fixed_clock()
    OUT.mkdir(parents=True, exist_ok=True)
    every = list(cases())
    (OUT / "cases.json").write_text(json.dumps(every, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")
    for folder in [OWN, *map(pathlib.Path, folders)]:
        for path in sorted(folder.glob("*.jinja")):
            source = path.read_text(encoding="utf-8")
            rendered = [render(source, case) for case in every]
            kept = rendered if folder == OWN else [digest(one) for one in rendered]
            lines = ",\n".join(json.dumps(one, ensure_ascii=True, separators=(",", ":")) for one in kept)
            (OUT / f"{path.stem}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(sys.argv[1:])
