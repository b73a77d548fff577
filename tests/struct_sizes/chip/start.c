// Start-up code for QEMU's Cortex-M machines; printf goes through semihosting.
#include <stdint.h>

extern uint32_t __etext, __data_start, __data_end, __bss_start__, __bss_end__, __stack;
int main(void);
void exit(int);
void initialise_monitor_handles(void);
void __libc_init_array(void);

void* __dso_handle;
int __aeabi_atexit(void* object, void* destructor, void* handle) { return 0; }
void _init(void) {}
void _fini(void) {}

static void fault(void) { exit(3); }

void Reset_Handler(void) {
  *(volatile uint32_t*)0xE000ED88 |= 0xF << 20;  // CPACR: floating point and Helium
  __asm__ volatile("dsb\n isb");
  uint32_t* from = &__etext;
  for (uint32_t* to = &__data_start; to < &__data_end;) *to++ = *from++;
  for (uint32_t* to = &__bss_start__; to < &__bss_end__;) *to++ = 0;
  initialise_monitor_handles();
  __libc_init_array();
  exit(main());
}

__attribute__((section(".vectors"), used)) void* const vectors[16] = {
    &__stack, Reset_Handler, fault, fault, fault, fault, fault};
