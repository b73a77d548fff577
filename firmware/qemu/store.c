// The stored files: a table of entries and blocks in chains, in memory that a reset leaves alone.
#include <string.h>
#include "py/mperrno.h"
#include "py/mpconfig.h"
#include "files.h"

#define MAGIC   (0x3174534d) // changes with the layout, so that an older one is not misread
#define ENTRIES (128)
#define BLOCKS  (504)
#define NO_BLOCK (0xffff)    // the end of a chain
#define FREE    (0xfffe)

typedef struct {
    uint32_t magic;
    uint32_t generations;    // entries made so far
    store_entry_t entries[ENTRIES];
    uint16_t next[BLOCKS];
    uint8_t blocks[BLOCKS][STORE_BLOCK_BYTES];
} store_t;

extern uint8_t files_start[], files_end[];
#define store ((store_t *)files_start)

void store_init(void) {
    if (store->magic == MAGIC) {
        return;
    }
    memset(store->entries, 0, sizeof(store->entries));
    for (size_t i = 0; i < BLOCKS; i++) {
        store->next[i] = FREE;
    }
    store->generations = 0;
    store->magic = MAGIC;
}

store_entry_t *store_next(const store_entry_t *entry) {
    size_t i = entry == NULL ? 0 : entry - store->entries + 1;
    while (i < ENTRIES && store->entries[i].path[0] == 0) {
        i++;
    }
    return i < ENTRIES ? &store->entries[i] : NULL;
}

store_entry_t *store_find(const char *path) {
    store_entry_t *entry = store_next(NULL);
    while (entry != NULL && strcmp(entry->path, path) != 0) {
        entry = store_next(entry);
    }
    return entry;
}

int store_create(const char *path, bool is_folder, store_entry_t **entry) {
    for (size_t i = 0; i < ENTRIES; i++) {
        store_entry_t *found = &store->entries[i];
        if (found->path[0] == 0) {
            strcpy(found->path, path);
            found->bytes = 0;
            found->generation = ++store->generations;
            found->first = NO_BLOCK;
            found->is_folder = is_folder;
            *entry = found;
            return 0;
        }
    }
    return MP_ENOSPC;
}

void store_truncate(store_entry_t *entry) {
    for (uint16_t block = entry->first; block != NO_BLOCK;) {
        uint16_t next = store->next[block];
        store->next[block] = FREE;
        block = next;
    }
    entry->first = NO_BLOCK;
    entry->bytes = 0;
}

void store_remove(store_entry_t *entry) {
    store_truncate(entry);
    entry->path[0] = 0;
    entry->generation = 0;
}

void store_move(const char *old, const char *new) {
    char moved[PATH_BYTES];
    strcpy(moved, old); // `old` may be the path of an entry, which changes below
    size_t length = strlen(moved);
    for (store_entry_t *entry = store_next(NULL); entry != NULL; entry = store_next(entry)) {
        if (strcmp(entry->path, moved) == 0 || path_is_in(entry->path, moved)) {
            char rest[PATH_BYTES];
            strcpy(rest, entry->path + length);
            strcpy(entry->path, new);
            strcat(entry->path, rest); // modos.c has checked that it fits
        }
    }
}

// The link to the block that holds byte `at`; one that says NO_BLOCK if the chain ends before.
static uint16_t *link_of(store_entry_t *entry, size_t at) {
    uint16_t *link = &entry->first;
    for (size_t i = at / STORE_BLOCK_BYTES; i > 0 && *link != NO_BLOCK; i--) {
        link = &store->next[*link];
    }
    return link;
}

static uint16_t take_block(void) {
    for (size_t i = 0; i < BLOCKS; i++) {
        if (store->next[i] == FREE) {
            store->next[i] = NO_BLOCK;
            return i;
        }
    }
    return NO_BLOCK;
}

size_t store_read(const store_entry_t *entry, size_t at, void *into, size_t bytes) {
    bytes = at < entry->bytes ? MIN(bytes, entry->bytes - at) : 0;
    uint16_t *link = link_of((store_entry_t *)entry, at);
    for (size_t done = 0; done < bytes; link = &store->next[*link]) {
        size_t start = (at + done) % STORE_BLOCK_BYTES;
        size_t size = MIN(bytes - done, STORE_BLOCK_BYTES - start);
        memcpy((uint8_t *)into + done, store->blocks[*link] + start, size);
        done += size;
    }
    return bytes;
}

// `at` is at most the file's size. What does not fit is not written.
size_t store_write(store_entry_t *entry, size_t at, const void *from, size_t bytes) {
    size_t done = 0;
    for (uint16_t *link = link_of(entry, at); done < bytes; link = &store->next[*link]) {
        if (*link == NO_BLOCK && (*link = take_block()) == NO_BLOCK) {
            break;
        }
        size_t start = (at + done) % STORE_BLOCK_BYTES;
        size_t size = MIN(bytes - done, STORE_BLOCK_BYTES - start);
        memcpy(store->blocks[*link] + start, (const uint8_t *)from + done, size);
        done += size;
    }
    entry->bytes = MAX(entry->bytes, at + done);
    return done;
}

size_t store_blocks(void) {
    return BLOCKS;
}

size_t store_blocks_free(void) {
    size_t count = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        count += store->next[i] == FREE;
    }
    return count;
}

_Static_assert(sizeof(store_t) <= 2 * 1024 * 1024, "FILES in mps2.ld");
