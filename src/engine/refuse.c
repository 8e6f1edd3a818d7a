#include "refuse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

ck_status ck_refuse(ck_error *error, ck_status status, const char *format, ...) {
    if (!error) return status;
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (bytes < 0) {
        error->text[0] = '\0';
    } else if ((size_t)bytes >= sizeof error->text) {
        error->text[ck_utf8_whole((const uint8_t *)error->text, (int64_t)sizeof error->text - 1)] = '\0';
    }
    return status;
}
