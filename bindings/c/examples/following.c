/*
 * Prints every update of the record, by any process.
 *
 *     ./following                                   the record in this program's memory
 *     ./following etcd://127.0.0.1:2379/example     the record in etcd
 *
 * To keep it short, the updates are this program's own. Yours would get those of other processes too.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include <lamport_clock.h>

/* The state that the callback shares with the main thread. */
struct heard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int updates, ended;
};

/* Called on the follower's own thread, one event at a time. The event lives as long as the call. */
static void hear(const lamport_event_t *event, void *context) {
    struct heard *heard = context;
    const lamport_observed_t *update = lamport_event_update(event);

    pthread_mutex_lock(&heard->lock);
    switch (lamport_event_kind(event)) {
    case LAMPORT_EVENT_UPDATED:
        printf("%" PRIu64, lamport_observed_first(update));
        if (lamport_observed_first(update) != lamport_observed_value(update))
            printf(" to %" PRIu64, lamport_observed_value(update));
        printf(" by %s\n", lamport_observed_process(update));
        heard->updates++;
        break;
    case LAMPORT_EVENT_MISSED:
        printf("the store no longer had all that came before revision %" PRIu64 "\n",
               lamport_event_until(event));
        break;
    case LAMPORT_EVENT_ENDED:
        printf("the end: %s\n", lamport_event_message(event));
        heard->ended = 1;
        break;
    default:
        /* For instance, the connection broke and is being mended: no event is lost. */
        fprintf(stderr, "%s: %s\n", lamport_event_kind_name(lamport_event_kind(event)),
                lamport_event_message(event));
    }
    pthread_cond_signal(&heard->changed);
    pthread_mutex_unlock(&heard->lock);
}

int main(int argc, char **argv) {
    struct heard heard = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    const char *store = argc > 1 ? argv[1] : "memory:example";
    lamport_clock_t *clock = NULL;
    lamport_follower_t *follower = NULL;
    lamport_error_t *error = NULL;
    lamport_update_t *times = NULL;
    int done;

    done = lamport_clock_connect(store, "api", 10000, &clock, &error) == LAMPORT_STATUS_OK &&
           lamport_clock_follow(clock, 0, hear, &heard, &follower, &error) == LAMPORT_STATUS_OK &&
           lamport_clock_update(clock, NULL, &error) == LAMPORT_STATUS_OK &&
           lamport_clock_update(clock, NULL, &error) == LAMPORT_STATUS_OK &&
           lamport_clock_reserve(clock, 3, &times, &error) == LAMPORT_STATUS_OK;
    if (done) {
        pthread_mutex_lock(&heard.lock);
        while (heard.updates < 3 && !heard.ended)
            pthread_cond_wait(&heard.changed, &heard.lock);
        pthread_mutex_unlock(&heard.lock);
    } else {
        fprintf(stderr, "%s\n", lamport_error_message(error));
        lamport_error_free(error);
    }

    /* From here on the callback is not called any more, so `heard` may end. */
    lamport_follower_free(follower);
    lamport_update_free(times);
    lamport_clock_free(clock);
    if (done)
        printf("%d updates were heard of\n", heard.updates);
    return done ? 0 : 1;
}
