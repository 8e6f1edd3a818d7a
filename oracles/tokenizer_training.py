"""Records what Hugging Face tokenizers learns from small texts: tests/train/training.json.

Run: python oracles/tokenizer_training.py OUT [TINYSHAKESPEARE]    (needs: pip install tokenizers==0.23.2)

Each case has its files (texts as they are, or how mixed_text.py makes them), the trainer's settings, and what came of it: the
number of tokens, the first and last merges, and the SHA-256 of the tokenizer.json that the library saves. The path of
tinyshakespeare.txt adds cases over it; without it they are left out.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

from mixed_text import documents
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LINES = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PATTERNS = {
    "qwen2": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + LINES],
    "llama3": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + LINES],
    "starcoder": [r"\p{N}", GPT2],
}
END = "<|endoftext|>"
CODE = "def f(x, y_2=0x1F):\n\tif x >= y_2:\r\n        return {'k': [x**2 for _ in range(10)]}  # f(x)\n\n\n"
CONTROLS = "".join(map(chr, [*range(0x20), 0x7F, 0x85, 0xA0, 0xAD, 0x200B, 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0x10FFFF]))
TIES = "".join(f" {a}{b}" for a in "zyxwvutsrq" for b in "abcdefghij")
EAST = "東京は日本の首都です。漢字かな交じり文\u3000東京都、大阪府。안녕하세요 세계 สวัสดีชาวโลก 🎈🎉👩‍👩‍👧‍👦🇪🇺🎈🎈\n"
MIXED = {"seed": 23, "count": 4, "pieces": 300, "longest": 200}

# name: files, tokens, split, special tokens, least frequency, and the special token that begins texts where one does
CASES = {
    "no text": ([""], 300, "qwen2", [], 0),
    "no file but empty ones": (["", ""], 257, "gpt2", [END], 0),
    "one character": (["x"], 300, "qwen2", [], 0),
    "code": ([CODE * 3, CODE.replace("x", "foo")], 320, "qwen2", [END], 0),
    "control characters": ([CONTROLS * 5 + CONTROLS[::-1] * 4], 400, "gpt2", [], 0),
    "one run of a letter": (["a" * 5001], 300, "qwen2", [], 0),
    "runs of letters": (["".join("ab"[n % 2] * (n * 7 % 23) + "\n" * (n % 3 == 0) for n in range(300))], 330, "gpt2", [], 0),
    "words of equal counts": ([TIES], 420, "qwen2", [], 0),
    "carriage returns": (["a b\r\nc\r\n\r\n  d\r\re \r\n" * 9 + "\n\n\n\t\n end  "], 300, "llama3", [], 0),
    "lines that end without a newline": (["abc", "abc", "\nabc\n\nabc"], 300, "[^\\n]+|\\n", [], 0),
    "east and emoji": ([EAST * 3, EAST[::-1]], 450, "qwen2", [END, "<|pad|>"], 0),
    "a special token that is a word": (["abab cab ab<s>ab the the\n" * 3], 300, "gpt2", ["<s>", "ab", "the"], 0),
    "special tokens in the text": ([f"one{END}two {END}\n" * 4], 300, "qwen2", [END], 0),
    "a token that begins texts": ([CODE], 300, "qwen2", ["<|pad|>", END], 0, END),
    "least frequency": ([MIXED], 2000, "qwen2", [], 3),
    "a frequency that nothing has": ([MIXED], 2000, "qwen2", [], 1000000),
    "mixed, gpt2": ([MIXED], 1000, "gpt2", [END], 0),
    "mixed, qwen2": ([MIXED, {**MIXED, "seed": 29}], 2000, "qwen2", [END], 0),
    "mixed, llama3": ([{**MIXED, "seed": 31}], 700, "llama3", [END], 2),
    "mixed, two splits": ([{**MIXED, "seed": 37}], 600, "starcoder", [], 0),
    "mixed, a pattern": ([{**MIXED, "seed": 41}], 500, "\\s?\\p{L}{1,4}|\\p{N}{1,2}|[\\s\\S]", [], 0),
    "several blocks": ([{**MIXED, "seed": 43, "times": 200}, CODE], 600, "qwen2", [], 0),
}  # fmt: skip
SHAKESPEARE = {
    "tinyshakespeare, gpt2": (["tinyshakespeare.txt"], 2000, "gpt2", [END], 0),
    "tinyshakespeare, qwen2": (["tinyshakespeare.txt"], 8192, "qwen2", [END], 2),
}


def text_of(file):
    if isinstance(file, str):
        return file
    made = {key: value for key, value in file.items() if key != "times"}
    return "\n".join(documents(**made)) * file.get("times", 1)


def pre_tokenizer(split):
    byte_level = pre_tokenizers.ByteLevel
    if split == "gpt2":
        return byte_level(add_prefix_space=False)
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS.get(split, [split])]
    return pre_tokenizers.Sequence([*splits, byte_level(add_prefix_space=False, use_regex=False)])


def train(paths, vocabulary, split, special, least, bos=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer(split)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=least,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train(paths, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return tokenizer


def record(name, case, paths, folder):
    files, vocabulary, split, special, least, *bos = case
    tokenizer = train(paths, vocabulary, split, special, least, *bos)
    saved = folder / "tokenizer.json"
    tokenizer.save(str(saved))
    merges = [" ".join(merge) for merge in json.loads(saved.read_text(encoding="utf-8"))["model"]["merges"]]
    print(f"{name}: {tokenizer.get_vocab_size()} tokens, {len(merges)} merges")
    return {
        "name": name,
        "files": files,
        "vocabulary": vocabulary,
        "split": split,
        "special": special,
        **({"bos": bos[0]} if bos else {}),
        "minFrequency": least,
        "tokens": tokenizer.get_vocab_size(),
        "merges": len(merges),
        "first": merges[:12],
        "last": merges[-3:],
        "sha256": hashlib.sha256(saved.read_bytes()).hexdigest(),
    }


def main(out, shakespeare=None):
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for title, case in CASES.items():
            paths = [folder / f"text{i}" for i in range(len(case[0]))]
            for path, file in zip(paths, case[0], strict=True):
                path.write_bytes(text_of(file).encode("utf-8"))
            rows.append(record(title, case, [str(path) for path in paths], folder))
        shared = [record(title, case, [shakespeare], folder) for title, case in SHAKESPEARE.items() if shakespeare]
    content = {"cases": rows, "shakespeare": shared}
    pathlib.Path(out).write_text(json.dumps(content, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
