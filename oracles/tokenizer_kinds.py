"""Records what Hugging Face tokenizers makes of a megabyte of mixed text: tests/tokenizer/mixed/*.json.

Run: python oracles/tokenizer_kinds.py OUT_DIR    (needs: pip install tokenizers==0.23.2 sentencepiece==0.2.2)

Each file holds a small tokenizer of one kind, trained here on mixed text, a few texts with their ids and decoded text, and
for each document of the megabyte the number of its ids and the first 8 digits of their SHA-256 (as int32, little-endian).
patterns.json holds one vocabulary and, by the name of a family, the pre-tokenizer of its published tokenizer.json with the
digests of the first documents. spm-*.json hold a tokenizer.model and what SentencePiece itself makes of the documents.
"""

import base64
import collections
import hashlib
import json
import pathlib
import struct
import sys
import tempfile

from mixed_text import documents
from tokenizer import LLAMA3, record, texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPACE = "\u2581"
MIXED = {"seed": 11, "count": 64, "pieces": 1200, "longest": 3000}
FEWER = {**MIXED, "count": 16}
# SentencePiece adds scores of a whole text in f32: over long runs its choice among equal cuts is one of rounding.
SHORT_RUNS = {**MIXED, "longest": 8}
TRAINING = documents(5, 30, 400)
COMMON = {char for char, count in collections.Counter("".join(TRAINING)).items() if count > 12}
# For vocabularies of characters, which must hold each that is left.
PLAIN_TRAINING = ["".join(char for char in text if char in COMMON) for text in TRAINING]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASED = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
UNCASED = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
LINES = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN2 = LLAMA3.replace("{1,3}", "")

# What the character map of the trained models changes: single characters, longer keys, and a key that is a prefix of another.
RULES = {
    "\u00c5": "A\u030a", "e\u0301": "\u00e9", "\u304b\u3099": "\u304c", "\uff76\uff9e": "\u30ac", "\ufb01": "fi",
    "\ufb03": "ffi", "\u2126": "\u03a9", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "\r": " ", "\u2460": "1",
    "\uff41": "a", "\uff42": "b", "\ufdfa": "\u0635\u0644\u0649", "\u00ad": "", "\u200b": "", "\u0007": "", "...": "\u2026",
    "..": "\u2025", "\u00bd": "1\u20442", "\ufffd": " ", "a\u0308": "\u00e4",
}  # fmt: skip


def digest(ids):
    return f"{len(ids)}:{hashlib.sha256(struct.pack(f'<{len(ids)}i', *ids)).hexdigest()[:8]}"


def mixed(encode, which=MIXED):
    return {**which, "ids": [digest(encode(text)) for text in documents(**which)]}


def write(path, content):
    path.write_text(json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


def save(out, name, tokenizer, marked=(), unspoken=()):
    """`unspoken`: lines with added tokens that are normalised, which the library does not give back as they were added."""
    plain = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    lines = record(tokenizer, [*texts(), *marked, *unspoken])
    lines["decoded"] = lines["decoded"][: len(lines["texts"]) - len(unspoken)]
    content = {"tokenizer": json.loads(tokenizer.to_str()), "lines": lines}
    write(out / f"{name}.json", {**content, "mixed": mixed(plain)})


def rebuilt(tokenizer, **model):
    content = json.loads(tokenizer.to_str())
    content["model"].update(model)
    return Tokenizer.from_str(json.dumps(content))


def byte_level(pre_tokenizer, special=(), size=700):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=alphabet, special_tokens=list(special)
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    return tokenizer


def sentencepiece_model(kind, **options):
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rules = [f"{' '.join(f'{ord(c):X}' for c in key)}\t{' '.join(f'{ord(c):X}' for c in text)}" for key, text in RULES.items()]
        (folder / "rules.tsv").write_text("\n".join(rules) + "\n", encoding="utf-8")
        lines = [line for text in PLAIN_TRAINING for line in text.replace("\0", " ").splitlines() if line.strip()]
        (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "text.txt"), model_prefix=str(folder / "m"), model_type=kind, minloglevel=2,
            normalization_rule_tsv=str(folder / "rules.tsv"), num_threads=1, max_sentence_length=100000, **options,
        )  # fmt: skip
        return (folder / "m.model").read_bytes()


def spm(out, kind, **options):
    import sentencepiece

    model = sentencepiece_model(kind, **options)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    lines = texts() + ["a<user>b <user>", "  two  spaces  ", "\u2581 mark"]
    ids = [processor.encode(line) for line in lines]
    content = {"model": base64.b64encode(model).decode(), "lines": {"texts": lines, "ids": ids}, "mixed": mixed(processor.encode, SHORT_RUNS)}
    write(out / f"spm-{kind}.json", content)
    return model


def charsmap_of(model):
    """The precompiled character map of a SentencePiece model: field 2 of field 3."""

    def fields(message):
        at = 0
        while at < len(message):
            key, at = varint(message, at)
            if key & 7 == 2:
                count, at = varint(message, at)
                yield key >> 3, message[at : at + count]
                at += count
            elif key & 7 == 0:
                _, at = varint(message, at)
            else:
                at += 4 if key & 7 == 5 else 8

    def varint(message, at):
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    normalizer = next(value for number, value in fields(model) if number == 3)
    return next(value for number, value in fields(normalizer) if number == 2)


