// Module os: folders, and facts about files.
#include <string.h>
#include "py/mperrno.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "board.h"
#include "files.h"

#define MODE_FOLDER (0x4000)
#define MODE_FILE   (0x8000)

static void check(int error) {
    if (error) {
        mp_raise_OSError(error);
    }
}

// The path of an argument from the root; what lies there may be nothing, if that is allowed.
static node_t node_of(mp_obj_t path, char full[PATH_BYTES], bool may_miss) {
    check(path_full(mp_obj_str_get_str(path), full));
    node_t node = node_find(full);
    check(node.kind == NODE_NONE && !may_miss ? MP_ENOENT : 0);
    return node;
}

static size_t node_bytes(node_t node) {
    return node.kind == NODE_STORED ? node.stored->bytes :
        node.kind == NODE_PRELOADED ? node.preloaded->bytes : 0;
}

static mp_obj_t os_stat(mp_obj_t path) {
    char full[PATH_BYTES];
    node_t node = node_of(path, full, false);
    mp_obj_t facts[10];
    for (size_t i = 0; i < MP_ARRAY_SIZE(facts); i++) {
        facts[i] = MP_OBJ_NEW_SMALL_INT(0);
    }
    facts[0] = MP_OBJ_NEW_SMALL_INT(node.kind == NODE_FOLDER ? MODE_FOLDER : MODE_FILE);
    facts[6] = MP_OBJ_NEW_SMALL_INT(node_bytes(node));
    return mp_obj_new_tuple(MP_ARRAY_SIZE(facts), facts);
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_stat_obj, os_stat);

// Enter what `path` is, or is part of, into a dict of what is directly in a folder.
static void list_path(mp_obj_t found, const char *folder, const char *path) {
    if (!path_is_in(path, folder)) {
        return;
    }
    char full[PATH_BYTES];
    size_t start = *folder ? strlen(folder) + 1 : 0;
    size_t size = strcspn(path + start, "/");
    memcpy(full, path, start + size);
    full[start + size] = 0;
    node_t node = node_find(full);
    mp_obj_t entry[4] = {
        mp_obj_new_str(full + start, size),
        MP_OBJ_NEW_SMALL_INT(node.kind == NODE_FOLDER ? MODE_FOLDER : MODE_FILE),
        MP_OBJ_NEW_SMALL_INT(0),
        MP_OBJ_NEW_SMALL_INT(node_bytes(node)),
    };
    mp_obj_dict_store(found, entry[0], mp_obj_new_tuple(MP_ARRAY_SIZE(entry), entry));
}

// A dict of names, with what ilistdir tells about each.
static mp_obj_t list_folder(size_t n_args, const mp_obj_t *args) {
    char folder[PATH_BYTES];
    strcpy(folder, path_folder());
    if (n_args) {
        node_t node = node_of(args[0], folder, false);
        check(node.kind == NODE_FOLDER ? 0 : MP_ENOTDIR);
    }
    mp_obj_t found = mp_obj_new_dict(0);
    for (store_entry_t *entry = store_next(NULL); entry != NULL; entry = store_next(entry)) {
        list_path(found, folder, entry->path);
    }
    for (size_t i = 0; i < preload_count(); i++) {
        list_path(found, folder, preload_entry(i)->path);
    }
    return found;
}

static mp_obj_t os_ilistdir(size_t n_args, const mp_obj_t *args) {
    mp_obj_t method[2];
    mp_load_method(list_folder(n_args, args), MP_QSTR_values, method);
    return mp_getiter(mp_call_method_n_kw(0, 0, method), NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_ilistdir_obj, 0, 1, os_ilistdir);

static mp_obj_t os_listdir(size_t n_args, const mp_obj_t *args) {
    mp_obj_t found = list_folder(n_args, args);
    return mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_list), found);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_listdir_obj, 0, 1, os_listdir);

static mp_obj_t os_remove(mp_obj_t path) {
    char full[PATH_BYTES];
    node_t node = node_of(path, full, false);
    check(node.kind == NODE_FOLDER ? MP_EISDIR : node.kind == NODE_PRELOADED ? MP_EROFS : 0);
    store_remove(node.stored);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_remove_obj, os_remove);

static mp_obj_t os_mkdir(mp_obj_t path) {
    char full[PATH_BYTES];
    node_t node = node_of(path, full, true);
    check(node.kind == NODE_NONE ? node_parent_check(full) : MP_EEXIST);
    check(store_create(full, true, &node.stored));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_mkdir_obj, os_mkdir);

