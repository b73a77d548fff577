// The part of the hardware layer that MicroPython's core wants as macros.
#include "shared/runtime/interrupt_char.h"
#include "board.h"

// There are no pins. The name must exist: without it py/mphal.h wants a header of extmod.
#define mp_hal_pin_obj_t void *

#define MICROPY_BEGIN_ATOMIC_SECTION()     board_mask_interrupts()
#define MICROPY_END_ATOMIC_SECTION(state)  board_restore_interrupts(state)
