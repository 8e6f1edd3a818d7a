#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#endif
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refuse.h"

#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

ck_status ck_map_file(const char *path, const uint8_t **bytes, uint64_t *count, ck_error *error) {
    *bytes = NULL;
    *count = 0;
    /* O_NONBLOCK: opening a pipe must not wait for a writer. It has no effect on regular files. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return ck_refuse(error, CK_ERROR_FILE, "%s: cannot be opened (%s); give the path of an existing file", path,
                         strerror(errno));
    }
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(file);
        return ck_refuse(error, CK_ERROR_FILE, "%s: is not a regular file; give the path of one", path);
    }
    if (status.st_size <= 0 || (uint64_t)status.st_size > SIZE_MAX) {
        close(file);
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: has %lld bytes; one that is not empty and that this system can map is accepted", path,
                         (long long)status.st_size);
    }
    void *address = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    int refused = errno;
    close(file);
    if (address == MAP_FAILED) {
        return ck_refuse(error, CK_ERROR_FILE, "%s: %lld bytes cannot be mapped (%s)", path, (long long)status.st_size,
                         strerror(refused));
    }
    ck_prefer_large_pages(address, (uint64_t)status.st_size);
    *bytes = address;
    *count = (uint64_t)status.st_size;
    return CK_OK;
}

void ck_unmap_file(const uint8_t *bytes, uint64_t count) {
    if (bytes) munmap((void *)(uintptr_t)bytes, (size_t)count);
}

uint8_t *ck_map_zeros(uint64_t count) {
    if (count == 0 || count > SIZE_MAX) return NULL;
    void *address =
        mmap(NULL, (size_t)count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

void ck_unmap_zeros(uint8_t *bytes, uint64_t count) {
    if (bytes) munmap(bytes, (size_t)count);
}

void ck_prefer_large_pages(uint8_t *bytes, uint64_t count) {
#if defined(MADV_HUGEPAGE)
    madvise(bytes, (size_t)count, MADV_HUGEPAGE);
#else
    (void)bytes;
    (void)count;
#endif
}
