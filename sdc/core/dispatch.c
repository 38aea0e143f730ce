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
typedef CONDITION_VARIABLE event_type;
#define lock_start(l) InitializeSRWLock(l)
#define lock(l) AcquireSRWLockExclusive(l)
#define unlock(l) ReleaseSRWLockExclusive(l)
#define lock_end(l) ((void)(l))
#define event_start(e) InitializeConditionVariable(e)
#define await(e, l) SleepConditionVariableSRW(e, l, INFINITE, 0)
#define tell(e) WakeConditionVariable(e)
#define event_end(e) ((void)(e))
#define THREAD_RESULT unsigned __stdcall
#define THREAD_DONE 0

static int start_thread(unsigned(__stdcall *function)(void *), void *argument)
{
    const uintptr_t started = _beginthreadex(NULL, 0, function, argument, 0, NULL);
    if (started)
        CloseHandle((HANDLE)started);
    return started != 0;
}

#else
#include <pthread.h>

typedef pthread_mutex_t lock_type;
typedef pthread_cond_t event_type;
#define lock_start(l) pthread_mutex_init(l, NULL)
#define lock(l) pthread_mutex_lock(l)
#define unlock(l) pthread_mutex_unlock(l)
#define lock_end(l) pthread_mutex_destroy(l)
#define event_start(e) pthread_cond_init(e, NULL)
#define await(e, l) pthread_cond_wait(e, l)
#define tell(e) pthread_cond_signal(e)
#define event_end(e) pthread_cond_destroy(e)
#define THREAD_RESULT void *
#define THREAD_DONE NULL

static int start_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, argument))
        return 0;
    pthread_detach(thread);
    return 1;
}
#endif

/*
 * Items that threads take one after another.  Who asked for them waits for those that were taken, and not for
 * a thread that came too late to take one: on a busy machine that would be a slice of the scheduler's time.
 */
typedef struct {
    size_t count, next, taken; /* items, the next one, those that threads have at hand */
    int workers, users;        /* threads that began, and those that may still look at this */
    lock_type lock;
    event_type done;
    sdc_task task;
    void *context;
} work;

/* Do items until none is left; the lock is held before and after. */
static void do_items(work *w, int number)
{
    while (w->next < w->count) {
        const size_t item = w->next++;
        w->taken++;
        unlock(&w->lock);
        w->task(w->context, item, number);
        lock(&w->lock);
        w->taken--;
    }
}

/* Let go of it, the lock being held; the last one frees it. */
static void leave(work *w)
{
    const int last = !--w->users;
    unlock(&w->lock);
    if (last) {
        event_end(&w->done);
        lock_end(&w->lock);
        free(w);
    }
}

static THREAD_RESULT work_on(void *argument)
{
    work *w = argument;
    lock(&w->lock);
    do_items(w, ++w->workers);
    if (!w->taken)
        tell(&w->done);
    leave(w);
    return THREAD_DONE;
}

void sdc_parallel(size_t count, int threads, sdc_task task, void *context)
{
    if (threads > SDC_MOST_THREADS)
        threads = SDC_MOST_THREADS;
    if ((size_t)threads > count)
        threads = (int)count;
    work *w = threads < 2 ? NULL : malloc(sizeof *w);
    if (!w) {
        for (size_t k = 0; k < count; k++)
            task(context, k, 0);
        return;
    }
    *w = (work){.count = count, .users = 1, .task = task, .context = context};
    lock_start(&w->lock);
    event_start(&w->done);
    lock(&w->lock);
    for (int k = 1; k < threads; k++) {
        w->users++;
        if (!start_thread(work_on, w)) {
            w->users--;
            break; /* the others do its share */
        }
    }
    do_items(w, 0);
    while (w->taken)
        await(&w->done, &w->lock);
    leave(w);
}

#endif
