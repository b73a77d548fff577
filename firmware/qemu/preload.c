// Preloaded files: an image in memory with a table of names, offsets and sizes. The format is that
// of virtual/preload.py: 8 bytes of magic, the number of files, 0; the table; the contents.
#include <string.h>
#include "files.h"

#define HEAD_BYTES (16)

extern const uint8_t preload_start[], preload_end[];

static size_t count;

static bool is_sound(const preload_entry_t *entry, size_t limit) {
    return memchr(entry->path, 0, PATH_BYTES) != NULL && entry->path[0] != 0 &&
        entry->offset % 16 == 0 && entry->offset <= limit && entry->bytes <= limit - entry->offset;
}

// An image that is damaged shows no files at all, which is noticed; part of it might not be.
static void look(void) {
    size_t limit = preload_end - preload_start;
    uint32_t said = *(const uint32_t *)(preload_start + 8);
    if (memcmp(preload_start, "MIPRELOD", 8) != 0) {
        return;
    }
    if (said > (limit - HEAD_BYTES) / sizeof(preload_entry_t)) {
        return;
    }
    for (size_t i = 0; i < said; i++) {
        if (!is_sound(preload_entry(i), limit)) {
            return;
        }
    }
    count = said;
}

size_t preload_count(void) {
    static bool looked;
    if (!looked) {
        looked = true;
        look();
    }
    return count;
}

const preload_entry_t *preload_entry(size_t index) {
    return (const preload_entry_t *)(preload_start + HEAD_BYTES) + index;
}

const uint8_t *preload_data(const preload_entry_t *entry) {
    return preload_start + entry->offset;
}