static bool is_empty(const char *folder) {
    for (store_entry_t *entry = store_next(NULL); entry != NULL; entry = store_next(entry)) {
        if (path_is_in(entry->path, folder)) {
            return false;
        }
    }
    for (size_t i = 0; i < preload_count(); i++) {
        if (path_is_in(preload_entry(i)->path, folder)) {
            return false;
        }
    }
    return true;
}

#define ENOTEMPTY_OF_LITTLEFS (39)

static mp_obj_t os_rmdir(mp_obj_t path) {
    char full[PATH_BYTES];
    node_t node = node_of(path, full, false);
    check(node.kind != NODE_FOLDER ? MP_ENOTDIR : is_empty(full) ? 0 : ENOTEMPTY_OF_LITTLEFS);
    check(node.stored == NULL ? MP_EINVAL : 0); // the root
    store_remove(node.stored);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_rmdir_obj, os_rmdir);

// Whether everything in a folder that moves still has a path that fits.
static bool fits(const char *old, const char *new) {
    size_t longest = strlen(old);
    for (store_entry_t *entry = store_next(NULL); entry != NULL; entry = store_next(entry)) {
        longest = path_is_in(entry->path, old) ? MAX(longest, strlen(entry->path)) : longest;
    }
    return longest - strlen(old) + strlen(new) < PATH_BYTES;
}

// A file takes the place of an older one in one step.
static mp_obj_t os_rename(mp_obj_t old_path, mp_obj_t new_path) {
    char old[PATH_BYTES], new[PATH_BYTES];
    node_t from = node_of(old_path, old, false), to = node_of(new_path, new, true);
    check(from.stored == NULL || to.kind == NODE_PRELOADED ? MP_EROFS : 0);
    check(path_is_in(new, old) || !fits(old, new) ? MP_EINVAL : node_parent_check(new));
    if (to.stored != NULL && to.stored == from.stored) {
        return mp_const_none;
    }
    check(to.kind == NODE_FOLDER ? MP_EEXIST : 0);
    check(to.kind != NODE_NONE && from.kind == NODE_FOLDER ? MP_ENOTDIR : 0);
    if (to.stored != NULL) {
        store_remove(to.stored);
    }
    store_move(old, new);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(os_rename_obj, os_rename);

static mp_obj_t os_statvfs(mp_obj_t path) {
    char full[PATH_BYTES];
    node_of(path, full, false);
    size_t numbers[] = {
        STORE_BLOCK_BYTES, STORE_BLOCK_BYTES, store_blocks(), store_blocks_free(),
        store_blocks_free(), 0, 0, 0, 0, PATH_BYTES - 1,
    };
    mp_obj_t facts[MP_ARRAY_SIZE(numbers)];
    for (size_t i = 0; i < MP_ARRAY_SIZE(numbers); i++) {
        facts[i] = MP_OBJ_NEW_SMALL_INT(numbers[i]);
    }
    return mp_obj_new_tuple(MP_ARRAY_SIZE(facts), facts);
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_statvfs_obj, os_statvfs);

static mp_obj_t os_getcwd(void) {
    char path[PATH_BYTES + 1] = "/";
    strcpy(path + 1, path_folder());
    return mp_obj_new_str(path, strlen(path));
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_getcwd_obj, os_getcwd);

static mp_obj_t os_chdir(mp_obj_t path) {
    check(path_set_folder(mp_obj_str_get_str(path)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_chdir_obj, os_chdir);

static mp_obj_t os_sync(void) {
    return mp_const_none; // every write is there at once
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_sync_obj, os_sync);

static const mp_rom_map_elem_t os_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_os) },
    { MP_ROM_QSTR(MP_QSTR_stat), MP_ROM_PTR(&os_stat_obj) },
    { MP_ROM_QSTR(MP_QSTR_ilistdir), MP_ROM_PTR(&os_ilistdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_listdir), MP_ROM_PTR(&os_listdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_remove), MP_ROM_PTR(&os_remove_obj) },
    { MP_ROM_QSTR(MP_QSTR_mkdir), MP_ROM_PTR(&os_mkdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_rmdir), MP_ROM_PTR(&os_rmdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_rename), MP_ROM_PTR(&os_rename_obj) },
    { MP_ROM_QSTR(MP_QSTR_statvfs), MP_ROM_PTR(&os_statvfs_obj) },
    { MP_ROM_QSTR(MP_QSTR_getcwd), MP_ROM_PTR(&os_getcwd_obj) },
    { MP_ROM_QSTR(MP_QSTR_chdir), MP_ROM_PTR(&os_chdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_sync), MP_ROM_PTR(&os_sync_obj) },
};
BOARD_MODULE(os);
MP_REGISTER_MODULE(MP_QSTR_os, os_module);
