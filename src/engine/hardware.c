#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "hardware.h"

#include <errno.h>
#include <string.h>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

void ck_hardware_init(ck_hardware *hardware) {
    memset(hardware, 0, sizeof *hardware);
    for (int i = 0; i < CK_HARDWARE_EVENTS; i++) hardware->files[i] = -1;
}

const char *ck_hardware_refusal(const ck_hardware *hardware) {
    return hardware->refusal;
}

#if defined(__linux__)

static const uint64_t wanted[CK_HARDWARE_EVENTS] = {PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS,
                                                    PERF_COUNT_HW_CACHE_MISSES};

void ck_hardware_close(ck_hardware *hardware) {
    for (int i = CK_HARDWARE_EVENTS - 1; i >= 0; i--) {
        if (hardware->files[i] >= 0) close(hardware->files[i]);
        hardware->files[i] = -1;
    }
}

static const char *reason_of(int error) {
    if (error == ENOENT || error == EOPNOTSUPP) return "this CPU, or the virtual machine around it, shows no counters";
    if (error == EACCES || error == EPERM) {
        return "the system permits no counting (kernel.perf_event_paranoid above 2, or a sandbox)";
    }
    if (error == ENOSYS) return "this kernel was built without perf events";
    return "the system refused perf events";
}

static int open_for(ck_hardware *hardware, long thread) {
    ck_hardware_close(hardware);
    for (int i = 0; i < CK_HARDWARE_EVENTS; i++) {
        struct perf_event_attr what;
        memset(&what, 0, sizeof what);
        what.size = sizeof what;
        what.type = PERF_TYPE_HARDWARE;
        what.config = wanted[i];
        what.exclude_kernel = 1;
        what.exclude_hv = 1;
        what.read_format = PERF_FORMAT_GROUP;
        int leader = i == 0 ? -1 : hardware->files[0];
        hardware->files[i] = (int)syscall(SYS_perf_event_open, &what, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
        if (hardware->files[i] < 0) {
            hardware->refusal = reason_of(errno);
            ck_hardware_close(hardware);
            return 0;
        }
    }
    hardware->thread = thread;
    return 1;
}

static int read_all(ck_hardware *hardware, uint64_t values[CK_HARDWARE_EVENTS]) {
    struct {
        uint64_t count;
        uint64_t values[CK_HARDWARE_EVENTS];
    } group;
    if (read(hardware->files[0], &group, sizeof group) != (ssize_t)sizeof group) {
        hardware->refusal = "the system stopped counting";
        return 0;
    }
    memcpy(values, group.values, sizeof group.values);
    return 1;
}

void ck_hardware_begin(ck_hardware *hardware) {
    if (hardware->refusal) return;
    /* Part 0 is whichever thread calls. */
    long thread = syscall(SYS_gettid);
    if (hardware->files[0] < 0 || hardware->thread != thread) {
        if (!open_for(hardware, thread)) return;
    }
    read_all(hardware, hardware->begun);
}

void ck_hardware_end(ck_hardware *hardware, ck_counter *counter) {
    uint64_t ended[CK_HARDWARE_EVENTS];
    if (hardware->refusal || !read_all(hardware, ended)) return;
    counter->cycles += ended[0] - hardware->begun[0];
    counter->instructions += ended[1] - hardware->begun[1];
    counter->cache_misses += ended[2] - hardware->begun[2];
}

#else

void ck_hardware_close(ck_hardware *hardware) {
    (void)hardware;
}

void ck_hardware_begin(ck_hardware *hardware) {
    hardware->refusal = "only Linux has perf events";
}

void ck_hardware_end(ck_hardware *hardware, ck_counter *counter) {
    (void)hardware;
    (void)counter;
}

#endif
