/* Fork: a child goes on with its parent's clocks as a process of its own.
 *
 *     test_fork STORE
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { WORKERS = 8, EACH = 25, FORKS = 50, THREADS = 4, MOST = 100000 };

static int is_private;

/* All values that anybody was given. */
static uint64_t given[MOST];
static size_t given_count;

static void note(uint64_t value) {
    CHECK(given_count < MOST);
    given[given_count++] = value;
}

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void check_distinct(void) {
    size_t i;
    qsort(given, given_count, sizeof *given, compare);
    for (i = 1; i < given_count && !is_private; i++)
        if (given[i] == given[i - 1])
            CHECK_TIME(given[i], 0);
    CHECK(given_count > 0);
    given_count = 0;
}

/* Takes `count` times, in order, and leaves them in the pipe. */
static void take(lamport_clock_t *clock, int count, int pipe) {
    uint64_t before = 0, value = 0;
    while (count-- > 0) {
        value = updated(clock);
        CHECK(value > before);
        before = value;
        CHECK(write(pipe, &value, sizeof value) == (ssize_t)sizeof value);
    }
}

typedef void work_t(lamport_clock_t *clock, int pipe);
typedef struct {
    pid_t id;
    int pipe;
} child_t;

/* Runs `work` in a child, which reports its own checks; it ends by _exit() or by exit(). */
static child_t begun(work_t *work, lamport_clock_t *clock, int by_exit) {
    child_t child;
    int ends[2];

    CHECK(pipe(ends) == 0);
    fflush(NULL);
    child.id = fork();
    child.pipe = ends[0];
    if (child.id == 0) {
        /* What hangs ends here. */
        alarm(60);
        checks_made = checks_failed = 0;
        given_count = 0;
        work(clock, ends[1]);
        if (by_exit)
            exit(checks_failed == 0 ? 0 : 1);
        _exit(checks_failed == 0 ? 0 : 1);
    }
    CHECK(child.id > 0);
    close(ends[1]);
    return child;
}

/* How many values the child left. */
static int ended(child_t child) {
    int status = -1, count = 0;
    uint64_t value;

    for (; read(child.pipe, &value, sizeof value) == (ssize_t)sizeof value; count++)
        note(value);
    close(child.pipe);
    CHECK(waitpid(child.id, &status, 0) == child.id);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return count;
}

static void opens_its_own(lamport_clock_t *none, int pipe) {
    lamport_clock_t *clock = opened(base, "child");
    CHECK(none == NULL);
    take(clock, 1, pipe);
    lamport_clock_free(clock);
}

static uint64_t before_fork, parents_instance;
static const char *parents_name;
static lamport_update_t *parents_update;

static void tries_every_verb(lamport_clock_t *clock, int pipe) {
    lamport_observed_t *observed = NULL;
    lamport_error_t *error = NULL;
    lamport_stamp_t *stamp = NULL;
    lamport_update_t *times = NULL;
    uint64_t time = 0, instance;
    char buffer[512];

    CHECK_TIME(lamport_clock_now(clock), before_fork);
    instance = lamport_clock_instance(clock);
    CHECK(instance != 0 && instance != parents_instance);
    CHECK_OK(lamport_clock_tick(clock, &stamp, NULL));
    CHECK_TIME(lamport_stamp_time(stamp), before_fork + 1);
    CHECK_TIME(lamport_stamp_instance(stamp), instance);
    lamport_stamp_free(stamp);
    CHECK_OK(lamport_clock_receive(clock, 1, &stamp, NULL));
    CHECK_TIME(lamport_stamp_time(stamp), before_fork + 2);
    CHECK_TIME(lamport_stamp_instance(stamp), instance);
    CHECK_OK(lamport_clock_advance(clock, &time, NULL));
    CHECK_TIME(time, before_fork + 3);
    CHECK_OK(lamport_clock_advance_past(clock, 1, &time, NULL));
    CHECK_TIME(time, before_fork + 4);
    CHECK(lamport_clock_process(clock) == parents_name);
    CHECK_TEXT(parents_name, "parent");
    CHECK_OK(lamport_clock_location(clock, buffer, sizeof buffer, NULL, NULL));
    take(clock, 2, pipe);
    CHECK_OK(lamport_clock_reserve(clock, 3, &times, NULL));
    CHECK_TIME(lamport_update_value(times), lamport_update_first(times) + 2);
    CHECK(lamport_update_first(times) > before_fork + 4);
    CHECK_TIME(lamport_stamp_instance(lamport_update_stamp(times)), instance);
    CHECK_OK(lamport_clock_read(clock, &observed, NULL));
    CHECK_TIME(lamport_observed_value(observed), lamport_update_value(times));
    CHECK(lamport_observed_instance(observed) == instance);
    lamport_observed_free(observed);
    lamport_update_free(times);
    /* What the parent was given stays what it is. */
    CHECK_TIME(lamport_stamp_instance(lamport_update_stamp(parents_update)), parents_instance);
    lamport_update_free(parents_update);
    CHECK_OK(lamport_clock_close(clock, NULL));
    CHECK_FAILS(lamport_clock_update(clock, NULL, &error), &error, LAMPORT_STATUS_CLOSED, "closed");
    lamport_clock_free(clock);
    CHECK_TEXT(lamport_stamp_process(stamp), "parent");
    lamport_stamp_free(stamp);
}

