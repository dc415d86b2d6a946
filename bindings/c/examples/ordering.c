/*
 * Two processes agree on what came before what.
 *
 *     cc -std=c99 -Wall -Wextra -I include ordering.c -L lib -llamport_clock -o ordering
 *     ./ordering                                   the record in this program's memory
 *     ./ordering etcd://127.0.0.1:2379/example     the record in etcd
 *
 * Both "processes" live in this one program to keep it short. In yours each would open its own clock,
 * on the same etcd:// store, and the stamp would travel inside the message.
 */
#include <inttypes.h>
#include <stdio.h>

#include <lamport_clock.h>

/* Prints why a call failed and frees the error. Returns whether the call failed. */
static int failed(lamport_status_t status, const char *what, lamport_error_t **error) {
    if (status == LAMPORT_STATUS_OK)
        return 0;
    fprintf(stderr, "%s: %s (%s)\n", what, lamport_error_message(*error),
            lamport_status_name(status));
    lamport_error_free(*error);
    *error = NULL;
    return 1;
}

/* The local clock needs no store and does no I/O. It orders the arrival of a message after its sending. */
static int send_and_receive(const lamport_clock_t *api, const lamport_clock_t *worker) {
    lamport_error_t *error = NULL;
    lamport_stamp_t *sent = NULL, *received = NULL;
    int done;

    if (failed(lamport_clock_tick(api, &sent, &error), "tick", &error))
        return 0;
    printf("api sends a message at %" PRIu64 "\n", lamport_stamp_time(sent));

    /* The sender of the message chose that number. If it is too far ahead it is refused, and the clock
     * stays where it was. */
    done = !failed(lamport_clock_receive(worker, lamport_stamp_time(sent), &received, &error),
                   "receive", &error);
    if (done)
        printf("worker receives it at %" PRIu64 "\n", lamport_stamp_time(received));
    lamport_stamp_free(received);
    lamport_stamp_free(sent);
    return done;
}

static int update(const lamport_clock_t *clock) {
    lamport_error_t *error = NULL;
    lamport_update_t *update = NULL;

    if (failed(lamport_clock_update(clock, &update, &error), "update", &error))
        return 0;
    printf("%s updates to %" PRIu64 "\n", lamport_clock_process(clock), lamport_update_value(update));
    lamport_update_free(update);
    return 1;
}

/* The shared clock gives every time once, to one process, in the order of the calls. */
static int take_turns(const lamport_clock_t *api, const lamport_clock_t *worker) {
    lamport_error_t *error = NULL;
    lamport_update_t *times = NULL;
    int round;

    for (round = 0; round < 3; round++)
        if (!update(api) || !update(worker))
            return 0;
    if (failed(lamport_clock_reserve(api, 100, &times, &error), "reserve", &error))
        return 0;
    printf("api reserves %" PRIu64 " to %" PRIu64 "\n", lamport_update_first(times),
           lamport_update_value(times));
    lamport_update_free(times);
    return 1;
}

static int show_record(const lamport_clock_t *clock) {
    lamport_error_t *error = NULL;
    lamport_observed_t *newest = NULL;

    if (failed(lamport_clock_read(clock, &newest, &error), "read", &error))
        return 0;
    if (newest == NULL)
        printf("there is no record yet\n");
    else
        printf("the record holds %" PRIu64 ", written by %s\n", lamport_observed_value(newest),
               lamport_observed_process(newest));
    lamport_observed_free(newest);
    return 1;
}

int main(int argc, char **argv) {
    const char *store = argc > 1 ? argv[1] : "memory:example";
    lamport_clock_t *api = NULL;
    lamport_clock_t *worker = NULL;
    lamport_error_t *error = NULL;
    int done;

    printf("lamport-clock %s on %s\n", lamport_clock_version(), store);

    /* 10000 ms is the deadline of each call, these included. 0 would mean the default, 5 seconds. */
    done = !failed(lamport_clock_connect(store, "api", 10000, &api, &error), "open", &error) &&
           !failed(lamport_clock_connect(store, "worker", 10000, &worker, &error), "open", &error) &&
           send_and_receive(api, worker) && take_turns(api, worker) && show_record(api);

    /* Freeing NULL is allowed, so one way out serves every case. */
    lamport_clock_free(worker);
    lamport_clock_free(api);
    return done ? 0 : 1;
}
