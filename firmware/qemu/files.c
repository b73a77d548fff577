// Paths and what lies there, the builtin open(), and the files that import reads.
#include <string.h>
#include "py/builtin.h"
#include "py/lexer.h"
#include "py/mperrno.h"
#include "py/reader.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "files.h"

static char current[PATH_BYTES];

void files_init(void) {
    store_init();
    files_soft_reset();
}

void files_soft_reset(void) {
    current[0] = 0;
}

// Paths. Inside, they start at the root, without a slash.

static void drop_last(char *full) {
    char *slash = strrchr(full, '/');
    *(slash == NULL ? full : slash) = 0;
}

int path_full(const char *path, char full[PATH_BYTES]) {
    char made[PATH_BYTES];
    strcpy(made, *path == '/' ? "" : current);
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && path[0] == '.' && path[1] == '.') {
            drop_last(made);
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            size_t length = strlen(made);
            if (length + 1 + size >= PATH_BYTES) {
                return MP_EINVAL;
            }
            if (length > 0) {
                made[length++] = '/';
            }
            memcpy(made + length, path, size);
            made[length + size] = 0;
        }
        path += size + (path[size] == '/');
    }
    strcpy(full, made);
    return 0;
}

bool path_is_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return length == 0 || (strncmp(path, folder, length) == 0 && path[length] == '/');
}

int path_set_folder(const char *path) {
    char full[PATH_BYTES];
    int error = path_full(path, full);
    if (error == 0 && node_find(full).kind != NODE_FOLDER) {
        error = MP_ENOENT;
    }
    if (error == 0) {
        strcpy(current, full);
    }
    return error;
}

const char *path_folder(void) {
    return current;
}

node_t node_find(const char *full) {
    store_entry_t *stored = *full ? store_find(full) : NULL;
    if (stored != NULL) {
        return (node_t) { stored->is_folder ? NODE_FOLDER : NODE_STORED, stored, NULL };
    }
    bool is_folder = *full == 0;
    for (size_t i = 0; i < preload_count(); i++) {
        const preload_entry_t *entry = preload_entry(i);
        if (strcmp(entry->path, full) == 0) {
            return (node_t) { NODE_PRELOADED, NULL, entry };
        }
        is_folder |= path_is_in(entry->path, full);
    }
    return (node_t) { is_folder ? NODE_FOLDER : NODE_NONE, NULL, NULL };
}

int node_parent_check(const char *full) {
    char parent[PATH_BYTES];
    strcpy(parent, full);
    drop_last(parent);
    node_kind_t kind = node_find(parent).kind;
    return kind == NODE_FOLDER ? 0 : kind == NODE_NONE ? MP_ENOENT : MP_ENOTDIR;
}

// File objects. What a preloaded file holds is also its buffer: memoryview(file) copies nothing.

typedef struct {
    mp_obj_base_t base;
    const preload_entry_t *preloaded;
    store_entry_t *stored;      // with the generation it had: it may have been removed since
    uint32_t generation;
    size_t at;
    bool is_open, reads, writes, appends;
} file_t;

static int file_check(const file_t *self, bool allowed) {
    bool is_there = self->preloaded != NULL || self->stored->generation == self->generation;
    return self->is_open && is_there && allowed ? 0 : MP_EBADF;
}

static size_t file_bytes(const file_t *self) {
    return self->preloaded != NULL ? self->preloaded->bytes : self->stored->bytes;
}

static mp_uint_t file_read(mp_obj_t self_in, void *into, mp_uint_t bytes, int *error) {
    file_t *self = MP_OBJ_TO_PTR(self_in);
    *error = file_check(self, self->reads);
    if (*error) {
        return MP_STREAM_ERROR;
    }
    if (self->preloaded == NULL) {
        bytes = store_read(self->stored, self->at, into, bytes);
    } else {
        size_t size = self->preloaded->bytes;
        bytes = self->at < size ? MIN(bytes, size - self->at) : 0;
        memcpy(into, preload_data(self->preloaded) + self->at, bytes);
    }
    self->at += bytes;
    return bytes;
}

static mp_uint_t file_write(mp_obj_t self_in, const void *from, mp_uint_t bytes, int *error) {
    file_t *self = MP_OBJ_TO_PTR(self_in);
    *error = file_check(self, self->writes);
    if (*error) {
        return MP_STREAM_ERROR;
    }
    size_t end = self->stored->bytes;
    if (self->appends) {
        self->at = end;
    }
    for (; end < self->at && store_write(self->stored, end, "", 1); end++) { // zeros in a gap
    }
    size_t done = end < self->at ? 0 : store_write(self->stored, self->at, from, bytes);
    self->at += done;
    if (done == 0 && bytes > 0) {
        *error = MP_ENOSPC;
        return MP_STREAM_ERROR;
    }
    return done;
}

static int file_seek(file_t *self, struct mp_stream_seek_t *seek) {
    mp_off_t from = seek->whence == MP_SEEK_SET ? 0 :
        seek->whence == MP_SEEK_CUR ? (mp_off_t)self->at : (mp_off_t)file_bytes(self);
    if (from + seek->offset < 0) {
        return MP_EINVAL;
    }
    seek->offset = self->at = from + seek->offset;
    return 0;
}

static mp_uint_t file_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t argument, int *error) {
    file_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_CLOSE) {
        self->is_open = false;
        return 0;
    }
    *error = file_check(self, true);
    if (*error == 0 && request == MP_STREAM_SEEK) {
        *error = file_seek(self, (struct mp_stream_seek_t *)argument);
    } else if (*error == 0 && request != MP_STREAM_FLUSH) {
        *error = MP_EINVAL;
    }
    return *error ? MP_STREAM_ERROR : 0;
}

