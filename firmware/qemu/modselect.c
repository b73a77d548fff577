// Module select: poll, to wait for input with a time limit. The only stream that one can wait for
// is the console, so a poll has at most one registered.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

typedef struct {
    mp_obj_base_t base;
    mp_obj_t stream;         // MP_OBJ_NULL: none
    mp_uint_t events;
} poll_t;

static mp_uint_t ready_events(poll_t *self) {
    int error;
    const mp_stream_p_t *protocol = mp_get_stream(self->stream);
    mp_uint_t ready = protocol->ioctl(self->stream, MP_STREAM_POLL, self->events, &error);
    if (ready == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    return ready;
}

static mp_obj_t poll_register(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_get_stream_raise(args[1], MP_STREAM_OP_IOCTL);
    self->stream = args[1];
    self->events = n_args > 2 ? (mp_uint_t)mp_obj_get_int(args[2])
                              : MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    ready_events(self); // a stream that cannot be waited for says so at once
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_register_obj, 2, 3, poll_register);

static mp_obj_t poll_unregister(mp_obj_t self_in, mp_obj_t stream) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->stream == stream) {
        self->stream = MP_OBJ_NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poll_unregister_obj, poll_unregister);

// poll([ms]): a list of (stream, events), empty after `ms` milliseconds; for ever if negative.
static mp_obj_t poll_poll(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_int_t ms = n_args > 1 && args[1] != mp_const_none ? mp_obj_get_int(args[1]) : -1;
    uint64_t until = BOARD_FOREVER;
    if (ms >= 0) {
        until = clock_now() + (uint64_t)ms * (BOARD_CLOCK_HZ / 1000);
    }
    mp_obj_t found = mp_obj_new_list(0, NULL);
    mp_uint_t ready = self->stream == MP_OBJ_NULL ? 0 : ready_events(self);
    if (ready == 0) {
        clock_wait(until, self->stream != MP_OBJ_NULL);
        ready = self->stream == MP_OBJ_NULL ? 0 : ready_events(self);
    }
    if (ready) {
        mp_obj_t pair[2] = { self->stream, MP_OBJ_NEW_SMALL_INT(ready) };
        mp_obj_list_append(found, mp_obj_new_tuple(2, pair));
    }
    return found;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_poll_obj, 1, 2, poll_poll);

static const mp_rom_map_elem_t poll_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_register), MP_ROM_PTR(&poll_register_obj) },
    { MP_ROM_QSTR(MP_QSTR_unregister), MP_ROM_PTR(&poll_unregister_obj) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&poll_poll_obj) },
};
static MP_DEFINE_CONST_DICT(poll_locals, poll_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(poll_type, MP_QSTR_poll, MP_TYPE_FLAG_NONE,
    locals_dict, &poll_locals);

static mp_obj_t select_poll(void) {
    poll_t *self = mp_obj_malloc(poll_t, &poll_type);
    self->stream = MP_OBJ_NULL;
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_0(select_poll_obj, select_poll);

static const mp_rom_map_elem_t select_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_select) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&select_poll_obj) },
    { MP_ROM_QSTR(MP_QSTR_POLLIN), MP_ROM_INT(MP_STREAM_POLL_RD) },
    { MP_ROM_QSTR(MP_QSTR_POLLOUT), MP_ROM_INT(MP_STREAM_POLL_WR) },
};
BOARD_MODULE(select);
MP_REGISTER_MODULE(MP_QSTR_select, select_module);
