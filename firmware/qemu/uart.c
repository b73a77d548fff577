// The console: UART0 (CMSDK APB UART). Its interrupt moves received bytes into a ring. When that
// is full a byte stays in the UART, and QEMU holds the others back: none is lost, however fast the
// host sends.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

typedef struct {
    volatile uint32_t data, state, control, interrupt, divider;
} uart_t;

#define UART0         ((uart_t *)0x40004000)
#define STATE_FULL_TX (1u << 0)
#define STATE_FULL_RX (1u << 1)
#define CONTROL_TX    (1u << 0)
#define CONTROL_RX    (1u << 1)
#define CONTROL_IRQ_RX (1u << 3)
#define INTERRUPT_RX  (1u << 1)
#define UART_IRQ      (0)
#define NVIC_ISER0    (*(volatile uint32_t *)0xe000e100)
#define BAUD          (115200)

#define RING_BYTES (2048) // a power of two, more than MICROPY_REPL_STDIN_BUFFER_MAX

static uint8_t ring[RING_BYTES];
static volatile uint32_t written, taken;

void uart_init(void) {
    UART0->divider = BOARD_CLOCK_HZ / BAUD;
    UART0->control = CONTROL_TX | CONTROL_RX | CONTROL_IRQ_RX;
    NVIC_ISER0 = 1u << UART_IRQ;
}

// In the handler, or with interrupts masked. An interrupt character drops what was not yet read,
// as it does on boards with USB.
static void receive(void) {
    while (written - taken < RING_BYTES && UART0->state & STATE_FULL_RX) {
        uint8_t byte = UART0->data;
        if (byte == mp_interrupt_char) {
            taken = written;
            mp_sched_keyboard_interrupt();
        } else {
            ring[written++ % RING_BYTES] = byte;
        }
    }
}

void uart_receive_handler(void) {
    UART0->interrupt = INTERRUPT_RX;
    receive();
}

size_t uart_waiting(void) {
    return written - taken;
}

void uart_put(uint8_t byte) {
    while (UART0->state & STATE_FULL_TX) {
    }
    UART0->data = byte;
}

// What the core wants.

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        clock_wait(BOARD_FOREVER, true);
        uint32_t state = board_mask_interrupts();
        int byte = uart_waiting() ? ring[taken++ % RING_BYTES] : -1; // it may have been dropped
        receive(); // there is room again
        board_restore_interrupts(state);
        if (byte >= 0) {
            return byte;
        }
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uart_put(text[i]);
    }
    return size;
}

uintptr_t mp_hal_stdio_poll(uintptr_t wanted) {
    uintptr_t ready = wanted & MP_STREAM_POLL_WR;
    if (wanted & MP_STREAM_POLL_RD && uart_waiting()) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}
