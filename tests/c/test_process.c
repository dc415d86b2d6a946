/* The library as a guest in a process: fork, and the host's signals. */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Runs `body` in a child, which reports its own checks. */
static void in_a_child(void (*body)(lamport_clock_t *), lamport_clock_t *clock) {
    int status = -1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        checks_made = checks_failed = 0;
        body(clock);
        fprintf(stderr, "in the child: %d checks, %d failed\n", checks_made, checks_failed);
        /* A child that hangs is what the alarm below is for. */
        _exit(checks_failed == 0 ? 0 : 1);
    }
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void child_opens_its_own(lamport_clock_t *none) {
    lamport_clock_t *clock;
    uint64_t value = 0;

    alarm(60);
    CHECK(none == NULL);
    clock = opened("memory:", "child");
    CHECK_OK(lamport_clock_update(clock, &value, NULL));
    CHECK_TIME(value, 2);
    lamport_clock_free(clock);
}

static void child_is_told(lamport_clock_t *clock) {
    const lamport_status_t closed = LAMPORT_STATUS_CLOSED;
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    lamport_clock_t *own = NULL;
    uint64_t a = 77, b = 77;
    char buffer[LAMPORT_PROCESS_SIZE] = "before";

    alarm(60);
    CHECK_FAILS(lamport_clock_tick(clock, &a, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_receive(clock, 5, &a, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_now(clock, &a, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_update(clock, &a, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_reserve(clock, 1, &a, &b, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_read(clock, &observed, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_instance(clock, &a, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_process(clock, buffer, sizeof buffer, NULL, &error), &error, closed,
                "fork");
    CHECK_FAILS(lamport_clock_location(clock, buffer, sizeof buffer, NULL, &error), &error, closed,
                "fork");
    CHECK_FAILS(lamport_clock_close(clock, &error), &error, closed, "fork");
    CHECK_FAILS(lamport_clock_open("memory:", "child", 0, &own, &error), &error, closed, "fork");
    CHECK(a == 77 && b == 77 && observed == NULL && own == NULL);
    CHECK_TEXT(buffer, "before");
    lamport_clock_free(clock);
}

static void child_forks_again(lamport_clock_t *clock) {
    uint64_t time = 77;

    in_a_child(child_is_told, clock);
    CHECK_STATUS(lamport_clock_tick(clock, &time, NULL), LAMPORT_STATUS_CLOSED);
}

static void test_fork(void) {
    lamport_clock_t *clock;
    uint64_t time = 0;

    /* First of all: before this process has opened any. */
    in_a_child(child_opens_its_own, NULL);

    clock = opened("memory:", "parent");
    CHECK_OK(lamport_clock_update(clock, &time, NULL));
    in_a_child(child_is_told, clock);
    in_a_child(child_forks_again, clock);
    CHECK_OK(lamport_clock_update(clock, &time, NULL));
    CHECK_TIME(time, 4);
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
    CHECK_STATUS(lamport_clock_open("nowhere", "api", 0, &clock, NULL),
                 LAMPORT_STATUS_INVALID_ARGUMENT);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    CHECK(is_same(&mine, &after));
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
static void test_the_mask_of_the_librarys_threads(void) {
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1};
    lamport_clock_t *clock = opened("memory:", "api");
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
    lamport_clock_free(clock);
}
#endif

int main(void) {
    test_fork();
    test_the_mask_of_the_caller();
#ifdef __linux__
    test_the_mask_of_the_librarys_threads();
#endif
    return report();
}
