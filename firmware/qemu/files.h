// Files. There are two kinds under one root: stored files, which programs write and which stay
// through a reset (store.c), and preloaded files, which QEMU's loader has put into memory and
// which are read in place and never change (preload.c). files.c brings them together.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_BYTES (64) // of a path from the root, without its first slash, with its final NUL

// store.c: a table of files and folders, and blocks in chains. Functions return an errno or 0
// unless they say otherwise; paths are as path_full makes them.
#define STORE_BLOCK_BYTES (4096)

typedef struct {
    char path[PATH_BYTES];   // empty: a free entry
    uint32_t bytes;
    uint32_t generation;     // a file that was removed is never taken for one that came after it
    uint16_t first;          // block of a file
    bool is_folder;
} store_entry_t;

void store_init(void);
store_entry_t *store_find(const char *path);                // NULL if there is none
store_entry_t *store_next(const store_entry_t *entry);      // after NULL the first; then NULL
int store_create(const char *path, bool is_folder, store_entry_t **entry);
void store_remove(store_entry_t *entry);
void store_truncate(store_entry_t *entry);
void store_move(const char *old, const char *new);          // with everything below a folder
size_t store_read(const store_entry_t *entry, size_t at, void *into, size_t bytes); // bytes read
size_t store_write(store_entry_t *entry, size_t at, const void *from, size_t bytes); // written
size_t store_blocks(void);
size_t store_blocks_free(void);

// preload.c: the image that QEMU's loader has put into memory, if there is a sound one.
typedef struct {
    char path[PATH_BYTES];
    uint32_t offset;
    uint32_t bytes;
} preload_entry_t;

size_t preload_count(void);                                 // of files, 0 if there is no image
const preload_entry_t *preload_entry(size_t index);
const uint8_t *preload_data(const preload_entry_t *entry);

// files.c
typedef enum { NODE_NONE, NODE_FOLDER, NODE_STORED, NODE_PRELOADED } node_kind_t;

typedef struct {
    node_kind_t kind;
    store_entry_t *stored;   // of stored files, and of folders that were made
    const preload_entry_t *preloaded;
} node_t;

void files_init(void);                                      // after a reset
void files_soft_reset(void);                                // back to the root folder
int path_full(const char *path, char full[PATH_BYTES]);     // from the root; "" is the root
bool path_is_in(const char *path, const char *folder);      // at any depth
int path_set_folder(const char *path);                      // the current folder
const char *path_folder(void);
node_t node_find(const char *full);
int node_parent_check(const char *full);                    // whether its folder is there
