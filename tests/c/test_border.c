/* The border: pointers, texts, buffers, statuses, errors. Needs no store but memory. */
#define _POSIX_C_SOURCE 200809L

#include <sys/utsname.h>

#include "check.h"

#define UNTOUCHED 77u

static void test_statuses(void) {
    static const struct {
        int32_t status;
        int32_t number;
        const char *name;
    } all[] = {
        {LAMPORT_STATUS_OK, 0, "ok"},
        {LAMPORT_STATUS_NULL_POINTER, 1, "null_pointer"},
        {LAMPORT_STATUS_INVALID_UTF8, 2, "invalid_utf8"},
        {LAMPORT_STATUS_BUFFER_TOO_SMALL, 3, "buffer_too_small"},
        {LAMPORT_STATUS_PANIC, 4, "panic"},
        {LAMPORT_STATUS_INVALID_ARGUMENT, 16, "invalid_argument"},
        {LAMPORT_STATUS_UNKNOWN_NODE, 17, "unknown_node"},
        {LAMPORT_STATUS_UNAVAILABLE, 18, "unavailable"},
        {LAMPORT_STATUS_TIMEOUT, 19, "timeout"},
        {LAMPORT_STATUS_CORRUPT, 20, "corrupt"},
        {LAMPORT_STATUS_EXHAUSTED, 21, "exhausted"},
        {LAMPORT_STATUS_TOO_FAR_AHEAD, 22, "too_far_ahead"},
        {LAMPORT_STATUS_UNTRUSTED, 30, "untrusted"},
        {LAMPORT_STATUS_COMPACTED, 23, "compacted"},
        {LAMPORT_STATUS_DENIED, 24, "denied"},
        {LAMPORT_STATUS_NO_SPACE, 25, "no_space"},
        {LAMPORT_STATUS_OVERLOADED, 26, "overloaded"},
        {LAMPORT_STATUS_CLOSED, 27, "closed"},
        {LAMPORT_STATUS_INTERNAL, 28, "internal"},
        {LAMPORT_STATUS_REGRESSED, 29, "regressed"},
    };
    static const int32_t unknown[] = {-1, 5, 15, 31, 1000, INT32_MIN, INT32_MAX};
    size_t i;

    /* The numbers are written out a second time on purpose: they may never change. */
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(all[i].status == all[i].number);
        CHECK_TEXT(lamport_status_name(all[i].status), all[i].name);
        CHECK(strlen(lamport_status_text(all[i].status)) > 3);
    }
    for (i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK_TEXT(lamport_status_name(unknown[i]), "unknown");
        CHECK_HAS(lamport_status_text(unknown[i]), "does not know");
    }
}

static void test_constants(void) {
    CHECK_TEXT(lamport_clock_version(), EXPECTED_VERSION);
    CHECK_TIME(LAMPORT_TIME_MAX, (UINT64_C(1) << 53) - 1);
    CHECK(sizeof(lamport_status_t) == 4);
}

