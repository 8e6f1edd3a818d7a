#include "utf8.h"

int ck_utf8_next(const uint8_t *bytes, int64_t count) {
    uint8_t lead = bytes[0];
    if (lead < 0x80) return 1;
    /* The second byte has a narrower range after E0, ED, F0 and F4: no overlong forms, no surrogates, nothing past
     * 10FFFF. */
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    int length;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return -1;
    }
    for (int i = 1; i < length; i++) {
        if (i >= count) return 0;
        if (bytes[i] < low || bytes[i] > high) return -i;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

int ck_utf8_is_valid(const uint8_t *bytes, int64_t count) {
    for (int64_t at = 0; at < count;) {
        int step = ck_utf8_next(bytes + at, count - at);
        if (step <= 0) return 0;
        at += step;
    }
    return 1;
}

int64_t ck_utf8_whole(const uint8_t *bytes, int64_t count) {
    for (int64_t back = 1; back <= 3 && back <= count; back++) {
        uint8_t byte = bytes[count - back];
        if (byte < 0x80) break;
        if (byte >= 0xC0) return ck_utf8_next(bytes + count - back, back) == 0 ? count - back : count;
    }
    return count;
}
