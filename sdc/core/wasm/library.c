/* The few functions of the C library that the core calls, for a module of WebAssembly without one. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    return __builtin_memcpy(to, from, bytes); /* one instruction, as the module has bulk memory */
}

void *memset(void *to, int value, size_t bytes) { return __builtin_memset(to, value, bytes); }

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Free memory is a list of blocks by address, none of which touches the next; the first that is large enough is
 * taken.  In front of each block stands its size, the head included, a multiple of the head's. */
typedef struct block {
    size_t size;
    struct block *next;
} block;

#define PAGE 65536u

extern unsigned char __heap_base; /* where the linker's own data ends */
static block *spare;
static uintptr_t past; /* of all memory that was ever a block; 0 before the first */

static size_t rounded(size_t bytes) { return (bytes + sizeof(block) - 1) / sizeof(block) * sizeof(block); }

/* Put a block back among the others, one with those that it touches. */
static void put_back(block *own)
{
    block *before = NULL, *behind = spare;
    while (behind && behind < own) {
        before = behind;
        behind = behind->next;
    }
    own->next = behind;
    if (behind && (char *)own + own->size == (char *)behind) {
        own->size += behind->size;
        own->next = behind->next;
    }
    if (!before)
        spare = own;
    else if ((char *)before + before->size == (char *)own) {
        before->size += own->size;
        before->next = own->next;
    } else
        before->next = own;
}

/* Have so many bytes more among the blocks; whether the host gives them. */
static int grow(size_t bytes)
{
    if (!past)
        past = rounded((uintptr_t)&__heap_base);
    const uint64_t wanted = (uint64_t)past + bytes, pages = (wanted + PAGE - 1) / PAGE;
    const size_t now = __builtin_wasm_memory_size(0);
    if (pages >= 65536 || (pages > now && __builtin_wasm_memory_grow(0, (size_t)pages - now) == SIZE_MAX))
        return 0;
    block *own = (block *)past;
    past = pages > now ? (uintptr_t)pages * PAGE : (uintptr_t)now * PAGE;
    own->size = past - (uintptr_t)own;
    put_back(own);
    return 1;
}

void *malloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    const size_t size = rounded(bytes + sizeof(block));
    do {
        for (block **at = &spare; *at; at = &(*at)->next) {
            block *own = *at;
            if (own->size < size)
                continue;
            if (own->size > size) { /* its end is taken, so that what stays is where it is in the list */
                own->size -= size;
                own = (block *)((char *)own + own->size);
                own->size = size;
            } else
                *at = own->next;
            return own + 1;
        }
    } while (grow(size));
    return NULL;
}

void free(void *memory)
{
    if (memory)
        put_back((block *)memory - 1);
}
