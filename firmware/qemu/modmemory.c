// Modules machine and uctypes, as far as they are about memory, and machine.reset and freq.
#include "py/mphal.h"
#include "py/objarray.h"
#include "py/runtime.h"

// machine.mem8, mem16, mem32: memory as something that is indexed by addresses.

typedef struct {
    mp_obj_base_t base;
    uint8_t bytes;
} memory_t;

static mp_uint_t load(mp_uint_t address, size_t bytes) {
    return bytes == 1 ? *(volatile uint8_t *)address :
        bytes == 2 ? *(volatile uint16_t *)address : *(volatile uint32_t *)address;
}

static void save(mp_uint_t address, size_t bytes, mp_uint_t value) {
    if (bytes == 1) {
        *(volatile uint8_t *)address = value;
    } else if (bytes == 2) {
        *(volatile uint16_t *)address = value;
    } else {
        *(volatile uint32_t *)address = value;
    }
}

static mp_obj_t memory_subscript(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
    memory_t *self = MP_OBJ_TO_PTR(self_in);
    mp_uint_t address = mp_obj_get_int_truncated(index);
    if (address % self->bytes) {
        mp_raise_ValueError(MP_ERROR_TEXT("address not aligned"));
    }
    if (value == MP_OBJ_NULL) {
        return MP_OBJ_NULL; // del: not supported
    }
    if (value == MP_OBJ_SENTINEL) {
        return mp_obj_new_int_from_uint(load(address, self->bytes));
    }
    save(address, self->bytes, mp_obj_get_int_truncated(value));
    return mp_const_none;
}

static MP_DEFINE_CONST_OBJ_TYPE(memory_type, MP_QSTR_mem, MP_TYPE_FLAG_NONE,
    subscr, memory_subscript);

static const memory_t machine_mem8_obj = { { &memory_type }, 1 };
static const memory_t machine_mem16_obj = { { &memory_type }, 2 };
static const memory_t machine_mem32_obj = { { &memory_type }, 4 };

static mp_obj_t machine_reset(void) {
    board_reset();
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_reset_obj, machine_reset);

static mp_obj_t machine_freq(void) {
    return MP_OBJ_NEW_SMALL_INT(BOARD_CLOCK_HZ);
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_freq_obj, machine_freq);

static const mp_rom_map_elem_t machine_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_machine) },
    { MP_ROM_QSTR(MP_QSTR_mem8), MP_ROM_PTR(&machine_mem8_obj) },
    { MP_ROM_QSTR(MP_QSTR_mem16), MP_ROM_PTR(&machine_mem16_obj) },
    { MP_ROM_QSTR(MP_QSTR_mem32), MP_ROM_PTR(&machine_mem32_obj) },
    { MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&machine_reset_obj) },
    { MP_ROM_QSTR(MP_QSTR_freq), MP_ROM_PTR(&machine_freq_obj) },
};
BOARD_MODULE(machine);
MP_REGISTER_MODULE(MP_QSTR_machine, machine_module);

// uctypes: addresses of buffers, and buffers at addresses.

static mp_obj_t uctypes_addressof(mp_obj_t object) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    return mp_obj_new_int_from_uint((uintptr_t)buffer.buf);
}
static MP_DEFINE_CONST_FUN_OBJ_1(uctypes_addressof_obj, uctypes_addressof);

static mp_obj_t uctypes_bytearray_at(mp_obj_t address, mp_obj_t bytes) {
    void *memory = (void *)mp_obj_get_int_truncated(address);
    return mp_obj_new_bytearray_by_ref(mp_obj_get_int(bytes), memory);
}
static MP_DEFINE_CONST_FUN_OBJ_2(uctypes_bytearray_at_obj, uctypes_bytearray_at);

static mp_obj_t uctypes_bytes_at(mp_obj_t address, mp_obj_t bytes) {
    return mp_obj_new_bytes((void *)mp_obj_get_int_truncated(address), mp_obj_get_int(bytes));
}
static MP_DEFINE_CONST_FUN_OBJ_2(uctypes_bytes_at_obj, uctypes_bytes_at);

static const mp_rom_map_elem_t uctypes_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_uctypes) },
    { MP_ROM_QSTR(MP_QSTR_addressof), MP_ROM_PTR(&uctypes_addressof_obj) },
    { MP_ROM_QSTR(MP_QSTR_bytearray_at), MP_ROM_PTR(&uctypes_bytearray_at_obj) },
    { MP_ROM_QSTR(MP_QSTR_bytes_at), MP_ROM_PTR(&uctypes_bytes_at_obj) },
};
BOARD_MODULE(uctypes);
MP_REGISTER_MODULE(MP_QSTR_uctypes, uctypes_module);
