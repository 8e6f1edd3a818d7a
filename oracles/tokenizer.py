"""Records what Hugging Face tokenizers makes of texts: tests/tokenizer/golden/*.json.

Run: python oracles/tokenizer.py DEMO_TOKENIZER_JSON OUT_DIR    (needs: pip install tokenizers==0.23.2)

demo.json holds the ids of the demo model's tokenizer. Each further file holds a small tokenizer of another kind, trained
here on ARCHITECTURE.md, with its texts, ids without special tokens, ids with them, and the decoded text.
"""

import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "\u2581"

PLAIN = [
    "",
    " ",
    "   ",
    "Hello world",
    " Hello  world ",
    "To be, or not to be: that is the question.",
    "It's we'LL they'd I'M",
    "1234567 12.5 3",
    "line\n\nline\r\n  tabs\tand   spaces  \n",
    "the compiler reads the checkpoint and the template",
    "naïve café e\u0301 Å Å \u1100\u1161\u11a8 각",
    "कि ที่ ﷺ العربية עברית",
    "你好，世界 日本語 한국어",
    "🦙🚀 👩‍👩‍👧‍👦 ⁉️",
    "\u0000\u0007\u007f\u00a0\u2003x",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a" + " " * 40 + "b",
    "x = {'key': [1, 2, 3]}; // comment -> <html>",
]


def texts():
    draw = random.Random(7)
    pools = ["abcdefghij '\n", "ABCxyz 0123456789.,!?", "éüñçß Ωλ жщ 漢字かな ", " \t\n\r\u00a0", "🦙😶\u200d🌫\ufe0f\u0301 a"]
    mixed = ["".join(draw.choice(draw.choice(pools)) for _ in range(draw.randrange(60))) for _ in range(40)]
    return PLAIN + mixed


def record(tokenizer, lines):
    plain = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    return {
        "texts": lines,
        "ids": plain,
        "special": [tokenizer.encode(line).ids for line in lines],
        "decoded": [tokenizer.decode(ids, skip_special_tokens=True) for ids in plain],
    }


def train(tokenizer, **options):
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False, **options)
    tokenizer.train_from_iterator((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines(True), trainer)
    return tokenizer


def byte_level(splits, special=(), **model):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=list(special))
    return rebuild(tokenizer, **model)


def rebuild(tokenizer, **model):
    content = json.loads(tokenizer.to_str())
    content["model"].update(model)
    return Tokenizer.from_str(json.dumps(content))


def characters(byte_fallback):
    """SentencePiece style: the trained pieces behind <unk>, <s>, </s> and the byte tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    train(tokenizer, special_tokens=["<unk>", "<s>", "</s>"])
    content = json.loads(tokenizer.to_str())
    order = [text for text, _ in sorted(content["model"]["vocab"].items(), key=lambda item: item[1])]
    pieces = order[:3] + ([f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else []) + order[3:]
    content["model"].update(
        vocab={text: i for i, text in enumerate(pieces)}, byte_fallback=byte_fallback, fuse_unk=True, unk_token="<unk>"
    )
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def llama2():
    tokenizer = characters(True)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def metaspace():
    tokenizer = characters(False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first", split=True)
    return tokenizer


def llama3():
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = byte_level([split, bytes_], ["<|begin|>", "<|eot_id|>"], ignore_merges=True)
    tokenizer.add_tokens([AddedToken("<tool>", lstrip=True, rstrip=True, normalized=False), AddedToken("<tool2>")])
    begin, end = (tokenizer.token_to_id(name) for name in ("<|begin|>", "<|eot_id|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A <|eot_id|>", special_tokens=[("<|begin|>", begin), ("<|eot_id|>", end)]
    )
    return tokenizer


def nfc():
    split = pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "removed", invert=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = byte_level([split, bytes_], ["<|endoftext|>"])
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def digits():
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return byte_level(steps, ["<|endoftext|>"])


def write(path, content):
    path.write_text(json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


def main(demo, out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write(out / "demo.json", record(Tokenizer.from_file(demo), texts() + ["a<|endoftext|>b", "<|endoftext|>"]))
    marked = ["a <tool> b", "<tool2><tool>", " x <|eot_id|> y", "</s>a<s> b", "<|endoftext|><|endoftext", "<unk> <s"]
    for make in (llama2, metaspace, llama3, nfc, digits):
        tokenizer = make()
        content = {"tokenizer": json.loads(tokenizer.to_str()), "lines": record(tokenizer, texts() + marked)}
        write(out / f"{make.__name__}.json", content)


if __name__ == "__main__":
    main(*sys.argv[1:])
