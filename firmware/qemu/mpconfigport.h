// Configuration of MicroPython's core for this board.
#include <alloca.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL        (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Its names: in the banner and in sys.implementation.
#define MICROPY_HW_BOARD_NAME           "QEMU " BOARD_MACHINE
#define MICROPY_HW_MCU_NAME             BOARD_PROCESSOR
#define MICROPY_PY_SYS_PLATFORM         "qemu"

// Memory and numbers.
#define MICROPY_ENABLE_GC               (1)
#define MICROPY_LONGINT_IMPL            (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL              (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_PY_MATH_POW_FIX_NAN     (1) // newlib's libm differs from C99 in these two
#define MICROPY_PY_MATH_GAMMA_FIX_NEGINF (1)
#define MICROPY_STACK_CHECK_MARGIN      (1024)
#define MP_SSIZE_MAX                    (0x7fffffff)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)

// Machine code: @native, @viper, @asm_thumb, and all of them in .mpy files.
#define MICROPY_EMIT_THUMB              (1)
#define MICROPY_EMIT_INLINE_THUMB       (1)
#define MICROPY_PERSISTENT_CODE_LOAD    (1)
#define MICROPY_OPT_COMPUTED_GOTO       (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((uintptr_t)(p) | 1)) // bit 0: Thumb

// Files are our own (files.c), so extmod's VFS is not there. VFS_ROM is set for what the core
// itself has of it: .mpy files that lie in mapped memory are used in place.
#define MICROPY_HAS_FILE_READER         (1)
#define MICROPY_VFS_ROM                 (1)
#define MICROPY_VFS_ROM_IOCTL           (0)

// extmod's uctypes is not in the source distribution; modmemory.c has the part that is needed.
#define MICROPY_PY_UCTYPES              (0)

#define MICROPY_WARNINGS                (1)
#define MICROPY_PY_MICROPYTHON_HEAP_LOCKED (1)

// Bytes that a host may send ahead in raw-paste mode: less than the ring of uart.c.
#define MICROPY_REPL_STDIN_BUFFER_MAX   (1024)

typedef long mp_off_t;
#define MP_STATE_PORT                   MP_STATE_VM
