/*
 * Callbacks that follow a record: what they hear, and every way in which they end.
 *
 *     test_follow STORE     a store whose neighbours (STORE-follow, ...) are still empty
 *
 * No check waits for a length of time: each waits for an event, or hangs until the alarm.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <unistd.h>

#include "check.h"

#define STOPPERS 4
#define UPDATES 40

/* What a callback does and saw. */
struct listener {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    lamport_clock_t *clock;
    lamport_follower_t *follower;
    int calls, under_way, ended;
    /* Stops or frees its own follower at this call. */
    int stops_at, frees_at;
    uint64_t newest;
    lamport_status_t status;
};

static void listen(struct listener *listener, const char *name) {
    memset(listener, 0, sizeof *listener);
    pthread_mutex_init(&listener->lock, NULL);
    pthread_cond_init(&listener->changed, NULL);
    listener->clock = opened(store(name), "api");
}

static void hear(const lamport_event_t *event, void *context) {
    struct listener *listener = context;
    lamport_observed_t *seen = NULL;

    pthread_mutex_lock(&listener->lock);
    CHECK(++listener->under_way == 1); /* one at a time */
    listener->calls++;
    listener->status = lamport_event_status(event);
    if (lamport_event_kind(event) == LAMPORT_EVENT_UPDATED) {
        CHECK(lamport_observed_value(lamport_event_update(event)) > listener->newest);
        listener->newest = lamport_observed_value(lamport_event_update(event));
        /* It may call the library. (The update that it hears of may not have returned yet.) */
        CHECK_OK(lamport_clock_read(listener->clock, &seen, NULL));
        CHECK(lamport_observed_value(seen) >= listener->newest);
        lamport_observed_free(seen);
    }
    listener->ended += lamport_event_kind(event) == LAMPORT_EVENT_ENDED;
    pthread_mutex_unlock(&listener->lock);

    if (listener->calls == listener->stops_at) {
        CHECK_OK(lamport_follower_stop(listener->follower, NULL));
        CHECK_OK(lamport_follower_stop(listener->follower, NULL));
    }
    if (listener->calls == listener->frees_at)
        lamport_follower_free(listener->follower);

    pthread_mutex_lock(&listener->lock);
    listener->under_way--;
    pthread_cond_broadcast(&listener->changed);
    pthread_mutex_unlock(&listener->lock);
}

/* Returns once this update was heard, or the end. */
static void wait_for(struct listener *listener, uint64_t value) {
    pthread_mutex_lock(&listener->lock);
    while (listener->newest < value && !listener->ended)
        pthread_cond_wait(&listener->changed, &listener->lock);
    while (listener->under_way > 0)
        pthread_cond_wait(&listener->changed, &listener->lock);
    pthread_mutex_unlock(&listener->lock);
}

/* The callback finds its own handle there. */
static void begin(struct listener *listener) {
    pthread_mutex_lock(&listener->lock);
    CHECK_OK(lamport_clock_follow(listener->clock, 0, hear, listener, &listener->follower, NULL));
    pthread_mutex_unlock(&listener->lock);
}

static void *stops(void *follower) {
    CHECK_OK(lamport_follower_stop(follower, NULL));
    return NULL;
}

static void test_callback(void) {
    struct listener listener;
    pthread_t threads[STOPPERS];
    int i, calls;

    listen(&listener, "follow");
    begin(&listener);
    for (i = 0; i < UPDATES; i++)
        updated(listener.clock);
    wait_for(&listener, 2 * UPDATES);
    CHECK(listener.calls == UPDATES);
    /* By several at once, and while updates come. */
    for (i = 0; i < STOPPERS; i++)
        CHECK(pthread_create(&threads[i], NULL, stops, listener.follower) == 0);
    updated(listener.clock);
    for (i = 0; i < STOPPERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    calls = listener.calls; /* no lock: nobody is under way any more */
    CHECK(listener.under_way == 0);
    updated(listener.clock);
    lamport_follower_free(listener.follower);
    CHECK(listener.calls == calls && listener.ended == 0);
    lamport_clock_free(listener.clock);
}

static void test_a_callback_that_stops_itself(void) {
    struct listener listener;
    int i;

    listen(&listener, "stops-itself");
    listener.stops_at = 3;
    begin(&listener);
    for (i = 0; i < 10; i++)
        updated(listener.clock);
    wait_for(&listener, 6);
    lamport_follower_free(listener.follower);
    CHECK(listener.calls == 3 && listener.newest == 6 && listener.ended == 0);
    lamport_clock_free(listener.clock);

    listen(&listener, "frees-itself");
    listener.frees_at = 2;
    begin(&listener);
    for (i = 0; i < 10; i++)
        updated(listener.clock);
    wait_for(&listener, 4);
    lamport_clock_free(listener.clock);
    CHECK(listener.calls == 2 && listener.newest == 4 && listener.ended == 0);
}

static void test_the_last_call_tells_the_end(void) {
    struct listener listener;

    listen(&listener, "ends");
    begin(&listener);
    updated(listener.clock);
    wait_for(&listener, 2);
    CHECK_OK(lamport_clock_close(listener.clock, NULL));
    wait_for(&listener, UINT64_MAX);
    CHECK(listener.ended == 1);
    CHECK_STATUS(listener.status, LAMPORT_STATUS_CLOSED);
    lamport_follower_free(listener.follower);
    lamport_clock_free(listener.clock);
}

static void test_null_everywhere(void) {
    const lamport_status_t null = LAMPORT_STATUS_NULL_POINTER;
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_follower_t *follower = NULL;
    lamport_error_t *error = NULL;

    CHECK_FAILS(lamport_clock_follow(NULL, 0, hear, NULL, &follower, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_follow(clock, 0, NULL, NULL, &follower, &error), &error, null,
                "'callback'");
    CHECK_FAILS(lamport_clock_follow(clock, 0, hear, NULL, NULL, &error), &error, null, "'follower'");
    CHECK_FAILS(lamport_follower_stop(NULL, &error), &error, null, "'follower'");
    CHECK(follower == NULL);
    lamport_follower_free(NULL);
    lamport_clock_free(clock);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_follow STORE\n");
        return 2;
    }
    /* What hangs ends here. */
    alarm(240);
    base = argv[1];
    test_callback();
    test_a_callback_that_stops_itself();
    test_the_last_call_tells_the_end();
    test_null_everywhere();
    return report();
}
