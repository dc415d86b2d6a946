/* A program that ends with calls under way in other threads, and with callbacks and updates of the
 * library's own.
 *
 *     exit WAY SILENT STORE     WAY: return, exit, thread (exit() by a thread that has just called)
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 4 };

static pthread_barrier_t begun;
static int ends_it;

static void *calls(void *clock) {
    int count = 0;

    pthread_barrier_wait(&begun);
    while (lamport_clock_update(clock, NULL, NULL) == LAMPORT_STATUS_OK)
        if (ends_it && ++count == 10)
            exit(0);
    return NULL;
}

/* Nobody answers there, until long after the end. */
static void *waits(void *silent) {
    lamport_clock_t *clock = NULL;

    pthread_barrier_wait(&begun);
    lamport_clock_connect(silent, "api", 3600000, &clock, NULL);
    return NULL;
}

/* On a thread that nobody stops. */
static void hears(const lamport_event_t *event, void *clock) {
    uint64_t time;
    if (lamport_event_kind(event) == LAMPORT_EVENT_UPDATED)
        lamport_clock_advance(clock, &time, NULL);
}

static void on_exit_of_the_program(void) {
    /* The library may be called as late as this. */
    lamport_clock_t *clock = opened("memory:", "goodbye");
    if (updated(clock) != 2)
        abort();
    lamport_clock_free(clock);
}

int main(int count, char **arguments) {
    static lamport_follower_t *follower;
    lamport_clock_t *clock;
    pthread_t thread;
    int i;

    if (count != 4)
        return 2;
    alarm(60);
    atexit(on_exit_of_the_program);
    clock = opened(arguments[3], "api");
    if (lamport_clock_follow(clock, 0, hears, clock, &follower, NULL) != LAMPORT_STATUS_OK
        || lamport_clock_start(clock, 10, NULL) != LAMPORT_STATUS_OK)
        abort();
    pthread_barrier_init(&begun, NULL, THREADS + 1);
    ends_it = strcmp(arguments[1], "thread") == 0;
    for (i = 0; i < THREADS; i++)
        if ((i % 2 ? pthread_create(&thread, NULL, calls, clock)
                   : pthread_create(&thread, NULL, waits, arguments[2])) != 0)
            abort();
    pthread_barrier_wait(&begun);
    if (strcmp(arguments[1], "exit") == 0)
        exit(0);
    if (ends_it)
        pause();
    return 0;
}
