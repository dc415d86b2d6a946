/* Local clocks and stamps: no store, no thread. */
#define _POSIX_C_SOURCE 200809L

#include <sys/utsname.h>

#include "check.h"

#define UNTOUCHED 77u

static lamport_local_t *local_of(const char *process) {
    lamport_local_t *local = NULL;
    CHECK_OK(lamport_local_open(process, &local, NULL));
    return local;
}

static lamport_stamp_t *parsed(const char *text) {
    lamport_stamp_t *stamp = NULL;
    CHECK_OK(lamport_stamp_parse(text, &stamp, NULL));
    return stamp;
}

static void test_lamports_two_rules(void) {
    const uint64_t max_jump = UINT64_C(1) << 32;
    lamport_local_t *local = local_of("api");
    lamport_error_t *error = NULL;
    lamport_stamp_t *sent = NULL, *received = NULL, *none = NULL;
    uint64_t time = UNTOUCHED;

    CHECK_TIME(lamport_local_now(local), 0);
    CHECK_OK(lamport_local_tick(local, &sent, &error));
    CHECK_TIME(lamport_stamp_time(sent), 1);
    CHECK_OK(lamport_local_receive(local, 10, &received, &error));
    CHECK_TIME(lamport_stamp_time(received), 11);
    CHECK_OK(lamport_local_advance_past(local, 3, &time, &error));
    CHECK_TIME(time, 12);
    CHECK_OK(lamport_local_advance(local, &time, &error));
    CHECK_TIME(time, 13);
    time = UNTOUCHED;
    CHECK_FAILS(lamport_local_advance_past(local, 13 + max_jump + 1, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_FAILS(lamport_local_receive(local, 13 + max_jump + 1, &none, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "unchanged");
    CHECK_FAILS(lamport_local_advance_past(local, UINT64_MAX, &time, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615");
    CHECK_FAILS(lamport_local_receive(local, UINT64_MAX, &none, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615");
    CHECK_TIME(time, UNTOUCHED);
    CHECK(none == NULL);
    CHECK_TIME(lamport_local_now(local), 13);
    CHECK_TIME(lamport_stamp_instance(received), lamport_local_instance(local));
    CHECK_TEXT(lamport_local_process(local), "api");
    lamport_local_free(local); /* stamps outlive it */
    CHECK_TEXT(lamport_stamp_process(received), "api");
    CHECK(lamport_stamp_compare(sent, received) == -1);
    lamport_stamp_free(sent);
    lamport_stamp_free(received);
}

static void test_local_settings(void) {
    struct utsname host;
    lamport_local_t *local = NULL;
    lamport_error_t *error = NULL;
    uint64_t time = UNTOUCHED;

    CHECK_FAILS(lamport_local_open("a b", &local, &error), &error, LAMPORT_STATUS_INVALID_ARGUMENT,
                "a b");
    /* What drives a terminal, begins a line or turns the direction, C1 controls among it. */
    CHECK_FAILS(lamport_local_open("a\x1b[2J\r\n\xc2\x9b\xe2\x80\xae", &local, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "'a\\u{1b}[2J\\r\\n\\u{9b}\\u{202e}'");
    CHECK_FAILS(lamport_local_open("\"api\"", &local, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "quotes");
    CHECK_FAILS(lamport_local_open("a\xff", &local, &error), &error, LAMPORT_STATUS_INVALID_UTF8,
                "'process'");
    CHECK(local == NULL);

    /* Whatever store the environment names, there is none here. */
    setenv("LAMPORT_STORE", "etcd://127.0.0.1:1", 1);
    setenv("NODE_NAME", "mx-nodel2", 1);
    setenv("LAMPORT_MAX_JUMP", "10", 1);
    CHECK_OK(lamport_local_open(NULL, &local, &error));
    unsetenv("LAMPORT_STORE");
    unsetenv("NODE_NAME");
    unsetenv("LAMPORT_MAX_JUMP");
    CHECK_FAILS(lamport_local_advance_past(local, 11, &time, &error), &error,
                LAMPORT_STATUS_TOO_FAR_AHEAD, "LAMPORT_MAX_JUMP");
    CHECK_TEXT(lamport_local_process(local), "mx-nodel2");
    lamport_local_free(local);

    CHECK(uname(&host) == 0);
    local = local_of(NULL);
    CHECK_TEXT(lamport_local_process(local), host.nodename);
    lamport_local_free(local);
}

static void test_two_lives_under_one_name(void) {
    lamport_local_t *local = local_of("api"), *again = local_of("api");
    lamport_stamp_t *a = NULL, *b = NULL;

    /* Two lives under one name never make the same stamp. */
    CHECK_OK(lamport_local_tick(local, &a, NULL));
    CHECK_OK(lamport_local_tick(again, &b, NULL));
    CHECK_TIME(lamport_stamp_time(a), lamport_stamp_time(b));
    CHECK(lamport_stamp_instance(a) != 0 && lamport_stamp_instance(b) != 0);
    CHECK(lamport_stamp_compare(a, b) == -lamport_stamp_compare(b, a));
    CHECK(lamport_stamp_compare(a, b) != 0);
    lamport_stamp_free(a);
    lamport_stamp_free(b);
    lamport_local_free(local);
    lamport_local_free(again);
}

static void test_stamps_as_texts(void) {
    static const char *bad[] = {"",     "42",   "@a",   "42@",           "-1@a",
                                "1.5@a", "1@a b", "1@a%", "1@a;instance=ff", "9007199254740992@a"};
    static const char *const full = "42@mx-nodel;instance=00000000000000ff";
    const lamport_status_t too_small = LAMPORT_STATUS_BUFFER_TOO_SMALL;
    lamport_stamp_t *stamp = parsed(full);
    lamport_error_t *error = NULL;
    char buffer[LAMPORT_STAMP_SIZE], name[256];
    size_t i, needed = UNTOUCHED;

    CHECK_TIME(lamport_stamp_time(stamp), 42);
    CHECK_TEXT(lamport_stamp_process(stamp), "mx-nodel");
    CHECK_TIME(lamport_stamp_instance(stamp), 255);
    CHECK_OK(lamport_stamp_text(stamp, buffer, sizeof buffer, &needed, &error));
    CHECK_TEXT(buffer, "42@mx-nodel");
    CHECK(needed == 12);
    CHECK_OK(lamport_stamp_long_text(stamp, buffer, strlen(full) + 1, NULL, &error));
    CHECK_TEXT(buffer, full);
    CHECK_FAILS(lamport_stamp_long_text(stamp, buffer, strlen(full), &needed, &error), &error,
                too_small, "38 bytes");
    CHECK(needed == strlen(full) + 1);
    CHECK_STATUS(lamport_stamp_text(stamp, NULL, 0, &needed, NULL), too_small);
    CHECK(needed == 12);
    lamport_stamp_free(stamp);

    stamp = parsed("3@user@host");
    CHECK_TEXT(lamport_stamp_process(stamp), "user@host");
    CHECK_TIME(lamport_stamp_instance(stamp), 0);
    lamport_stamp_free(stamp);

    stamp = NULL;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_STATUS(lamport_stamp_parse(bad[i], &stamp, &error), LAMPORT_STATUS_INVALID_ARGUMENT);
        lamport_error_free(error);
    }
    error = NULL;
    CHECK_FAILS(lamport_stamp_parse("1@a\xff", &stamp, &error), &error, LAMPORT_STATUS_INVALID_UTF8,
                "byte 3");
    CHECK_FAILS(lamport_stamp_new(1, "a b", 0, &stamp, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "a b");
    CHECK_FAILS(lamport_stamp_new(UINT64_MAX, "a", 0, &stamp, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615");
    CHECK(stamp == NULL);

    /* The longest there is: each byte of the name takes three characters. */
    for (i = 0; i < (sizeof name - 1) / 3; i++)
        memcpy(name + 3 * i, "\xe6\x9d\xb1", 3);
    name[sizeof name - 1] = '\0';
    CHECK_OK(lamport_stamp_new(LAMPORT_TIME_MAX, name, UINT64_MAX, &stamp, &error));
    CHECK_OK(lamport_stamp_long_text(stamp, buffer, sizeof buffer, &needed, &error));
    CHECK(needed == LAMPORT_STAMP_SIZE);
    lamport_stamp_free(stamp);
}

static void test_the_total_order(void) {
    static const char *ordered[] = {
        "1@b", "2@a", "2@a;instance=0000000000000001", "2@a;instance=00000000000000ff",
        "2@b", "2@\xc3\xbc", "10@a"};
    enum { COUNT = sizeof ordered / sizeof *ordered };
    lamport_stamp_t *stamps[COUNT];
    int i, j;

    for (i = 0; i < COUNT; i++)
        stamps[i] = parsed(ordered[i]);
    for (i = 0; i < COUNT; i++)
        for (j = 0; j < COUNT; j++)
            CHECK(lamport_stamp_compare(stamps[i], stamps[j]) == (i > j) - (i < j));
    CHECK(lamport_stamp_compare(NULL, stamps[0]) == -1);
    CHECK(lamport_stamp_compare(stamps[0], NULL) == 1);
    CHECK(lamport_stamp_compare(NULL, NULL) == 0);
    for (i = 0; i < COUNT; i++)
        lamport_stamp_free(stamps[i]);
}

static void test_lines_name_their_causes(void) {
    const lamport_status_t too_small = LAMPORT_STATUS_BUFFER_TOO_SMALL;
    lamport_local_t *local = local_of("api");
    lamport_stamp_t *message = parsed("40@b\"\\;instance=000000000000000b"), *received = NULL;
    lamport_error_t *error = NULL;
    char line[LAMPORT_LOG_SIZE], expected[LAMPORT_LOG_SIZE], small[60];
    unsigned long long instance = lamport_local_instance(local);
    size_t needed = UNTOUCHED;
    int i;

    CHECK_OK(lamport_local_log(local, LAMPORT_LOG_TEXT, line, sizeof line, &needed, &error));
    CHECK_TEXT(line, "1@api <-");
    CHECK(needed == strlen(line) + 1);
    CHECK_OK(lamport_local_receive_stamp(local, message, &received, &error));
    CHECK_TIME(lamport_stamp_time(received), 41);
    CHECK_OK(lamport_local_log(local, LAMPORT_LOG_TEXT, line, sizeof line, NULL, &error));
    CHECK_TEXT(line, "42@api <1@api <40@b\"\\;at=41");
    CHECK_OK(lamport_local_log(local, LAMPORT_LOG_LONG_TEXT, line, sizeof line, NULL, &error));
    snprintf(expected, sizeof expected, "43@api;instance=%016llx <42@api;instance=%016llx", instance,
             instance);
    CHECK_TEXT(line, expected);
    lamport_stamp_free(received);
    received = NULL;
    CHECK_OK(lamport_local_receive_stamp(local, message, &received, NULL));
    CHECK_OK(lamport_local_log(local, LAMPORT_LOG_JSON, line, sizeof line, NULL, &error));
    snprintf(expected, sizeof expected,
             "\"lamport\":\"45@api\",\"lamport_time\":45,\"lamport_process\":\"api\","
             "\"lamport_instance\":\"%016llx\",\"lamport_after\":[\"43@api;instance=%016llx\","
             "\"40@b\\\"\\\\;instance=000000000000000b;at=44\"]",
             instance, instance);
    CHECK_TEXT(line, expected);

    /* What does not fit is counted, and so is what nobody knows the sender of. */
    for (i = 0; i < 20; i++) {
        lamport_stamp_free(received);
        received = NULL;
        CHECK_OK(lamport_local_receive_stamp(local, message, &received, NULL));
    }
    lamport_stamp_free(received);
    received = NULL;
    CHECK_OK(lamport_local_receive(local, 7, &received, NULL));
    CHECK_OK(lamport_local_log(local, LAMPORT_LOG_TEXT, small, sizeof small, &needed, NULL));
    CHECK_TEXT(small, "67@api <45@api <40@b\"\\;at=64 <40@b\"\\;at=65 <+19");
    CHECK(needed == strlen(small) + 1);

    CHECK_FAILS(lamport_local_log(local, 3, line, sizeof line, NULL, &error), &error,
                LAMPORT_STATUS_INVALID_ARGUMENT, "no form 3");
    CHECK_TIME(lamport_local_now(local), 67);
    CHECK_FAILS(lamport_local_log(local, LAMPORT_LOG_TEXT, small, 5, &needed, &error), &error,
                too_small, "15 bytes");
    CHECK(needed == 15);
    CHECK_FAILS(lamport_local_log(NULL, LAMPORT_LOG_TEXT, line, sizeof line, NULL, &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'local'");
    CHECK_FAILS(lamport_local_receive_stamp(local, NULL, &received, &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'stamp'");
    CHECK_FAILS(lamport_local_receive_stamp(NULL, message, &received, &error), &error,
                LAMPORT_STATUS_NULL_POINTER, "'local'");
    lamport_stamp_free(received);
    lamport_stamp_free(message);
    lamport_local_free(local);
}

/* The longest line there is, but for messages, fits. */
static void test_the_longest_line_fits(void) {
    char name[256], line[LAMPORT_LOG_SIZE];
    lamport_local_t *local;
    uint64_t time;
    int form, i;

    for (i = 0; i < 2; i++) {
        memset(name, i == 0 ? '%' : '\\', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        local = local_of(name);
        for (form = LAMPORT_LOG_TEXT; form <= LAMPORT_LOG_JSON; form++) {
            CHECK_OK(lamport_local_advance_past(local, UINT64_C(1) << 32, &time, NULL));
            CHECK_OK(lamport_local_log(local, form, line, sizeof line, NULL, NULL));
        }
        lamport_local_free(local);
    }
}

static void test_null_everywhere(void) {
    const lamport_status_t null = LAMPORT_STATUS_NULL_POINTER;
    lamport_local_t *local = local_of("api");
    lamport_stamp_t *stamp = NULL;
    lamport_error_t *error = NULL;
    uint64_t time = UNTOUCHED;
    char buffer[8] = "before";

    CHECK_FAILS(lamport_local_open("api", NULL, &error), &error, null, "'local'");
    CHECK_FAILS(lamport_local_tick(NULL, &stamp, &error), &error, null, "'local'");
    CHECK_FAILS(lamport_local_tick(local, NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_local_receive(NULL, 1, &stamp, &error), &error, null, "'local'");
    CHECK_FAILS(lamport_local_receive(local, 1, NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_local_advance(NULL, &time, &error), &error, null, "'local'");
    CHECK_FAILS(lamport_local_advance(local, NULL, &error), &error, null, "'time'");
    CHECK_FAILS(lamport_local_advance_past(NULL, 1, &time, &error), &error, null, "'local'");
    CHECK_FAILS(lamport_local_advance_past(local, 1, NULL, &error), &error, null, "'time'");
    CHECK_FAILS(lamport_stamp_new(1, NULL, 0, &stamp, &error), &error, null, "'process'");
    CHECK_FAILS(lamport_stamp_new(1, "a", 0, NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_stamp_parse(NULL, &stamp, &error), &error, null, "'text'");
    CHECK_FAILS(lamport_stamp_parse("1@a", NULL, &error), &error, null, "'stamp'");
    CHECK_FAILS(lamport_stamp_text(NULL, buffer, sizeof buffer, NULL, &error), &error, null,
                "'stamp'");
    CHECK_FAILS(lamport_stamp_long_text(NULL, buffer, sizeof buffer, NULL, &error), &error, null,
                "'stamp'");
    CHECK_TIME(time, UNTOUCHED);
    CHECK(stamp == NULL);
    CHECK_TEXT(buffer, "before");
    CHECK_TIME(lamport_local_now(local), 0);
    CHECK_TIME(lamport_local_now(NULL), 0);
    CHECK_TIME(lamport_local_instance(NULL), 0);
    CHECK_TEXT(lamport_local_process(NULL), "");
    CHECK_TIME(lamport_stamp_time(NULL), 0);
    CHECK_TIME(lamport_stamp_instance(NULL), 0);
    CHECK_TEXT(lamport_stamp_process(NULL), "");
    lamport_stamp_free(NULL);
    lamport_local_free(NULL);
    lamport_local_free(local);
}

/* The next column of a line, which ends there; `*line` is what follows. */
static char *column(char **line) {
    char *start = *line, *end = start + strcspn(start, "\t\n");

    *line = *end == '\t' ? end + 1 : end;
    *end = '\0';
    return start;
}

/* The texts that every language reads and writes alike: tests/stamps.tsv. */
static void test_the_shared_texts(const char *path) {
    FILE *file = fopen(path, "r");
    char line[2048], buffer[LAMPORT_STAMP_SIZE];
    int count = 0;

    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *text, *number;
        lamport_stamp_t *stamp = NULL;
        lamport_error_t *error = NULL;

        if (*line == '#')
            continue;
        count++;
        text = column(&rest);
        number = column(&rest);
        if (strcmp(number, "refused") == 0) {
            CHECK_FAILS(lamport_stamp_parse(text, &stamp, &error), &error,
                        LAMPORT_STATUS_INVALID_ARGUMENT, column(&rest));
            CHECK(stamp == NULL);
            continue;
        }
        CHECK_OK(lamport_stamp_parse(text, &stamp, &error));
        CHECK(lamport_stamp_time(stamp) == strtoull(number, NULL, 10));
        CHECK_TEXT(lamport_stamp_process(stamp), column(&rest));
        CHECK(lamport_stamp_instance(stamp) == strtoull(column(&rest), NULL, 16));
        CHECK_OK(lamport_stamp_text(stamp, buffer, sizeof buffer, NULL, &error));
        CHECK_TEXT(buffer, column(&rest));
        CHECK_OK(lamport_stamp_long_text(stamp, buffer, sizeof buffer, NULL, &error));
        CHECK_TEXT(buffer, column(&rest));
        lamport_stamp_free(stamp);
    }
    CHECK(count > 40);
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc > 1)
        test_the_shared_texts(argv[1]);
    test_lamports_two_rules();
    test_local_settings();
    test_two_lives_under_one_name();
    test_stamps_as_texts();
    test_the_total_order();
    test_lines_name_their_causes();
    test_the_longest_line_fits();
    test_null_everywhere();
    return report();
}
