// What the board's own C files offer each other. The memory map is in README.md and mps2.ld.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "py/obj.h"

#define BOARD_CLOCK_HZ (25000000u)
#define BOARD_FOREVER  (UINT64_MAX)

// clock.c
void clock_init(void);
uint64_t clock_now(void);            // clocks of 40 ns since reset
bool clock_counts_instructions(void);
uint64_t clock_instructions(void);   // executed since reset, without those of idle time
// Wait until clock_now() reaches `until`, or, if asked for, a byte has been received. Sleeps, runs
// the scheduler, and raises what is pending. Says whether there is input.
bool clock_wait(uint64_t until, bool for_input);
void clock_alarm_handler(void);

// uart.c
void uart_init(void);
void uart_receive_handler(void);
size_t uart_waiting(void);           // received bytes that nobody has read
void uart_put(uint8_t byte);         // polled: works in a fault handler too

// startup.c
MP_NORETURN void board_reset(void);

static inline uint32_t board_mask_interrupts(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (state) :: "memory");
    return state;
}

static inline void board_restore_interrupts(uint32_t state) {
    __asm volatile ("msr primask, %0" :: "r" (state) : "memory");
}

// Words that QEMU's loader device may set before the start; 0 where it has not.
typedef struct {
    uint32_t heap_bytes;
    uint32_t icount_shift;           // of -icount: an instruction takes 2^shift ns
} board_options_t;

extern const volatile board_options_t board_options;

// Define module <name> from the table <name>_table.
#define BOARD_MODULE(name) \
    static MP_DEFINE_CONST_DICT(name##_globals, name##_table); \
    const mp_obj_module_t name##_module = { \
        .base = { &mp_type_module }, \
        .globals = (mp_obj_dict_t *)&name##_globals, \
    }
