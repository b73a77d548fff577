// From reset to the REPL, and round again at each soft reset.
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "files.h"

#define DEFAULT_HEAP_BYTES (256 * 1024)

extern char stack_limit[], stack_top[], heap_start[], heap_limit[];

static size_t heap_bytes(void) {
    size_t wanted = board_options.heap_bytes ? board_options.heap_bytes : DEFAULT_HEAP_BYTES;
    return MIN(wanted, (size_t)(heap_limit - heap_start));
}

// As on other boards: boot.py always, main.py unless a host in the raw REPL asked for the reset.
// True if one of them asks for another reset, by SystemExit.
static bool run_boot_files(void) {
    int ended = pyexec_file_if_exists("boot.py");
    if (!(ended & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
        ended = pyexec_file_if_exists("main.py");
    }
    return ended & PYEXEC_FORCED_EXIT;
}

static int repl(void) {
    bool raw = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL;
    return raw ? pyexec_raw_repl() : pyexec_friendly_repl();
}

int main(void) {
    clock_init();
    uart_init();
    files_init();
    for (;;) {
        mp_cstack_init_with_top(stack_top, stack_top - stack_limit);
        gc_init(heap_start, heap_start + heap_bytes());
        mp_init();
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
        readline_init0();
        bool is_over = run_boot_files();
        while (!is_over) {
            is_over = repl() & PYEXEC_FORCED_EXIT;
        }
        mp_hal_stdout_tx_str("MPY: soft reboot\r\n"); // host tools look for this text
        gc_sweep_all();
        mp_deinit();
        files_soft_reset();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

// An exception that nothing catches: the core cannot go on.
MP_NORETURN void nlr_jump_fail(void *value) {
    (void)value;
    mp_hal_stdout_tx_str("\r\nFAULT uncaught exception\r\n");
    board_reset();
}
