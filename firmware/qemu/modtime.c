// Module time: ticks, which wrap at 2^30, and sleep.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/smallint.h"

#define PERIOD MICROPY_PY_TIME_TICKS_PERIOD

static mp_obj_t wrapped(mp_uint_t ticks) {
    return MP_OBJ_NEW_SMALL_INT(ticks & (PERIOD - 1));
}

static mp_obj_t time_ticks_ms(void) {
    return wrapped(mp_hal_ticks_ms());
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_ms_obj, time_ticks_ms);

static mp_obj_t time_ticks_us(void) {
    return wrapped(mp_hal_ticks_us());
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_us_obj, time_ticks_us);

static mp_obj_t time_ticks_cpu(void) {
    return wrapped(mp_hal_ticks_cpu());
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_cpu_obj, time_ticks_cpu);

// The signed way from start to end: from -PERIOD / 2 to PERIOD / 2 - 1.
static mp_obj_t time_ticks_diff(mp_obj_t end, mp_obj_t start) {
    mp_uint_t way = (mp_uint_t)mp_obj_get_int(end) - (mp_uint_t)mp_obj_get_int(start);
    mp_int_t shifted = (way + PERIOD / 2) & (PERIOD - 1);
    return MP_OBJ_NEW_SMALL_INT(shifted - (mp_int_t)(PERIOD / 2));
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_diff_obj, time_ticks_diff);

static mp_obj_t time_ticks_add(mp_obj_t ticks, mp_obj_t way) {
    return wrapped((mp_uint_t)mp_obj_get_int(ticks) + (mp_uint_t)mp_obj_get_int(way));
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_add_obj, time_ticks_add);

static mp_obj_t time_sleep_us(mp_obj_t us) {
    mp_int_t count = mp_obj_get_int(us);
    mp_hal_delay_us(MAX(count, 0));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_us_obj, time_sleep_us);

static mp_obj_t time_sleep_ms(mp_obj_t ms) {
    mp_int_t count = mp_obj_get_int(ms);
    mp_hal_delay_ms(MAX(count, 0));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_ms_obj, time_sleep_ms);

static mp_obj_t time_sleep(mp_obj_t seconds) {
    mp_float_t ms = mp_obj_get_float(seconds) * 1000;
    mp_hal_delay_ms(ms > 0 ? (mp_uint_t)ms : 0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_obj, time_sleep);

static const mp_rom_map_elem_t time_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_time) },
    { MP_ROM_QSTR(MP_QSTR_ticks_ms), MP_ROM_PTR(&time_ticks_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_us), MP_ROM_PTR(&time_ticks_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_cpu), MP_ROM_PTR(&time_ticks_cpu_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_diff), MP_ROM_PTR(&time_ticks_diff_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_add), MP_ROM_PTR(&time_ticks_add_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep), MP_ROM_PTR(&time_sleep_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_ms), MP_ROM_PTR(&time_sleep_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_us), MP_ROM_PTR(&time_sleep_us_obj) },
};
BOARD_MODULE(time);
MP_REGISTER_MODULE(MP_QSTR_time, time_module);
