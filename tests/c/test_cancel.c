/* A thread that is cancelled inside of a call ends outside of the library.
 *
 *     test_cancel STORE
 *
 * At STORE nobody answers.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "check.h"

static lamport_clock_t *silent, *clock_in_memory;
static int calls, returned;
static lamport_status_t got;

static void clean_up(void *argument) {
    (void)argument;
    __atomic_add_fetch(&returned, 1, __ATOMIC_RELAXED);
}

static void *waits(void *argument) {
    int i;
    (void)argument;
    pthread_cleanup_push(clean_up, NULL);
    /* From here on nothing but the call. */
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    got = lamport_clock_update(silent, NULL, NULL);
    for (i = 0; i < 60; i++)
        sleep(1);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *goes_on(void *argument) {
    (void)argument;
    for (;;) {
        lamport_update_t *update = NULL;
        uint64_t time = 0;
        if (lamport_clock_update(clock_in_memory, &update, NULL) != LAMPORT_STATUS_OK ||
            lamport_clock_advance(clock_in_memory, &time, NULL) != LAMPORT_STATUS_OK)
            break;
        lamport_update_free(update);
        __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
        pthread_testcancel();
    }
    return NULL;
}

static void cancelled(void *(*work)(void *)) {
    pthread_t thread;
    void *result = NULL;

    __atomic_store_n(&calls, 0, __ATOMIC_RELAXED);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    while (__atomic_load_n(&calls, __ATOMIC_RELAXED) == 0)
        sched_yield();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
}

int main(int count, char **arguments) {
    int i;
    CHECK(count == 2);
    CHECK(lamport_clock_open(arguments[1], "api", 300, &silent, NULL) == LAMPORT_STATUS_OK);
    clock_in_memory = opened("memory:cancel", "api");
    cancelled(waits);
    CHECK(returned == 1 && (got == LAMPORT_STATUS_TIMEOUT || got == LAMPORT_STATUS_UNAVAILABLE));
    for (i = 0; i < 100; i++)
        cancelled(goes_on);
    lamport_clock_free(clock_in_memory);
    lamport_clock_free(silent);
    return report();
}