def unigram(charsmap):
    tokenizer = Tokenizer(models.Unigram())
    blanks = normalizers.Replace(Regex(" {2,}"), SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Strip(False, True), blanks])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(vocab_size=800, show_progress=False, special_tokens=specials, unk_token="<unk>")
    tokenizer.train_from_iterator(PLAIN_TRAINING, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.add_tokens([AddedToken("<extra_0>", lstrip=True, normalized=False)])
    return tokenizer


def unigram_bytes():
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(vocab_size=800, show_progress=False, special_tokens=["<unk>"], unk_token="<unk>")
    trained.train_from_iterator(PLAIN_TRAINING, trainer)
    content = json.loads(trained.to_str())
    bytes_ = [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    content["model"].update(vocab=content["model"]["vocab"] + bytes_, byte_fallback=True)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    parts = [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")]
    tokenizer.decoder = decoders.Sequence(parts)
    return tokenizer


def wordpiece(size=900, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, show_progress=False, special_tokens=specials)
    tokenizer.train_from_iterator(PLAIN_TRAINING, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_tokens([AddedToken("NewWord"), AddedToken("alone", single_word=True), AddedToken("\u00c9cole\u0301")])
    return tokenizer


def wordpiece_plain():
    tokenizer = wordpiece()
    steps = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Nmt()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    words = [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(True)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
    return tokenizer


def roberta():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return tokenizer


def gemma():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=800, show_progress=False, special_tokens=specials, max_token_length=8)
    tokenizer.train_from_iterator([text[:1500] for text in PLAIN_TRAINING], trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("<start_of_turn>", normalized=False)])
    return tokenizer


def families():
    """The pre-tokenizers as the families' tokenizer.json files have them."""
    split = lambda pattern, behavior="isolated", invert=False: pre_tokenizers.Split(Regex(pattern), behavior, invert)  # noqa: E731
    bare = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    word = rf"[^\r\n\p{{L}}\p{{N}}]?[{CASED}]*[{UNCASED}]+%s|[^\r\n\p{{L}}\p{{N}}]?[{CASED}]+[{UNCASED}]*%s|"
    symbols = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
    deepseek3 = symbols + r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    qwen35 = QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")
    return {
        "gpt-2": [gpt2],
        "llama-bpe": [split(LLAMA3), bare],
        "qwen2": [split(QWEN2), bare],
        "qwen35": [split(qwen35), bare],
        "starcoder": [pre_tokenizers.Digits(individual_digits=True), gpt2],
        "gpt-4o": [split(word % (f"{CONTRACTIONS}?", f"{CONTRACTIONS}?") + r"\p{N}{1,3}|" + LINES), bare],
        "tekken": [split(word % ("", "") + r"\p{N}|" + LINES), bare],
        "dbrx": [split(LLAMA3, "removed", True), bare],
        "deepseek-v3": [split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(deepseek3), bare],
        "deepseek-coder": [
            split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"),
            pre_tokenizers.Digits(individual_digits=True), bare,
        ],
        "merged with previous": [split(r"\p{P}", "merged_with_previous"), bare],
        "merged with next": [split(r"\s", "merged_with_next"), bare],
        "contiguous": [split(r"\p{L}", "contiguous"), bare],
        "removed": [split(r"[\r\n]", "removed"), split(r"\p{L}", "merged_with_next", True), bare],
        "inverted": [split(r"[\p{L}\p{N}]+", "merged_with_previous", True), bare],
        "delimited": [pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Punctuation("merged_with_next"), bare],
        "trailing spaces": [split(r"\s+$"), split(r"\s?\p{L}+"), bare],
    }  # fmt: skip


def patterns(out):
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), size=1200)
    content = json.loads(tokenizer.to_str())
    found = {}
    for name, steps in families().items():
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        found[name] = {
            "pre_tokenizer": json.loads(tokenizer.to_str())["pre_tokenizer"],
            "ids": mixed(lambda text: tokenizer.encode(text).ids, FEWER)["ids"],
        }
    write(out / "patterns.json", {"tokenizer": content, "mixed": FEWER, "families": found})


def main(out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    model = spm(out, "unigram", vocab_size=700, character_coverage=0.98, user_defined_symbols="<user>")
    spm(out, "bpe", vocab_size=900, character_coverage=0.98, byte_fallback=True, user_defined_symbols="<user>")
    marked = ["a <extra_0> b", "x</s> <unk>y", "</s>"]
    save(out, "unigram", unigram(charsmap_of(model)), marked)
    save(out, "unigram-bytes", unigram_bytes(), marked)
    marked = ["[CLS] a [MASK]b [UNK]", "alone, alones stand alone"]
    unspoken = ["newword NEWWORDs xNewWord", "\u00e9cole\u0301 ECOLE\u0301 cole"]
    save(out, "wordpiece", wordpiece(), marked, unspoken)
    save(out, "wordpiece-cased", wordpiece(lowercase=False, strip_accents=False), marked, unspoken)
    save(out, "wordpiece-plain", wordpiece_plain(), marked, unspoken)
    save(out, "roberta", roberta(), ["a <mask> b", "<s>x</s> y", " z"])
    save(out, "gemma", gemma(), ["a\n\nb <start_of_turn>user", "  two  spaces"])
    patterns(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
