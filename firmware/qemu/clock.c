// Time, and the count of instructions that QEMU's -icount makes of it.
//
// Time comes from the two halves of the CMSDK dual timer, free-running: one counts clocks and
// wraps every 172 s, the other counts 256 clocks and says how often the first has wrapped. There
// is no interrupt that would disturb what is measured.
//
// With -icount an instruction takes 2^shift ns and a clock 40 ns. Where an instruction takes more
// than two clocks (shift 7: 3.2) the rounded quotient is exact, provided that both readings belong
// to one stretch of execution: idle time ends at any nanosecond. So each stretch starts from a
// reading of its own, and idle time counts no instructions.
#include "py/mphal.h"
#include "py/mpstate.h"
#include "py/runtime.h"

typedef struct {
    volatile uint32_t load, value, control, rest[5];
} dual_timer_t;

typedef struct {
    volatile uint32_t control, value, reload, interrupt;
} alarm_t;

#define CLOCKS     ((dual_timer_t *)0x40002000)
#define CLOCKS_256 ((dual_timer_t *)0x40002020)
#define DUAL_ENABLE   (1u << 7)
#define DUAL_DIVIDE_256 (2u << 2)
#define DUAL_32_BITS  (1u << 1)
#define ALARM      ((alarm_t *)0x40000000)
#define ALARM_ENABLE  (1u << 0 | 1u << 3) // count, and interrupt
#define ALARM_IRQ  (8)
#define NVIC_ISER0 (*(volatile uint32_t *)0xe000e100)
#define NS_PER_CLOCK (1000000000u / BOARD_CLOCK_HZ)
#define LOOK_CLOCKS (BOARD_CLOCK_HZ / 100)
#define MIN_SHIFT  (7) // with less, two numbers of instructions can be the same number of clocks

static uint32_t last_slow;
static uint64_t slow_wraps;
static uint64_t stretch_start, stretch_count; // clocks and instructions when execution went on
static volatile bool alarm_rang;

void clock_init(void) {
    CLOCKS->control = DUAL_32_BITS;
    CLOCKS_256->control = DUAL_32_BITS | DUAL_DIVIDE_256;
    CLOCKS->load = CLOCKS_256->load = UINT32_MAX; // they count down
    CLOCKS_256->control |= DUAL_ENABLE;
    CLOCKS->control |= DUAL_ENABLE;
    NVIC_ISER0 = 1u << ALARM_IRQ;
}

uint64_t clock_now(void) {
    uint32_t state = board_mask_interrupts();
    uint32_t fast = UINT32_MAX - CLOCKS->value;
    uint32_t slow = UINT32_MAX - CLOCKS_256->value;
    if (slow < last_slow) {
        slow_wraps++; // every 12 hours
    }
    last_slow = slow;
    uint64_t about = (slow_wraps << 32 | slow) << 8;
    board_restore_interrupts(state);
    uint64_t fast_wraps = (about - fast + (1ull << 31)) >> 32; // rounded: `about` is a little off
    return fast_wraps << 32 | fast;
}

bool clock_counts_instructions(void) {
    return board_options.icount_shift >= MIN_SHIFT;
}

uint64_t clock_instructions(void) {
    uint32_t shift = board_options.icount_shift;
    uint64_t ns = (clock_now() - stretch_start) * NS_PER_CLOCK;
    return stretch_count + ((ns + (1u << shift >> 1)) >> shift);
}

void clock_alarm_handler(void) {
    ALARM->control = 0;
    ALARM->interrupt = 1;
    alarm_rang = true;
}

static void alarm_set(uint64_t clocks) {
    ALARM->control = 0;
    alarm_rang = false;
    ALARM->reload = ALARM->value = MIN(clocks, UINT32_MAX);
    ALARM->control = ALARM_ENABLE;
}

// Interrupts are masked: one that comes after the test stays pending, and ends the sleep at once.
static void sleep_unless_woken(bool for_input) {
    uint32_t state = board_mask_interrupts();
    bool woken = alarm_rang || (for_input && uart_waiting()) ||
        MP_STATE_MAIN_THREAD(mp_pending_exception) != MP_OBJ_NULL;
    if (!woken) {
        stretch_count = clock_instructions();
        __asm volatile ("wfi");
        stretch_start = clock_now();
    }
    board_restore_interrupts(state);
}

bool clock_wait(uint64_t until, bool for_input) {
    // QEMU without -icount may leave its serial line alone until a timer ends.
    uint64_t longest = clock_counts_instructions() ? BOARD_FOREVER : LOOK_CLOCKS;
    for (;;) {
        mp_handle_pending(MP_HANDLE_PENDING_CALLBACKS_AND_EXCEPTIONS);
        if (for_input && uart_waiting()) {
            return true;
        }
        alarm_rang = false;
        if (until != BOARD_FOREVER || longest != BOARD_FOREVER) {
            uint64_t now = clock_now();
            if (now >= until) {
                return false;
            }
            alarm_set(MIN(until - now, longest));
        }
        sleep_unless_woken(for_input);
        ALARM->control = 0; // it must not ring in the middle of something that is measured
    }
}

// What the core wants.

mp_uint_t mp_hal_ticks_cpu(void) {
    return clock_now();
}

mp_uint_t mp_hal_ticks_us(void) {
    return clock_now() / (BOARD_CLOCK_HZ / 1000000);
}

mp_uint_t mp_hal_ticks_ms(void) {
    return clock_now() / (BOARD_CLOCK_HZ / 1000);
}

void mp_hal_delay_us(mp_uint_t us) {
    clock_wait(clock_now() + (uint64_t)us * (BOARD_CLOCK_HZ / 1000000), false);
}

void mp_hal_delay_ms(mp_uint_t ms) {
    clock_wait(clock_now() + (uint64_t)ms * (BOARD_CLOCK_HZ / 1000), false);
}