static int generations = 4;

static void has_children_of_its_own(lamport_clock_t *clock, int pipe) {
    lamport_clock_t *own;
    /* Every other generation uses the clock before it forks. */
    if (generations % 2)
        take(clock, 1, pipe);
    own = opened(base, "child");
    if (generations-- > 0)
        CHECK(ended(begun(has_children_of_its_own, clock, generations % 2)) > 0);
    while (given_count > 0)
        CHECK(write(pipe, &given[--given_count], sizeof *given) == (ssize_t)sizeof *given);
    take(clock, 1, pipe);
    take(own, 1, pipe);
    lamport_clock_free(own);
    lamport_clock_free(clock);
}

static void finds_it_closed(lamport_clock_t *clock, int pipe) {
    uint64_t time;
    CHECK(pipe >= 0);
    CHECK_STATUS(lamport_clock_update(clock, NULL, NULL), LAMPORT_STATUS_CLOSED);
    CHECK_OK(lamport_clock_advance(clock, &time, NULL));
    lamport_clock_free(clock);
}

static void test_what_a_child_can_do(void) {
    lamport_clock_t *clock;

    /* Before this process has opened any. */
    CHECK(ended(begun(opens_its_own, NULL, 0)) == 1);
    clock = opened(base, "parent");
    CHECK_OK(lamport_clock_update(clock, &parents_update, NULL));
    before_fork = lamport_update_value(parents_update);
    parents_instance = lamport_clock_instance(clock);
    parents_name = lamport_clock_process(clock);
    note(before_fork);
    CHECK(ended(begun(tries_every_verb, clock, 0)) == 2);
    CHECK(ended(begun(tries_every_verb, clock, 1)) == 2);
    CHECK(ended(begun(has_children_of_its_own, clock, 0)) == 12);
    CHECK_OK(lamport_clock_close(clock, NULL));
    CHECK(ended(begun(finds_it_closed, clock, 0)) == 0);
    lamport_update_free(parents_update);
    lamport_clock_free(clock);
    check_distinct();
}

static void works(lamport_clock_t *clock, int pipe) {
    take(clock, EACH, pipe);
}

static void test_workers_of_a_server_that_connected_first(void) {
    lamport_clock_t *clock = opened(base, "server");
    child_t workers[WORKERS];
    int i;

    updated(clock);
    for (i = 0; i < WORKERS; i++)
        workers[i] = begun(works, clock, i % 2);
    for (i = 0; i < EACH; i++)
        note(updated(clock));
    for (i = 0; i < WORKERS; i++)
        CHECK(ended(workers[i]) == EACH);
    lamport_clock_free(clock);
    check_distinct();
}

typedef struct {
    lamport_clock_t *clock;
    pthread_mutex_t lock;
    int over;
    size_t count;
    uint64_t values[MOST / 10];
} thread_t;

static void *goes_on(void *argument) {
    thread_t *own = argument;
    int over = 0;
    while (!over && own->count < MOST / 10) {
        own->values[own->count] = updated(own->clock);
        own->count++;
        pthread_mutex_lock(&own->lock);
        over = own->over;
        pthread_mutex_unlock(&own->lock);
    }
    return NULL;
}

static void works_a_little(lamport_clock_t *clock, int pipe) {
    uint64_t time;
    CHECK_OK(lamport_clock_advance(clock, &time, NULL));
    take(clock, 2, pipe);
    lamport_clock_free(clock);
}

static void test_forks_while_updates_are_under_way(void) {
    static thread_t all[THREADS];
    lamport_clock_t *clock = opened(base, "busy");
    pthread_t threads[THREADS];
    size_t i, k;

    for (i = 0; i < THREADS; i++) {
        all[i].clock = clock;
        pthread_mutex_init(&all[i].lock, NULL);
        CHECK(pthread_create(&threads[i], NULL, goes_on, &all[i]) == 0);
    }
    for (i = 0; i < FORKS; i++)
        CHECK(ended(begun(works_a_little, clock, i % 2)) == 2);
    for (i = 0; i < THREADS; i++) {
        pthread_mutex_lock(&all[i].lock);
        all[i].over = 1;
        pthread_mutex_unlock(&all[i].lock);
        CHECK(pthread_join(threads[i], NULL) == 0);
        for (k = 0; k < all[i].count; k++)
            note(all[i].values[k]);
    }
    lamport_clock_free(clock);
    check_distinct();
}

