/* What the core needs of the C library's string.h, in a module of WebAssembly that has no such library. */

#ifndef SDC_WASM_STRING_H
#define SDC_WASM_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int strcmp(const char *a, const char *b);

#endif
