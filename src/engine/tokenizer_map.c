/* tokenizer_map.c: replaces each character by a text of its own, whatever stands beside it. */
#include "tokenizer_parts.h"

/* Rows of a map: a character that stays, one that gets a space on both sides, and from ROWS on the texts. */
enum { STAYS = 0, PADDED = 1, ROWS = 2 };

typedef struct ck_map {
    const uint16_t *block_of;
    const uint16_t *row_of;
    const uint32_t *starts; /* [rows + 1] */
    const uint8_t *text;
} ck_map;

typedef struct ck_map_header {
    uint32_t blocks;
    uint32_t rows;
    uint32_t text_bytes;
    uint32_t zero;
} ck_map_header;

static ck_map map_of(const uint8_t *at) {
    const ck_map_header *header = (const ck_map_header *)(const void *)at;
    ck_map map;
    map.block_of = (const uint16_t *)(const void *)(at + sizeof *header);
    map.row_of = map.block_of + CK_UNICODE_BLOCKS;
    map.starts = (const uint32_t *)(const void *)(map.row_of + 256 * (size_t)header->blocks);
    map.text = (const uint8_t *)(map.starts + header->rows + 1);
    return map;
}

const char *ck_check_map(const ck_tokenizer *tokenizer, const ck_step *step) {
    const uint8_t *at = tokenizer->step_tables + step->offset;
    if (step->bytes < sizeof(ck_map_header)) return "lacks a map of characters";
    const ck_map_header *header = (const ck_map_header *)(const void *)at;
    if (header->blocks > CK_UNICODE_BLOCKS || header->rows > 65534 || header->zero != 0 ||
        step->bytes != sizeof *header + 2 * CK_UNICODE_BLOCKS + 512 * (uint64_t)header->blocks +
                           4 * ((uint64_t)header->rows + 1) + header->text_bytes) {
        return "has a map of characters of another size";
    }
    ck_map map = map_of(at);
    for (uint32_t i = 0; i < 256 * header->blocks; i++) {
        if (map.row_of[i] >= header->rows + ROWS) return "has a map to a text that is not there";
    }
    if (map.starts[0] != 0 || map.starts[header->rows] != header->text_bytes) return "has a map of ill-sized texts";
    for (uint32_t i = 0; i < header->rows; i++) {
        if (map.starts[i] > map.starts[i + 1]) return "has a map with texts out of order";
    }
    return ck_check_two_stages(map.block_of, header->blocks);
}

int ck_normalize_map(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                     ck_text *out) {
    const ck_map map = map_of(tokenizer->step_tables + step->offset);
    const uint16_t *ascii = map.row_of + 256 * (size_t)map.block_of[0];
    size_t copied = 0; /* text before this is in `out` */
    for (size_t at = 0; at < bytes;) {
        if (text[at] < 0x80 && ascii[text[at]] == STAYS) {
            at++;
            continue;
        }
        int32_t code;
        size_t taken = ck_utf8_decode(text + at, bytes - at, &code);
        if (code < 0) code = 0xfffd;
        uint32_t row = map.row_of[256u * map.block_of[(uint32_t)code >> 8] + ((uint32_t)code & 255u)];
        if (row != STAYS) {
            if (!ck_text_append(out, text + copied, at - copied)) return 0;
            copied = at + taken;
        }
        if (row == PADDED) {
            if (!ck_text_reserve(out, taken + 2)) return 0;
            out->bytes[out->count++] = ' ';
            memcpy(out->bytes + out->count, text + at, taken);
            out->count += taken;
            out->bytes[out->count++] = ' ';
        } else if (row >= ROWS) {
            uint32_t start = map.starts[row - ROWS];
            if (!ck_text_append(out, map.text + start, map.starts[row - ROWS + 1] - start)) return 0;
        }
        at += taken;
    }
    return ck_text_append(out, text + copied, bytes - copied);
}
