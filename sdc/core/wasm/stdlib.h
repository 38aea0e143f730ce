/* What the core needs of the C library's stdlib.h, in a module of WebAssembly that has no such library. */

#ifndef SDC_WASM_STDLIB_H
#define SDC_WASM_STDLIB_H

#include <stddef.h>

void *malloc(size_t bytes);
void free(void *memory);

#endif
