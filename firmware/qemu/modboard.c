// Module board: what only this board has.
#include <string.h>
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"

// instructions(mark): the number executed so far, into the 8 bytes of `mark`, little-endian. It
// allocates nothing. OSError if QEMU runs without -icount, or with one that is too fine to count.
static mp_obj_t board_instructions(mp_obj_t mark) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(mark, &buffer, MP_BUFFER_WRITE);
    uint64_t count = clock_instructions();
    if (buffer.len != sizeof(count)) {
        mp_raise_ValueError(MP_ERROR_TEXT("mark must have 8 bytes"));
    }
    if (!clock_counts_instructions()) {
        mp_raise_OSError(MP_EOPNOTSUPP);
    }
    memcpy(buffer.buf, &count, sizeof(count));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(board_instructions_obj, board_instructions);

static const mp_rom_map_elem_t board_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_board) },
    { MP_ROM_QSTR(MP_QSTR_instructions), MP_ROM_PTR(&board_instructions_obj) },
};
BOARD_MODULE(board);
MP_REGISTER_MODULE(MP_QSTR_board, board_module);
