/* cpu.h: what this CPU and this operating system can execute. */
#ifndef CK_CPU_H
#define CK_CPU_H

#include <stddef.h>

/* 1 where the instruction set with this /proc/cpuinfo name ("avx2", "asimddp") may be used here: the CPU has it and the
 * system saves its registers. An unknown name counts as missing. */
int ck_cpu_has(const char *feature);

/* Writes the missing ones of a NULL-terminated list to `text`, separated by ", ", cut where they do not fit. Returns
 * their number. */
int ck_cpu_missing(const char *const *features, char *text, size_t capacity);

/* Cores that this process may run on, at least 1. */
int ck_cpu_cores(void);

#endif
