/* Fork, for what stays with the parent (watches and followers), for local clocks, and for updates in
 * the background.
 *
 *     test_fork_watch STORE
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { FORKS = 20, PATIENCE = 60000 };

static lamport_watch_t *watching(const lamport_clock_t *clock) {
    lamport_watch_t *watch = NULL;
    CHECK_OK(lamport_clock_watch(clock, 0, &watch, NULL));
    return watch;
}

/* Forks, and says in the child that it is one. What hangs there ends. */
static pid_t forked(void) {
    pid_t child;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(60);
        checks_failed = 0;
    }
    return child;
}

static void leave(void) {
    _exit(checks_failed == 0 ? 0 : 1);
}

static void ended_well(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_a_childs_stamps_are_its_own(void) {
    lamport_local_t *local = NULL;
    lamport_stamp_t *parents = NULL, *childs = NULL, *later = NULL;
    const char *name;
    uint64_t instance;
    pid_t child;

    CHECK_OK(lamport_local_open("api", &local, NULL));
    CHECK_OK(lamport_local_tick(local, &parents, NULL));
    name = lamport_local_process(local);
    instance = lamport_local_instance(local);
    child = forked();
    if (child == 0) {
        CHECK_TIME(lamport_local_now(local), 1);
        CHECK(lamport_local_instance(local) != 0 && lamport_local_instance(local) != instance);
        CHECK_OK(lamport_local_tick(local, &childs, NULL));
        CHECK_OK(lamport_local_receive(local, lamport_stamp_time(parents), &later, NULL));
        CHECK_TIME(lamport_stamp_time(childs), 2);
        CHECK_TIME(lamport_stamp_time(later), 3);
        CHECK_TIME(lamport_stamp_instance(childs), lamport_local_instance(local));
        CHECK_TIME(lamport_stamp_instance(later), lamport_local_instance(local));
        /* What the parent was given is the child's to read and to free. */
        CHECK_TIME(lamport_stamp_instance(parents), instance);
        lamport_stamp_free(parents);
        CHECK(name == lamport_local_process(local));
        lamport_local_free(local);
        CHECK_TEXT(lamport_stamp_process(later), "api");
        lamport_stamp_free(childs);
        lamport_stamp_free(later);
        leave();
    }
    ended_well(child);
    CHECK_TEXT(name, "api");
    lamport_stamp_free(parents);
    lamport_local_free(local);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t heard;
static int calls;

static void hear(const lamport_event_t *event, void *context) {
    CHECK(context == NULL);
    pthread_mutex_lock(&lock);
    heard = lamport_observed_value(lamport_event_update(event));
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void hears(uint64_t value) {
    pthread_mutex_lock(&lock);
    while (heard < value)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* Reads to the end. */
static void *reads(void *watch) {
    lamport_event_t *event = NULL;
    while (lamport_watch_next(watch, PATIENCE, &event, NULL) == LAMPORT_STATUS_OK)
        lamport_event_free(event);
    return NULL;
}

static void test_a_child_begins_its_own(void) {
    lamport_clock_t *clock = opened(base, "api");
    lamport_watch_t *watch = watching(clock), *own;
    lamport_follower_t *follower = NULL;
    lamport_event_t *event = NULL;
    lamport_error_t *error = NULL;
    pthread_t reader;
    pid_t child;
    int i, before;

    CHECK_OK(lamport_clock_follow(clock, 0, hear, NULL, &follower, NULL));
    CHECK(pthread_create(&reader, NULL, reads, watch) == 0);
    /* At each fork the reader and the follower are at something else. */
    for (i = 0; i < FORKS; i++) {
        hears(updated(clock));
        before = __atomic_load_n(&calls, __ATOMIC_RELAXED);
        child = forked();
        if (child == 0) {
            CHECK_FAILS(lamport_watch_next(watch, PATIENCE, &event, &error), &error,
                        LAMPORT_STATUS_CLOSED, "forked");
            CHECK_OK(lamport_watch_close(watch, NULL));
            CHECK(lamport_watch_next_revision(watch) > 0);
            lamport_watch_free(watch);
            if (i % 2)
                CHECK_OK(lamport_follower_stop(follower, NULL));
            lamport_follower_free(follower);
            own = watching(clock);
            updated(clock);
            CHECK_OK(lamport_watch_next(own, PATIENCE, &event, NULL));
            CHECK(lamport_event_kind(event) == LAMPORT_EVENT_UPDATED);
            lamport_event_free(event);
            lamport_watch_free(own);
            lamport_clock_free(clock);
            CHECK(__atomic_load_n(&calls, __ATOMIC_RELAXED) == before);
            leave();
        }
        ended_well(child);
    }
    /* None of that ended the parent's. */
    hears(updated(clock));
    CHECK_OK(lamport_watch_close(watch, NULL));
    CHECK(pthread_join(reader, NULL) == 0);
    lamport_watch_free(watch);
    lamport_follower_free(follower);
    lamport_clock_free(clock);
}

struct forks {
    lamport_clock_t *clock;
    lamport_follower_t *follower;
    pid_t child;
};

/* A child of the follower's own thread has no other: it goes on from here, with its clock. */
static void forks_in_the_callback(const lamport_event_t *event, void *context) {
    struct forks *forks = context;

    CHECK(lamport_event_kind(event) == LAMPORT_EVENT_UPDATED);
    pthread_mutex_lock(&lock);
    /* Once: on etcd it hears of the child's update too. */
    if (forks->child == 0)
        forks->child = forked();
    if (forks->child == 0) {
        CHECK_OK(lamport_follower_stop(forks->follower, NULL));
        lamport_follower_free(forks->follower);
        updated(forks->clock);
        lamport_clock_free(forks->clock);
        leave();
    }
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void test_a_callback_may_fork(void) {
    struct forks forks = {NULL, NULL, 0};

    forks.clock = opened(base, "callback");
    pthread_mutex_lock(&lock);
    CHECK_OK(lamport_clock_follow(forks.clock, 0, forks_in_the_callback, &forks, &forks.follower, NULL));
    updated(forks.clock);
    while (forks.child == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    ended_well(forks.child);
    lamport_follower_free(forks.follower);
    lamport_clock_free(forks.clock);
}

static void test_a_childs_background_is_its_own(void) {
    lamport_clock_t *clock = opened(base, "background");
    lamport_watch_t *watch;
    lamport_event_t *event = NULL;
    lamport_stats_t *stats = NULL;
    uint64_t instance = 0, seen = 0;
    pid_t child;
    int i;

    CHECK_OK(lamport_clock_start(clock, 10, NULL));
    for (i = 0; i < FORKS / 4; i++) {
        child = forked();
        if (child == 0) {
            /* The parent's is not the child's, which may start its own. */
            CHECK_OK(lamport_clock_stats(clock, &stats, NULL));
            CHECK(lamport_stats_running(stats) == 0);
            CHECK(lamport_stats_updates(stats) == 0);
            lamport_stats_free(stats);
            watch = watching(clock);
            CHECK_OK(lamport_clock_start(clock, 10, NULL));
            instance = lamport_clock_instance(clock);
            while (seen != instance) {
                CHECK_OK(lamport_watch_next(watch, PATIENCE, &event, NULL));
                seen = lamport_observed_instance(lamport_event_update(event));
                lamport_event_free(event);
            }
            CHECK_OK(lamport_clock_stop(clock, NULL));
            CHECK_OK(lamport_clock_stats(clock, &stats, NULL));
            CHECK(lamport_stats_running(stats) == 0);
            lamport_stats_free(stats);
            lamport_watch_free(watch);
            lamport_clock_free(clock);
            leave();
        }
        ended_well(child);
    }
    CHECK_OK(lamport_clock_stats(clock, &stats, NULL));
    CHECK(lamport_stats_running(stats) == 1);
    lamport_stats_free(stats);
    lamport_clock_free(clock);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_fork_watch STORE\n");
        return 2;
    }
    alarm(240);
    base = argv[1];
    test_a_childs_stamps_are_its_own();
    test_a_child_begins_its_own();
    test_a_callback_may_fork();
    test_a_childs_background_is_its_own();
    return report();
}
