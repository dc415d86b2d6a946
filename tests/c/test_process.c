/* The library as a guest in a process: the host's signals stay the host's. */
#define _XOPEN_SOURCE 700

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t seen;

static void count(int signal) {
    (void)signal;
    seen++;
}

/* Signals that interrupt whatever waits, every millisecond. */
static void storm(long microseconds) {
    struct sigaction action;
    struct itimerval often;

    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    memset(&often, 0, sizeof often);
    often.it_interval.tv_usec = often.it_value.tv_usec = microseconds;
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void works_in_a_storm(lamport_clock_t *clock) {
    uint64_t before = 0, value = 0;
    int i;

    storm(1000);
    for (i = 0; i < 100 || seen == 0; i++) {
        value = updated(clock);
        if (value <= before)
            break;
        before = value;
    }
    CHECK(i >= 100 && seen > 0);
    storm(0);
}

static void test_calls_are_not_interrupted(void) {
    lamport_clock_t *clock = opened("memory:", "api");
    int status = -1;
    pid_t child;

    works_in_a_storm(clock);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        /* At its first use of the clock. */
        checks_failed = 0;
        seen = 0;
        works_in_a_storm(clock);
        _exit(checks_failed == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lamport_clock_free(clock);
}

static int is_same(const sigset_t *a, const sigset_t *b) {
    int signal;
    for (signal = 1; signal < 32; signal++)
        if (sigismember(a, signal) != sigismember(b, signal))
            return 0;
    return 1;
}

static void test_the_mask_of_the_caller(void) {
    lamport_clock_t *clock = NULL;
    sigset_t mine, before, after;

    sigemptyset(&mine);
    sigaddset(&mine, SIGUSR1);
    CHECK(pthread_sigmask(SIG_SETMASK, &mine, &before) == 0);
    clock = opened("memory:", "api");
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    CHECK(is_same(&mine, &after));
    CHECK_STATUS(lamport_clock_connect("nowhere", "api", 0, &clock, NULL),
                 LAMPORT_STATUS_INVALID_ARGUMENT);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    CHECK(is_same(&mine, &after));
    lamport_clock_free(clock);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t looked = PTHREAD_COND_INITIALIZER;
static int looks = 0;

static void looks_at_its_mask(const lamport_event_t *event, void *blocked) {
    CHECK(lamport_event_kind(event) == LAMPORT_EVENT_UPDATED);
    pthread_mutex_lock(&lock);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, blocked) == 0);
    looks++;
    pthread_cond_signal(&looked);
    pthread_mutex_unlock(&lock);
}

/* A callback runs on none of the host's threads: its signals are not handled there either. */
static void test_the_mask_of_a_callback(void) {
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1};
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_follower_t *follower = NULL;
    sigset_t blocked;
    size_t i;

    sigemptyset(&blocked);
    CHECK_OK(lamport_clock_follow(clock, 0, looks_at_its_mask, &blocked, &follower, NULL));
    updated(clock);
    pthread_mutex_lock(&lock);
    while (looks == 0)
        pthread_cond_wait(&looked, &lock);
    pthread_mutex_unlock(&lock);
    lamport_follower_free(follower);
    for (i = 0; i < sizeof signals / sizeof *signals; i++)
        CHECK(sigismember(&blocked, signals[i]) == 1);
    lamport_clock_free(clock);
}

#ifdef __linux__
/* The first line of a file that begins with `start`, without it; "" if there is none. */
static void field(const char *path, const char *start, char *line, int size) {
    FILE *file = fopen(path, "r");
    int found = 0;
    if (file != NULL) {
        while (!found && fgets(line, size, file) != NULL)
            found = strncmp(line, start, strlen(start)) == 0;
        fclose(file);
    }
    if (!found)
        line[0] = '\0';
    else
        memmove(line, line + strlen(start), strlen(line + strlen(start)) + 1);
}

/* A broken connection must not end a host that does not ignore SIGPIPE, and the host's own signals
 * must not be handled on a thread of the library. */
static void check_the_mask_of_the_librarys_threads(void) {
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1};
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int threads = 0;
    size_t i;

    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        char path[512], line[256];
        unsigned long long blocked;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        field(path, "Name:\tlamport-clock", line, sizeof line);
        if (line[0] == '\0')
            continue;
        threads++;
        field(path, "SigBlk:\t", line, sizeof line);
        blocked = strtoull(line, NULL, 16);
        for (i = 0; i < sizeof signals / sizeof *signals; i++)
            CHECK((blocked >> (signals[i] - 1) & 1) == 1);
    }
    if (tasks != NULL)
        closedir(tasks);
    CHECK(threads > 0);
}

static void test_the_mask_of_the_librarys_threads(void) {
    lamport_clock_t *clock = opened("memory:", "api");
    int status = -1;
    pid_t child;

    check_the_mask_of_the_librarys_threads();
    /* A child's thread is started by a later call than open. */
    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(60);
        checks_failed = 0;
        updated(clock);
        check_the_mask_of_the_librarys_threads();
        _exit(checks_failed == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lamport_clock_free(clock);
}
#endif

int main(void) {
    test_calls_are_not_interrupted();
    test_the_mask_of_the_caller();
    test_the_mask_of_a_callback();
#ifdef __linux__
    test_the_mask_of_the_librarys_threads();
#endif
    return report();
}
