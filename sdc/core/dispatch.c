/* Which path runs, memory, and threads. */

#include <stdlib.h>
#include <string.h>

#include "core.h"

static const sdc_path *const all[] = {
#if defined(__x86_64__) || defined(_M_X64)
    &sdc_path_avx512, &sdc_path_avx2, &sdc_path_sse4,
#endif
#if defined(__ARM_NEON)
    &sdc_path_neon,
#endif
#if defined(__wasm_simd128__)
    &sdc_path_wasm,
#endif
    &sdc_path_portable, NULL,
};

const sdc_path *const *sdc_paths(void)
{
    static const sdc_path *had[sizeof all / sizeof *all];
    int count = 0;
    for (int k = 0; all[k]; k++)
        if (all[k]->supported())
            had[count++] = all[k];
    had[count] = NULL;
    return had;
}

const sdc_path *sdc_find_path(const char *name)
{
    for (const sdc_path *const *path = sdc_paths(); *path; path++)
        if (!name || !strcmp(name, (*path)->name))
            return *path;
    return NULL;
}

void *sdc_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - 64 - sizeof(void *))
        return NULL;
    char *whole = malloc(bytes + 64 + sizeof(void *));
    if (!whole)
        return NULL;
    char *aligned = whole + sizeof(void *);
    aligned += (64 - (uintptr_t)aligned % 64) % 64;
    memcpy(aligned - sizeof(void *), &whole, sizeof(void *));
    return aligned;
}

void sdc_free(void *memory)
{
    if (!memory)
        return;
    void *whole;
    memcpy(&whole, (char *)memory - sizeof(void *), sizeof(void *));
    free(whole);
}

#if defined(__wasm__)

void sdc_parallel(size_t count, int threads, sdc_task task, void *context)
{
    (void)threads;
    for (size_t k = 0; k < count; k++)
        task(context, k, 0);
}

#else

#include <pthread.h>

typedef struct {
    size_t count, next;
    pthread_mutex_t lock;
    sdc_task task;
    void *context;
} work;

typedef struct {
    work *shared;
    int number;
} worker;

static void *work_on(void *argument)
{
    const worker *w = argument;
    for (;;) {
        pthread_mutex_lock(&w->shared->lock);
        const size_t item = w->shared->next < w->shared->count ? w->shared->next++ : w->shared->count;
        pthread_mutex_unlock(&w->shared->lock);
        if (item == w->shared->count)
            return NULL;
        w->shared->task(w->shared->context, item, w->number);
    }
}

#define MOST_THREADS 64

void sdc_parallel(size_t count, int threads, sdc_task task, void *context)
{
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if ((size_t)threads > count)
        threads = (int)count;
    if (threads < 2) {
        for (size_t k = 0; k < count; k++)
            task(context, k, 0);
        return;
    }
    work shared = {count, 0, PTHREAD_MUTEX_INITIALIZER, task, context};
    worker workers[MOST_THREADS];
    pthread_t started[MOST_THREADS];
    int running = 0;
    for (int k = 1; k < threads; k++) {
        workers[k].shared = &shared;
        workers[k].number = k;
        if (pthread_create(&started[running], NULL, work_on, &workers[k]))
            break; /* the others do its share */
        running++;
    }
    workers[0].shared = &shared;
    workers[0].number = 0;
    work_on(&workers[0]);
    for (int k = 0; k < running; k++)
        pthread_join(started[k], NULL);
    pthread_mutex_destroy(&shared.lock);
}

#endif
