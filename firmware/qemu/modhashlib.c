// Module hashlib: sha256, after FIPS 180-4.
#include <string.h>

#include "py/mphal.h"
#include "py/runtime.h"

#define BLOCK_BYTES (64)
#define LENGTH_BYTES (8) // at the end of the last block

typedef struct {
    mp_obj_base_t base;
    uint32_t state[8];
    uint64_t bytes; // of all updates
    bool is_final;
    uint8_t block[BLOCK_BYTES]; // what does not fill one yet
} sha256_t;

// Fractional parts of the cube roots of the first 64 primes.
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// And of the square roots of the first 8.
static const uint32_t initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotated(uint32_t value, unsigned bits) {
    return value >> bits | value << (32 - bits);
}

static void take_block(sha256_t *self, const uint8_t *data) {
    uint32_t words[64];
    for (size_t i = 0; i < 16; i++) {
        words[i] = (uint32_t)data[4 * i] << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 |
            data[4 * i + 3];
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t old = words[i - 15], new = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] +
            (rotated(old, 7) ^ rotated(old, 18) ^ old >> 3) +
            (rotated(new, 17) ^ rotated(new, 19) ^ new >> 10);
    }
    uint32_t *v = self->state;
    uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
    for (size_t i = 0; i < 64; i++) {
        uint32_t sum_e = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
        uint32_t first = h + sum_e + ((e & f) ^ (~e & g)) + round_constants[i] + words[i];
        uint32_t sum_a = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
        uint32_t second = sum_a + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    v[0] += a;
    v[1] += b;
    v[2] += c;
    v[3] += d;
    v[4] += e;
    v[5] += f;
    v[6] += g;
    v[7] += h;
}

static void take(sha256_t *self, const uint8_t *data, size_t size) {
    size_t held = self->bytes % BLOCK_BYTES;
    self->bytes += size;
    while (size) {
        size_t some = MIN(size, BLOCK_BYTES - held);
        memcpy(self->block + held, data, some);
        data += some;
        size -= some;
        held += some;
        if (held == BLOCK_BYTES) {
            take_block(self, self->block);
            held = 0;
        }
    }
}

static sha256_t *open_sha256(mp_obj_t object) {
    sha256_t *self = MP_OBJ_TO_PTR(object);
    if (self->is_final) {
        mp_raise_ValueError(MP_ERROR_TEXT("hash is final"));
    }
    return self;
}

static mp_obj_t sha256_update(mp_obj_t self_in, mp_obj_t object) {
    sha256_t *self = open_sha256(self_in);
    mp_buffer_info_t data;
    mp_get_buffer_raise(object, &data, MP_BUFFER_READ);
    take(self, data.buf, data.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(sha256_update_obj, sha256_update);

// As everywhere in MicroPython, nothing can be added after this.
static mp_obj_t sha256_digest(mp_obj_t self_in) {
    sha256_t *self = open_sha256(self_in);
    uint64_t bits = self->bytes * 8;
    static const uint8_t end[BLOCK_BYTES] = { 0x80 };
    size_t held = self->bytes % BLOCK_BYTES;
    size_t room = BLOCK_BYTES - LENGTH_BYTES;
    take(self, end, (held < room ? room : room + BLOCK_BYTES) - held);
    uint8_t length[LENGTH_BYTES];
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        length[i] = bits >> 8 * (LENGTH_BYTES - 1 - i);
    }
    take(self, length, LENGTH_BYTES);
    self->is_final = true;
    vstr_t digest;
    vstr_init_len(&digest, sizeof(self->state));
    for (size_t i = 0; i < sizeof(self->state); i++) {
        digest.buf[i] = self->state[i / 4] >> (24 - i % 4 * 8);
    }
    return mp_obj_new_bytes_from_vstr(&digest);
}
static MP_DEFINE_CONST_FUN_OBJ_1(sha256_digest_obj, sha256_digest);

static mp_obj_t sha256_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    sha256_t *self = mp_obj_malloc(sha256_t, type);
    memcpy(self->state, initial_state, sizeof(self->state));
    self->bytes = 0;
    self->is_final = false;
    if (n_args == 1) {
        sha256_update(MP_OBJ_FROM_PTR(self), args[0]);
    }
    return MP_OBJ_FROM_PTR(self);
}

static const mp_rom_map_elem_t sha256_table[] = {
    { MP_ROM_QSTR(MP_QSTR_update), MP_ROM_PTR(&sha256_update_obj) },
    { MP_ROM_QSTR(MP_QSTR_digest), MP_ROM_PTR(&sha256_digest_obj) },
};
static MP_DEFINE_CONST_DICT(sha256_dict, sha256_table);
static MP_DEFINE_CONST_OBJ_TYPE(sha256_type, MP_QSTR_sha256, MP_TYPE_FLAG_NONE,
    make_new, sha256_make_new, locals_dict, &sha256_dict);

static const mp_rom_map_elem_t hashlib_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_hashlib) },
    { MP_ROM_QSTR(MP_QSTR_sha256), MP_ROM_PTR(&sha256_type) },
};
BOARD_MODULE(hashlib);
MP_REGISTER_MODULE(MP_QSTR_hashlib, hashlib_module);
