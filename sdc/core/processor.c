/* What an x86 processor can do, and its operating system lets it do. */

#include "core.h"

#if defined(SDC_X86)

#if defined(_MSC_VER)
#include <intrin.h>

static void ask(int leaf, uint32_t answer[4])
{
    int registers[4];
    __cpuidex(registers, leaf, 0);
    for (int k = 0; k < 4; k++)
        answer[k] = (uint32_t)registers[k];
}

static uint64_t saved_registers(void) { return _xgetbv(0); }

#else
#include <cpuid.h>

static void ask(int leaf, uint32_t answer[4])
{
    __cpuid_count(leaf, 0, answer[0], answer[1], answer[2], answer[3]);
}

static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

enum { EAX, EBX, ECX, EDX };

#define BIT(n) ((uint32_t)1 << (n))

/* Registers that the system saves when it turns to another thread: vectors of 256 bits, and of 512. */
#define SAVES_256 0x06u
#define SAVES_512 0xe6u

/* AVX-512 F, DQ, BW, VL, and VNNI. */
#define ALL_512 (BIT(16) | BIT(17) | BIT(30) | BIT(31))
#define VNNI BIT(11)

static int find(void)
{
    uint32_t most[4], base[4], more[4] = {0, 0, 0, 0};
    ask(0, most);
    ask(1, base);
    if (most[EAX] >= 7)
        ask(7, more);
    int found = base[ECX] & BIT(19) ? SDC_HAS_SSE4 : 0;
    const uint64_t saved = base[ECX] & BIT(27) ? saved_registers() : 0;
    if ((saved & SAVES_256) != SAVES_256 || !(base[ECX] & BIT(28)))
        return found;
    if (more[EBX] & BIT(5))
        found |= SDC_HAS_AVX2;
    if ((saved & SAVES_512) == SAVES_512 && (more[EBX] & ALL_512) == ALL_512 && more[ECX] & VNNI)
        found |= SDC_HAS_AVX512;
    return found;
}

int sdc_processor_has(int what)
{
    /* The question is slow in a virtual machine.  Threads that ask it at once find the same. */
    static volatile int known = 0;
    if (!known)
        known = find() | SDC_HAS_BEEN_ASKED;
    return (known & what) == what;
}

#else

/* A file of C has something in it. */
typedef int sdc_no_x86;

#endif
