/* Checks for the test programs. They work with NDEBUG too, go on after a failure, and count. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lamport_clock.h>

static int checks_made = 0;
static int checks_failed = 0;

#define CHECK(condition) check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_TIME(actual, expected) check_time((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_HAS(text, part) check_has((text), (part), #text, __FILE__, __LINE__)
/* The status that a call returned. */
#define CHECK_STATUS(call, expected) check_status((call), (expected), #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_STATUS(call, LAMPORT_STATUS_OK)
/* A call failed with this status and an error whose message contains `part`. Frees the error. */
#define CHECK_FAILS(call, error, expected, part)                   \
    do {                                                           \
        CHECK_STATUS(call, expected);                              \
        CHECK_STATUS(lamport_error_status(*(error)), expected);    \
        CHECK_HAS(lamport_error_message(*(error)), part);          \
        lamport_error_free(*(error));                              \
        *(error) = NULL;                                           \
    } while (0)

/* By several threads at once, too. */
static inline int check(int holds, const char *what, const char *file, int line) {
    __atomic_add_fetch(&checks_made, 1, __ATOMIC_RELAXED);
    if (!holds) {
        __atomic_add_fetch(&checks_failed, 1, __ATOMIC_RELAXED);
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return holds;
}

static inline void check_time(uint64_t actual, uint64_t expected, const char *what, const char *file,
                              int line) {
    if (!check(actual == expected, what, file, line))
        fprintf(stderr, "    is %" PRIu64 ", not %" PRIu64 "\n", actual, expected);
}

static inline void check_text(const char *actual, const char *expected, const char *what,
                              const char *file, int line) {
    if (!check(strcmp(actual, expected) == 0, what, file, line))
        fprintf(stderr, "    is \"%s\", not \"%s\"\n", actual, expected);
}

static inline void check_has(const char *text, const char *part, const char *what, const char *file,
                             int line) {
    if (!check(strstr(text, part) != NULL, what, file, line))
        fprintf(stderr, "    is \"%s\", without \"%s\"\n", text, part);
}

static inline void check_status(lamport_status_t actual, lamport_status_t expected, const char *what,
                                const char *file, int line) {
    if (!check(actual == expected, what, file, line))
        fprintf(stderr, "    is %s, not %s\n", lamport_status_name(actual),
                lamport_status_name(expected));
}

static inline int report(void) {
    printf("%d checks, %d failed\n", checks_made, checks_failed);
    return checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The store that the program was given. */
static const char *base;

/* A record of its own for each test. */
static inline const char *store(const char *name) {
    static char uri[512];
    snprintf(uri, sizeof uri, "%s-%s", base, name);
    return uri;
}

/* A clock, or the end of the program: without one there is nothing to test. */
static inline lamport_clock_t *opened(const char *store, const char *process) {
    lamport_clock_t *clock = NULL;
    lamport_error_t *error = NULL;
    if (lamport_clock_connect(store, process, 60000, &clock, &error) != LAMPORT_STATUS_OK) {
        fprintf(stderr, "no clock on %s: %s\n", store, lamport_error_message(error));
        exit(EXIT_FAILURE);
    }
    return clock;
}

/* The value of an update, or 0: a time that no update has. */
static inline uint64_t updated(const lamport_clock_t *clock) {
    lamport_update_t *update = NULL;
    uint64_t value;
    CHECK_OK(lamport_clock_update(clock, &update, NULL));
    value = lamport_update_value(update);
    lamport_update_free(update);
    return value;
}

#endif
