/* A program closes all descriptors that it does not know, as daemons do, and the library's with them.
 *
 *     test_descriptors STORE
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { FILES = 40, PATIENCE_MS = 10000 };

static int files[FILES];

/* Whether all threads but this one wait for something. */
static int are_at_rest(void) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int rest = 1;

    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        char path[300], line[300] = "";
        const char *name;
        FILE *stat;
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", task->d_name);
        stat = fopen(path, "r");
        if (stat == NULL)
            continue;
        CHECK(fgets(line, sizeof line, stat) != NULL);
        fclose(stat);
        name = strrchr(line, ')');
        rest = rest && name != NULL && name[2] == 'S';
    }
    closedir(tasks);
    return rest;
}

/* Closes all, and has files of the program take the numbers. */
static void lose(void) {
    int i, number;

    while (!are_at_rest())
        continue;
    for (number = 3; number < 256; number++)
        close(number);
    for (i = 0; i < FILES; i++) {
        files[i] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        CHECK(files[i] > 2);
    }
}

static void check_files(void) {
    struct stat stat;
    int i;
    for (i = 0; i < FILES; i++)
        CHECK(fstat(files[i], &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size == 0);
}

static int ended;

static void hears(const lamport_event_t *event, void *context) {
    (void)context;
    if (lamport_event_kind(event) == LAMPORT_EVENT_ENDED) {
        CHECK(lamport_event_status(event) == LAMPORT_STATUS_CLOSED);
        __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
    }
}

int main(int count, char **arguments) {
    const char *store = count == 2 ? arguments[1] : "";
    lamport_clock_t *clock = opened(store, "api"), *later = NULL;
    lamport_watch_t *watch = NULL;
    lamport_follower_t *follower = NULL;
    lamport_event_t *event = NULL;
    lamport_error_t *error = NULL;
    uint64_t instance = lamport_clock_instance(clock), before = updated(clock), value;
    int turn;

    for (turn = 0; turn < 3; turn++) {
        ended = 0;
        CHECK_OK(lamport_clock_watch(clock, 0, &watch, NULL));
        CHECK_OK(lamport_clock_follow(clock, 0, hears, NULL, &follower, NULL));
        lose();
        value = updated(clock);
        CHECK(value > before && lamport_clock_instance(clock) != instance);
        CHECK(updated(clock) > value);
        before = lamport_clock_now(clock);
        CHECK_FAILS(lamport_watch_next(watch, PATIENCE_MS, &event, &error), &error,
                    LAMPORT_STATUS_CLOSED, "descriptors");
        lamport_watch_free(watch);
        while (turn < 2 && !__atomic_load_n(&ended, __ATOMIC_ACQUIRE))
            usleep(1000);
        /* In the last turn it may not know yet. */
        lamport_follower_free(follower);
        later = opened(store, "later");
        CHECK(updated(later) > value);
        lamport_clock_free(later);
        check_files();
    }
    lamport_clock_free(clock);
    check_files();
    return report();
}
