/* Which path runs, memory, and threads. */

#include <stdlib.h>
#include <string.h>

#include "core.h"

static const sdc_path *const all[] = {
#if defined(SDC_X86)
    &sdc_path_avx512, &sdc_path_avx2, &sdc_path_sse4,
#endif
#if defined(SDC_NEON)
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

/* Threads and what keeps them apart, of the system. */
#if defined(_WIN32)
#include <process.h>
#include <windows.h>

typedef SRWLOCK lock_type;
typedef HANDLE thread_type;
#define LOCK_START SRWLOCK_INIT
#define lock(l) AcquireSRWLockExclusive(l)
#define unlock(l) ReleaseSRWLockExclusive(l)
#define THREAD_RESULT unsigned __stdcall
#define THREAD_DONE 0

static int start_thread(thread_type *thread, unsigned(__stdcall *function)(void *), void *argument)
{
    const uintptr_t started = _beginthreadex(NULL, 0, function, argument, 0, NULL);
    *thread = (HANDLE)started;
    return started != 0;
}

static void wait_for(thread_type thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

#else
#include <pthread.h>

typedef pthread_mutex_t lock_type;
typedef pthread_t thread_type;
#define LOCK_START PTHREAD_MUTEX_INITIALIZER
#define lock(l) pthread_mutex_lock(l)
#define unlock(l) pthread_mutex_unlock(l)
#define THREAD_RESULT void *
#define THREAD_DONE NULL

static int start_thread(thread_type *thread, void *(*function)(void *), void *argument)
{
    return !pthread_create(thread, NULL, function, argument);
}

static void wait_for(thread_type thread) { pthread_join(thread, NULL); }
#endif

typedef struct {
    size_t count, next;
    lock_type lock;
    sdc_task task;
    void *context;
} work;

typedef struct {
    work *shared;
    int number;
} worker;

static THREAD_RESULT work_on(void *argument)
{
    const worker *w = argument;
    for (;;) {
        lock(&w->shared->lock);
        const size_t item = w->shared->next < w->shared->count ? w->shared->next++ : w->shared->count;
        unlock(&w->shared->lock);
        if (item == w->shared->count)
            return THREAD_DONE;
        w->shared->task(w->shared->context, item, w->number);
    }
}

void sdc_parallel(size_t count, int threads, sdc_task task, void *context)
{
    if (threads > SDC_MOST_THREADS)
        threads = SDC_MOST_THREADS;
    if ((size_t)threads > count)
        threads = (int)count;
    if (threads < 2) {
        for (size_t k = 0; k < count; k++)
            task(context, k, 0);
        return;
    }
    work shared = {count, 0, LOCK_START, task, context};
    worker workers[SDC_MOST_THREADS];
    thread_type started[SDC_MOST_THREADS];
    int running = 0;
    for (int k = 1; k < threads; k++) {
        workers[k].shared = &shared;
        workers[k].number = k;
        if (!start_thread(&started[running], work_on, &workers[k]))
            break; /* the others do its share */
        running++;
    }
    workers[0].shared = &shared;
    workers[0].number = 0;
    work_on(&workers[0]);
    for (int k = 0; k < running; k++)
        wait_for(started[k]);
}

#endif