static mp_int_t file_buffer(mp_obj_t self_in, mp_buffer_info_t *buffer, mp_uint_t flags) {
    file_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->preloaded == NULL || !self->is_open || flags & MP_BUFFER_WRITE) {
        return 1;
    }
    buffer->buf = (void *)preload_data(self->preloaded);
    buffer->len = self->preloaded->bytes;
    buffer->typecode = 'B';
    return 0;
}

static const mp_rom_map_elem_t file_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_readlines), MP_ROM_PTR(&mp_stream_unbuffered_readlines_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_seek), MP_ROM_PTR(&mp_stream_seek_obj) },
    { MP_ROM_QSTR(MP_QSTR_tell), MP_ROM_PTR(&mp_stream_tell_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
};
static MP_DEFINE_CONST_DICT(file_locals, file_locals_table);

static const mp_stream_p_t binary_stream = {
    .read = file_read, .write = file_write, .ioctl = file_ioctl,
};
static MP_DEFINE_CONST_OBJ_TYPE(binary_type, MP_QSTR_FileIO, MP_TYPE_FLAG_ITER_IS_STREAM,
    protocol, &binary_stream, buffer, file_buffer, locals_dict, &file_locals);

static const mp_stream_p_t text_stream = {
    .read = file_read, .write = file_write, .ioctl = file_ioctl, .is_text = true,
};
static MP_DEFINE_CONST_OBJ_TYPE(text_type, MP_QSTR_TextIOWrapper, MP_TYPE_FLAG_ITER_IS_STREAM,
    protocol, &text_stream, locals_dict, &file_locals);

// Errno, or 0 and the file, made or emptied as the mode says. `how` is one of r, w, a.
static int file_find(file_t *self, const char *full, char how) {
    node_t node = node_find(full);
    int error = 0;
    if (node.kind == NODE_FOLDER) {
        return MP_EISDIR;
    } else if (node.kind == NODE_PRELOADED) {
        error = self->writes ? MP_EROFS : 0;
    } else if (node.kind == NODE_NONE) {
        error = how == 'r' ? MP_ENOENT : node_parent_check(full);
        error = error ? error : store_create(full, false, &node.stored);
    } else if (how == 'w') {
        store_truncate(node.stored);
    }
    self->preloaded = node.preloaded;
    self->stored = node.stored;
    self->generation = error || node.stored == NULL ? 0 : node.stored->generation;
    return error;
}

static mp_obj_t file_open(const char *path, const char *mode) {
    char how = *mode;
    bool is_binary = strchr(mode, 'b') != NULL, updates = strchr(mode, '+') != NULL;
    if (how == 0 || strchr("rwa", how) == NULL || strspn(mode + 1, "bt+") != strlen(mode + 1)) {
        mp_raise_ValueError(MP_ERROR_TEXT("mode is one of r, w, a, then b and + if wanted"));
    }
    file_t *self = mp_obj_malloc(file_t, is_binary ? &binary_type : &text_type);
    self->at = 0;
    self->is_open = true;
    self->reads = how == 'r' || updates;
    self->writes = how != 'r' || updates;
    self->appends = how == 'a';
    char full[PATH_BYTES];
    int error = path_full(path, full);
    error = error ? error : file_find(self, full, how);
    if (error) {
        mp_raise_OSError_with_filename(error, path);
    }
    return MP_OBJ_FROM_PTR(self);
}

mp_obj_t mp_builtin_open(size_t n_args, const mp_obj_t *args, mp_map_t *kwargs) {
    (void)kwargs; // encoding, which is UTF-8
    return file_open(mp_obj_str_get_str(args[0]), n_args > 1 ? mp_obj_str_get_str(args[1]) : "r");
}
MP_DEFINE_CONST_FUN_OBJ_KW(mp_builtin_open_obj, 1, mp_builtin_open);

// What import wants.

mp_import_stat_t mp_import_stat(const char *path) {
    char full[PATH_BYTES];
    node_kind_t kind = path_full(path, full) ? NODE_NONE : node_find(full).kind;
    return kind == NODE_NONE ? MP_IMPORT_STAT_NO_EXIST :
        kind == NODE_FOLDER ? MP_IMPORT_STAT_DIR : MP_IMPORT_STAT_FILE;
}

#define READER_BYTES (64)

typedef struct {
    file_t *file;
    uint8_t buffer[READER_BYTES];
    uint8_t next, end;
} reader_t;

static mp_uint_t reader_byte(void *data) {
    reader_t *self = data;
    if (self->next == self->end) {
        int error;
        mp_uint_t count = file_read(MP_OBJ_FROM_PTR(self->file), self->buffer, READER_BYTES, &error);
        self->next = 0;
        self->end = count == MP_STREAM_ERROR ? 0 : count;
        if (self->end == 0) {
            return MP_READER_EOF;
        }
    }
    return self->buffer[self->next++];
}

static void reader_close(void *data) {
    m_del_obj(reader_t, data);
}

void mp_reader_new_file(mp_reader_t *reader, qstr path) {
    file_t *file = MP_OBJ_TO_PTR(file_open(qstr_str(path), "rb"));
    if (file->preloaded != NULL) { // the core uses its bytecode and texts where they are
        const uint8_t *data = preload_data(file->preloaded);
        mp_reader_new_mem(reader, data, file->preloaded->bytes, MP_READER_IS_ROM);
        return;
    }
    reader_t *self = m_new_obj(reader_t);
    self->file = file;
    self->next = self->end = 0;
    reader->data = self;
    reader->readbyte = reader_byte;
    reader->close = reader_close;
}

mp_lexer_t *mp_lexer_new_from_file(qstr path) {
    mp_reader_t reader;
    mp_reader_new_file(&reader, path);
    return mp_lexer_new(path, reader);
}
