// Module binascii: crc32, hexlify, unhexlify.
#include "py/misc.h"
#include "py/mphal.h"
#include "py/runtime.h"

#define POLYNOMIAL (0xedb88320) // of CRC-32 as in zlib, bits reversed

static uint32_t crc_of_nibble(uint32_t value) {
    for (size_t bit = 0; bit < 4; bit++) {
        value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
    }
    return value;
}

// crc32(data[, crc]): `crc` is that of what comes before the data.
static mp_obj_t binascii_crc32(size_t n_args, const mp_obj_t *args) {
    static uint32_t table[16];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < MP_ARRAY_SIZE(table); i++) {
            table[i] = crc_of_nibble(i);
        }
    }
    mp_buffer_info_t data;
    mp_get_buffer_raise(args[0], &data, MP_BUFFER_READ);
    const uint8_t *bytes = data.buf;
    uint32_t crc = ~(n_args > 1 ? (uint32_t)mp_obj_get_int_truncated(args[1]) : 0);
    for (size_t i = 0; i < data.len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return mp_obj_new_int_from_uint(~crc);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(binascii_crc32_obj, 1, 2, binascii_crc32);

static mp_obj_t binascii_hexlify(mp_obj_t object) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(object, &data, MP_BUFFER_READ);
    const uint8_t *bytes = data.buf;
    vstr_t text;
    vstr_init_len(&text, data.len * 2);
    for (size_t i = 0; i < data.len * 2; i++) {
        text.buf[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
    return mp_obj_new_bytes_from_vstr(&text);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_hexlify_obj, binascii_hexlify);

static mp_obj_t binascii_unhexlify(mp_obj_t object) {
    mp_buffer_info_t text;
    mp_get_buffer_raise(object, &text, MP_BUFFER_READ);
    const uint8_t *digits = text.buf;
    bool is_good = text.len % 2 == 0;
    for (size_t i = 0; i < text.len; i++) {
        is_good &= unichar_isxdigit(digits[i]);
    }
    if (!is_good) {
        mp_raise_ValueError(MP_ERROR_TEXT("not hex digits in pairs"));
    }
    vstr_t bytes;
    vstr_init_len(&bytes, text.len / 2);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.buf[i] = unichar_xdigit_value(digits[2 * i]) << 4 |
            unichar_xdigit_value(digits[2 * i + 1]);
    }
    return mp_obj_new_bytes_from_vstr(&bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_unhexlify_obj, binascii_unhexlify);

static const mp_rom_map_elem_t binascii_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_binascii) },
    { MP_ROM_QSTR(MP_QSTR_crc32), MP_ROM_PTR(&binascii_crc32_obj) },
    { MP_ROM_QSTR(MP_QSTR_hexlify), MP_ROM_PTR(&binascii_hexlify_obj) },
    { MP_ROM_QSTR(MP_QSTR_unhexlify), MP_ROM_PTR(&binascii_unhexlify_obj) },
};
BOARD_MODULE(binascii);
MP_REGISTER_MODULE(MP_QSTR_binascii, binascii_module);
