// Vector table, reset, and faults (ARMv7-M).
#include "py/mpconfig.h"
#include "board.h"

extern uint32_t stack_limit[], stack_top[], data_start[], data_end[], data_load[], bss_start[],
    bss_end[];

int main(void);
void reset_handler(void);

#define SCB_AIRCR (*(volatile uint32_t *)0xe000ed0c)
#define SCB_CFSR  (*(volatile uint32_t *)0xe000ed28)
#define SCB_HFSR  (*(volatile uint32_t *)0xe000ed2c)
#define SCB_MMFAR (*(volatile uint32_t *)0xe000ed34)
#define SCB_BFAR  (*(volatile uint32_t *)0xe000ed38)
#define MPU_CTRL  (*(volatile uint32_t *)0xe000ed94)
#define MPU_RBAR  (*(volatile uint32_t *)0xe000ed9c)
#define MPU_RASR  (*(volatile uint32_t *)0xe000eda0)
#define MPU_REGION(number) (1u << 4 | (number))
#define MPU_BYTES(log2) (1u | ((log2) - 1) << 1) // of an enabled region
#define MPU_NO_ACCESS (0u << 24)
#define MPU_READ_ONLY (6u << 24)
#define MPU_ENABLE (1u << 0 | 1u << 2)           // elsewhere memory is as without it
#define RESET_REQUEST (0x05fa0004) // with the key without which a write is ignored
#define FRAME_LR  (5) // words of what the processor pushes when it takes an exception
#define FRAME_PC  (6)
#define FRAME_WORDS (8)

MP_NORETURN void board_reset(void) {
    __asm volatile ("dsb");
    SCB_AIRCR = RESET_REQUEST;
    for (;;) {
    }
}

// QEMU lets programs write to code and to the reserved addresses below RAM. Here both are faults:
// the first is what a null pointer does, the second a stack that overflows.
static void guard_memory(void) {
    MPU_RBAR = 0x00000000 | MPU_REGION(0);
    MPU_RASR = MPU_BYTES(22) | MPU_READ_ONLY;
    MPU_RBAR = ((uintptr_t)stack_limit - 4096) | MPU_REGION(1);
    MPU_RASR = MPU_BYTES(12) | MPU_NO_ACCESS;
    MPU_CTRL = MPU_ENABLE;
    __asm volatile ("dsb\n isb");
}

void reset_handler(void) {
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    guard_memory();
    main();
    board_reset();
}

static void put_text(const char *text) {
    while (*text) {
        uart_put(*text++);
    }
}

static void put_word(const char *name, uint32_t word) {
    put_text(name);
    for (int bit = 28; bit >= 0; bit -= 4) {
        uart_put("0123456789abcdef"[word >> bit & 15]);
    }
}

// Tell the host what happened, as far as it can be known, and start again.
__attribute__((used)) static MP_NORETURN void fault_report(const uint32_t *stack) {
    put_text("\r\nFAULT");
    put_word(" cfsr=", SCB_CFSR);
    put_word(" hfsr=", SCB_HFSR);
    put_word(" mmfar=", SCB_MMFAR);
    put_word(" bfar=", SCB_BFAR);
    put_word(" sp=", (uint32_t)stack);
    if (stack >= stack_limit && stack + FRAME_WORDS <= stack_top) { // else nothing was pushed
        put_word(" pc=", stack[FRAME_PC]);
        put_word(" lr=", stack[FRAME_LR]);
    }
    put_text("\r\n");
    board_reset();
}

// The stack may be what is wrong: the report gets a fresh one.
__attribute__((naked)) static void fault_handler(void) {
    __asm volatile (
        "mrs r0, msp\n"
        "ldr r1, =stack_top\n"
        "msr msp, r1\n"
        "b fault_report\n");
}

static void unused_handler(void) {
}

#define EXCEPTIONS (16)
#define INTERRUPTS (32)

__attribute__((section(".vectors"), used))
static void (*const vectors[EXCEPTIONS + INTERRUPTS])(void) = {
    (void (*)(void))stack_top,
    reset_handler,
    [2 ... 6] = fault_handler,
    [7 ... EXCEPTIONS - 1] = unused_handler,
    [EXCEPTIONS + 0] = uart_receive_handler,
    [EXCEPTIONS + 1 ... EXCEPTIONS + 7] = unused_handler,
    [EXCEPTIONS + 8] = clock_alarm_handler,
    [EXCEPTIONS + 9 ... EXCEPTIONS + INTERRUPTS - 1] = unused_handler,
};