static void test_null_everywhere(void) {
    const lamport_status_t null = LAMPORT_STATUS_NULL_POINTER;
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    lamport_stamp_t *stamp = NULL;
    lamport_update_t *update = NULL;
    uint64_t time = UNTOUCHED;
    size_t needed = UNTOUCHED;
    char buffer[8] = "before";

    CHECK_FAILS(lamport_clock_connect("memory:", "api", 0, NULL, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_tick(NULL, &stamp, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_tick(clock, NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_clock_receive(NULL, 1, &stamp, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_receive(clock, 1, NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_clock_advance(NULL, &time, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_advance(clock, NULL, &error), &error, null, "'time'");
    CHECK_FAILS(lamport_clock_advance_past(NULL, 1, &time, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_advance_past(clock, 1, NULL, &error), &error, null, "'time'");
    CHECK_FAILS(lamport_clock_update(NULL, &update, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_update(NULL, NULL, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_reserve(NULL, 1, &update, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_reserve(clock, 1, NULL, &error), &error, null, "'update'");
    CHECK_FAILS(lamport_clock_read(NULL, &observed, &error), &error, null, "'clock'");
    CHECK_FAILS(lamport_clock_read(clock, NULL, &error), &error, null, "'observed'");
    CHECK_FAILS(lamport_clock_location(NULL, buffer, sizeof buffer, &needed, &error), &error, null,
                "'clock'");
    CHECK_FAILS(lamport_clock_close(NULL, &error), &error, null, "'clock'");

    /* Without a place for the error the status is all there is. */
    CHECK_STATUS(lamport_clock_connect(NULL, NULL, 0, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_tick(NULL, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_receive(NULL, 0, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_advance(NULL, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_advance_past(NULL, 0, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_update(NULL, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_reserve(NULL, 0, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_read(NULL, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_location(NULL, NULL, 0, NULL, NULL), null);
    CHECK_STATUS(lamport_clock_close(NULL, NULL), null);

    /* Nothing was written, and nothing was done: a NULL output is noticed before the work. */
    CHECK(time == UNTOUCHED && needed == UNTOUCHED);
    CHECK(stamp == NULL && update == NULL && observed == NULL);
    CHECK_TEXT(buffer, "before");
    CHECK_TIME(lamport_clock_now(clock), 0);
    CHECK_OK(lamport_clock_read(clock, &observed, &error));
    CHECK(observed == NULL && error == NULL);

    lamport_clock_free(NULL);
    lamport_error_free(NULL);
    lamport_observed_free(NULL);
    CHECK_TIME(lamport_clock_now(NULL), 0);
    CHECK_TIME(lamport_clock_instance(NULL), 0);
    CHECK_TEXT(lamport_clock_process(NULL), "");
    CHECK_STATUS(lamport_error_status(NULL), LAMPORT_STATUS_OK);
    CHECK_TEXT(lamport_error_message(NULL), "");
    CHECK_TIME(lamport_observed_value(NULL), 0);
    CHECK_TIME(lamport_observed_first(NULL), 0);
    CHECK_TIME(lamport_observed_instance(NULL), 0);
    CHECK_TIME(lamport_observed_revision(NULL), 0);
    CHECK_TEXT(lamport_observed_process(NULL), "");
    CHECK(lamport_observed_real_timestamp(NULL) != lamport_observed_real_timestamp(NULL));
    lamport_clock_free(clock);
}

static void test_texts_of_open(void) {
    static const struct {
        const char *store, *process;
        lamport_status_t status;
        const char *part;
    } bad[] = {
        {"memory:\xff", "api", LAMPORT_STATUS_INVALID_UTF8, "'store'"},
        {"memory:", "a\xc3(", LAMPORT_STATUS_INVALID_UTF8, "byte 1"},
        {"memory:", "\xed\xa0\x80", LAMPORT_STATUS_INVALID_UTF8, "'process'"},
        {"memory:", "ab\xe2\x82", LAMPORT_STATUS_INVALID_UTF8, "byte 2"},
        {"", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "etcd://"},
        {"redis://h", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "redis://h"},
        {"https://h:2379", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "LAMPORT_TLS_CA"},
        {"etcd://", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "etcd://"},
        {"etcd://h:99999", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "99999"},
        {"etcd://h/k/", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "key"},
        {"memory:a b", "api", LAMPORT_STATUS_INVALID_ARGUMENT, "contains ' '"},
        {"memory:", "", LAMPORT_STATUS_INVALID_ARGUMENT, "empty"},
        {"memory:", "a b", LAMPORT_STATUS_INVALID_ARGUMENT, "a b"},
        {"memory:", "a;b", LAMPORT_STATUS_INVALID_ARGUMENT, "';'"},
        {"memory:", "a\nb", LAMPORT_STATUS_INVALID_ARGUMENT, "'\\n'"},
    };
    lamport_clock_t *const before = (lamport_clock_t *)(void *)&checks_made;
    lamport_clock_t *clock = before;
    lamport_error_t *error = NULL;
    char longest[257];
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(lamport_clock_connect(bad[i].store, bad[i].process, 0, &clock, &error), &error,
                    bad[i].status, bad[i].part);
    memset(longest, 'x', 256);
    longest[256] = '\0';
    CHECK_FAILS(lamport_clock_connect("memory:", longest, 0, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "255");
    CHECK_FAILS(lamport_clock_connect("memory:", "api", 86400001, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "a day");
    CHECK_FAILS(lamport_clock_connect("memory:", "api", UINT32_MAX, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "a day");
    CHECK_STATUS(lamport_clock_connect("memory:", "\xff", 0, &clock, NULL),
                 LAMPORT_STATUS_INVALID_UTF8);
    CHECK(clock == before);

    longest[255] = '\0';
    CHECK_OK(lamport_clock_connect("memory:", longest, 86400000, &clock, &error));
    CHECK_TEXT(lamport_clock_process(clock), longest);
    lamport_clock_free(clock);

    /* A text ends at its first NUL. */
    CHECK_OK(lamport_clock_connect("memory:", "api\0ignored", 1, &clock, &error));
    CHECK_TEXT(lamport_clock_process(clock), "api");
    lamport_clock_free(clock);
    CHECK(error == NULL);
}

static void test_buffers(void) {
    const lamport_status_t too_small = LAMPORT_STATUS_BUFFER_TOO_SMALL;
    lamport_clock_t *clock = opened("memory:", "z\xc3\xbcrich");
    lamport_stamp_t *stamp = NULL;
    lamport_error_t *error = NULL;
    char buffer[10]; /* "1@", 7 bytes of UTF-8, NUL */
    char *location;
    size_t size, needed;

    CHECK_OK(lamport_clock_tick(clock, &stamp, &error));
    for (size = 0; size < sizeof buffer; size++) {
        memset(buffer, '#', sizeof buffer);
        needed = 0;
        CHECK_FAILS(lamport_stamp_text(stamp, buffer, size, &needed, &error), &error, too_small,
                    "10 bytes");
        CHECK(needed == sizeof buffer);
        CHECK(memcmp(buffer, "##########", sizeof buffer) == 0);
    }
    needed = 0;
    CHECK_FAILS(lamport_stamp_text(stamp, NULL, 100, &needed, &error), &error, too_small,
                "10 bytes");
    CHECK(needed == sizeof buffer);
    CHECK_STATUS(lamport_stamp_text(stamp, NULL, 0, NULL, NULL), too_small);
    CHECK_OK(lamport_stamp_text(stamp, buffer, sizeof buffer, &needed, &error));
    CHECK(needed == sizeof buffer);
    CHECK_TEXT(buffer, "1@z\xc3\xbcrich");
    memset(buffer, '#', sizeof buffer);
    CHECK_OK(lamport_stamp_text(stamp, buffer, sizeof buffer, NULL, NULL));
    CHECK_TEXT(buffer, "1@z\xc3\xbcrich");
    lamport_stamp_free(stamp);

    needed = 0;
    CHECK_STATUS(lamport_clock_location(clock, NULL, 0, &needed, NULL), too_small);
    location = malloc(needed);
    CHECK_OK(lamport_clock_location(clock, location, needed, NULL, &error));
    CHECK_HAS(location, "memory:");
    CHECK(strlen(location) + 1 == needed);
    memset(location, '#', needed);
    CHECK_FAILS(lamport_clock_location(clock, location, needed - 1, NULL, &error), &error, too_small,
                "bytes");
    CHECK(location[0] == '#');
    free(location);
    lamport_clock_free(clock);
}

static void test_errors_outlive_the_clock(void) {
    lamport_clock_t *clock = opened("memory:", "api");
    lamport_error_t *error = NULL;
    uint64_t time = UNTOUCHED;

    CHECK_STATUS(lamport_clock_advance_past(clock, UINT64_MAX, &time, &error),
                 LAMPORT_STATUS_INVALID_ARGUMENT);
    CHECK(time == UNTOUCHED);
    lamport_clock_free(clock);
    CHECK_STATUS(lamport_error_status(error), LAMPORT_STATUS_INVALID_ARGUMENT);
    CHECK_HAS(lamport_error_message(error), "18446744073709551615");
    lamport_error_free(error);
}

static void test_environment(void) {
    struct utsname host;
    lamport_clock_t *clock = NULL;
    lamport_error_t *error = NULL;
    uint64_t time = UNTOUCHED;

    unsetenv("LAMPORT_STORE");
    unsetenv("NODE_NAME");
    CHECK_FAILS(lamport_clock_connect(NULL, NULL, 0, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "NODE_NAME");
    setenv("NODE_NAME", "nobody", 1);
    CHECK_FAILS(lamport_clock_connect(NULL, NULL, 0, &clock, &error), &error,
                LAMPORT_STATUS_UNKNOWN_NODE, "mx-nodel2");
    setenv("LAMPORT_STORE", "memory:", 1);
    CHECK_OK(lamport_clock_connect(NULL, NULL, 0, &clock, &error));
    CHECK_TEXT(lamport_clock_process(clock), "nobody");
    lamport_clock_free(clock);
    unsetenv("NODE_NAME");
    CHECK_OK(lamport_clock_connect(NULL, NULL, 0, &clock, &error));
    CHECK(uname(&host) == 0);
    CHECK_TEXT(lamport_clock_process(clock), host.nodename);
    lamport_clock_free(clock);
    clock = NULL;

    setenv("LAMPORT_TIMEOUT", "soon", 1);
    CHECK_FAILS(lamport_clock_connect(NULL, NULL, 0, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "LAMPORT_TIMEOUT");
    setenv("LAMPORT_TIMEOUT", "\xff", 1);
    CHECK_FAILS(lamport_clock_connect(NULL, NULL, 0, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "UTF-8");
    CHECK(clock == NULL);
    unsetenv("LAMPORT_TIMEOUT");

    setenv("LAMPORT_MAX_JUMP", "10", 1);
    CHECK_OK(lamport_clock_connect(NULL, NULL, 0, &clock, &error));
    CHECK_FAILS(lamport_clock_advance_past(clock, 11, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "LAMPORT_MAX_JUMP");
    CHECK(time == UNTOUCHED);
    CHECK_OK(lamport_clock_advance_past(clock, 10, &time, &error));
    CHECK_TIME(time, 11);
    lamport_clock_free(clock);
    unsetenv("LAMPORT_MAX_JUMP");
    unsetenv("LAMPORT_STORE");
}

static void test_the_end_of_time(void) {
    const lamport_status_t exhausted = LAMPORT_STATUS_EXHAUSTED;
    lamport_clock_t *clock = NULL;
    lamport_error_t *error = NULL;
    lamport_stamp_t *stamp = NULL;
    lamport_update_t *update = NULL;
    uint64_t time = UNTOUCHED;

    setenv("LAMPORT_MAX_JUMP", "9007199254740991", 1);
    CHECK_OK(lamport_clock_connect("memory:", "api", 0, &clock, &error));
    unsetenv("LAMPORT_MAX_JUMP");
    CHECK_OK(lamport_clock_advance_past(clock, LAMPORT_TIME_MAX - 1, &time, &error));
    CHECK_TIME(time, LAMPORT_TIME_MAX);
    time = UNTOUCHED;
    CHECK_FAILS(lamport_clock_advance(clock, &time, &error), &error, exhausted, "9007199254740991");
    CHECK_FAILS(lamport_clock_advance_past(clock, 1, &time, &error), &error, exhausted, "no time");
    CHECK_FAILS(lamport_clock_tick(clock, &stamp, &error), &error, exhausted, "no time");
    CHECK_FAILS(lamport_clock_receive(clock, 1, &stamp, &error), &error, exhausted, "no time");
    CHECK_FAILS(lamport_clock_update(clock, &update, &error), &error, exhausted, "no time");
    CHECK_FAILS(lamport_clock_reserve(clock, 1, &update, &error), &error, exhausted, "no time");
    CHECK(time == UNTOUCHED && stamp == NULL && update == NULL);
    CHECK_TIME(lamport_clock_now(clock), LAMPORT_TIME_MAX);
    lamport_clock_free(clock);
}

static void test_settings_by_name(void) {
    lamport_config_t *config = lamport_config_new();
    lamport_clock_t *clock = NULL;
    lamport_error_t *error = NULL;
    uint64_t time;
    CHECK_OK(lamport_config_set(config, "store", "memory:", NULL));
    CHECK_OK(lamport_config_set(config, "node", "api", NULL));
    CHECK_OK(lamport_config_set(config, "max_jump", "5", NULL));
    CHECK_OK(lamport_clock_connect_with(config, &clock, NULL));
    CHECK_STATUS(lamport_clock_advance_past(clock, 100, &time, NULL), LAMPORT_STATUS_TOO_FAR_AHEAD);
    lamport_clock_free(clock);

    CHECK_OK(lamport_config_set(config, "timeout", "soon", NULL));
    CHECK_FAILS(lamport_clock_open_with(config, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "argument 'timeout'");
    CHECK_OK(lamport_config_set(config, "timeout", NULL, NULL));
    CHECK_OK(lamport_clock_open_with(config, &clock, NULL));
    lamport_clock_free(clock);

    CHECK_OK(lamport_config_set(config, "colour", "red", NULL));
    CHECK_FAILS(lamport_clock_open_with(config, &clock, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "there is no setting 'colour'");
    CHECK_FAILS(lamport_config_set(config, NULL, "red", &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'name'");
    CHECK_FAILS(lamport_config_set(config, "key", "\xff", &error), &error,
                LAMPORT_STATUS_INVALID_UTF8, "'value'");
    CHECK_FAILS(lamport_config_set(NULL, "key", "/a", &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'config'");
    CHECK_FAILS(lamport_clock_connect_with(NULL, &clock, &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'config'");
    lamport_config_free(config);
    lamport_config_free(NULL);
}

int main(void) {
    test_settings_by_name();
    test_statuses();
    test_constants();
    test_null_everywhere();
    test_texts_of_open();
    test_buffers();
    test_errors_outlive_the_clock();
    test_environment();
    test_the_end_of_time();
    return report();
}