/* Two clocks in the hands of threads that hold their locks again and again. */
static lamport_local_t *busy_local;
static volatile int is_over;

static void *receives(void *argument) {
    lamport_clock_t *clock = argument;
    lamport_stamp_t *message = NULL;
    char line[LAMPORT_LOG_SIZE];

    CHECK_OK(lamport_stamp_parse("7@b;instance=000000000000000b", &message, NULL));
    while (!is_over) {
        lamport_stamp_t *received = NULL;
        CHECK_OK(lamport_clock_receive_stamp(clock, message, &received, NULL));
        lamport_stamp_free(received);
        CHECK_OK(lamport_local_receive_stamp(busy_local, message, &received, NULL));
        lamport_stamp_free(received);
        CHECK_OK(lamport_clock_log(clock, LAMPORT_LOG_TEXT, line, sizeof line, NULL, NULL));
        CHECK_OK(lamport_local_log(busy_local, LAMPORT_LOG_TEXT, line, sizeof line, NULL, NULL));
    }
    lamport_stamp_free(message);
    return NULL;
}

/* The first line comes after one event, where the parent stood. */
static void logs(lamport_clock_t *clock, int pipe) {
    char line[LAMPORT_LOG_SIZE], parent[96];
    uint64_t stood = lamport_clock_now(clock);

    CHECK(pipe >= 0);
    CHECK_OK(lamport_clock_log(clock, LAMPORT_LOG_LONG_TEXT, line, sizeof line, NULL, NULL));
    snprintf(parent, sizeof parent, " <%" PRIu64 "@busy;instance=%016" PRIx64 ";at=%" PRIu64,
             stood, parents_instance, stood + 1);
    CHECK_HAS(line, parent);
    CHECK(strlen(strstr(line, " <")) == strlen(parent));
    stood = lamport_local_now(busy_local);
    CHECK_OK(lamport_local_log(busy_local, LAMPORT_LOG_LONG_TEXT, line, sizeof line, NULL, NULL));
    snprintf(parent, sizeof parent, " <%" PRIu64 "@busy;instance=", stood);
    CHECK_HAS(line, parent);
    CHECK(strstr(strstr(line, " <") + 1, " <") == NULL);
    lamport_local_free(busy_local);
    lamport_clock_free(clock);
}

static void test_forks_while_messages_arrive(void) {
    lamport_clock_t *clock = opened(base, "busy");
    uint64_t time;
    pthread_t threads[THREADS];
    int i;

    CHECK_OK(lamport_local_open("busy", &busy_local, NULL));
    CHECK_OK(lamport_clock_advance(clock, &time, NULL));
    CHECK_OK(lamport_local_advance(busy_local, &time, NULL));
    parents_instance = lamport_clock_instance(clock);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, receives, clock) == 0);
    for (i = 0; i < FORKS; i++)
        CHECK(ended(begun(logs, clock, i % 2)) == 0);
    is_over = 1;
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    lamport_local_free(busy_local);
    lamport_clock_free(clock);
}

static void *opens_and_uses(void *unused) {
    lamport_clock_t *clock = opened("memory:shared", "a-name-that-is-too-long-to-stay-in-place");
    (void)unused;
    if (lamport_clock_update(clock, NULL, NULL) != LAMPORT_STATUS_OK)
        abort();
    lamport_clock_free(clock);
    return NULL;
}

static void uses_once(lamport_clock_t *clock, int pipe) {
    opens_and_uses(NULL);
    if (clock != NULL)
        take(clock, 1, pipe);
}

/* Nothing has begun here when the threads and the forks begin together. */
static void begins(lamport_clock_t *clock, int pipe) {
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, opens_and_uses, NULL) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(ended(begun(uses_once, clock, 0)) == (clock != NULL));
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    while (given_count > 0)
        CHECK(write(pipe, &given[--given_count], sizeof *given) == (ssize_t)sizeof *given);
}

static void test_forks_in_the_middle_of_beginnings(lamport_clock_t *clock) {
    int i;
    for (i = 0; i < 10; i++)
        CHECK(ended(begun(begins, clock, 0)) == (clock == NULL ? 0 : THREADS));
}

int main(int count, char **arguments) {
    lamport_clock_t *clock;

    if (count != 2)
        return 2;
    alarm(120);
    base = arguments[1];
    is_private = strncmp(base, "memory:", 7) == 0;
    test_forks_in_the_middle_of_beginnings(NULL);
    test_what_a_child_can_do();
    test_workers_of_a_server_that_connected_first();
    test_forks_while_updates_are_under_way();
    test_forks_while_messages_arrive();
    clock = opened(base, "parent");
    test_forks_in_the_middle_of_beginnings(clock);
    check_distinct();
    lamport_clock_free(clock);
    return report();
}
