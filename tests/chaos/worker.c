/* A client in C that works without end and writes down every call.
 *
 * usage: worker STORE PROCESS TIMEOUT_MS RECORD REST_MS
 *
 * As worker.py: about so long between two calls, SIGTERM ends it, each call stands in the record
 * when it begins and when it has returned. */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lamport_clock.h>

static volatile sig_atomic_t stopped = 0;

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

static void rest(long milliseconds) {
    struct timespec length = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&length, NULL);
}

/* One line, one write: a kill does not tear it. */
static void write_line(int record, const char *format, ...) {
    char line[4096];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line || write(record, line, (size_t)length) != length) {
        fprintf(stderr, "the record can't be written\n");
        exit(EXIT_FAILURE);
    }
}

/* The head that both lines of a call share, without the closing brace. */
static void head(char *text, size_t size, const char *process, uint64_t instance,
                 const char *operation, uint64_t called) {
    snprintf(text, size,
             "{\"process\":\"%s\",\"instance\":\"%016" PRIx64 "\",\"operation\":\"%s\","
             "\"called\":%" PRIu64,
             process, instance, operation, called);
}

/* A number for JSON, for which 0 stands in C where there is none. */
static const char *number(uint64_t value, char text[24]) {
    if (value == 0)
        return "null";
    snprintf(text, 24, "%" PRIu64, value);
    return text;
}

static void call(lamport_clock_t *clock, const char *process, uint64_t instance, int record) {
    const int dice = rand() % 10;
    const char *operation = dice < 8 ? "update" : dice < 9 ? "reserve" : "read";
    lamport_error_t *error = NULL;
    lamport_update_t *update = NULL;
    lamport_observed_t *seen = NULL;
    lamport_status_t status;
    uint64_t returned;
    char text[512], first[24], second[24];

    head(text, sizeof text, process, instance, operation, now());
    write_line(record, "%s}\n", text);
    if (dice < 8)
        status = lamport_clock_update(clock, &update, &error);
    else if (dice < 9)
        status = lamport_clock_reserve(clock, (uint64_t)(rand() % 8 + 2), &update, &error);
    else
        status = lamport_clock_read(clock, &seen, &error);
    returned = now();
    if (status != LAMPORT_STATUS_OK) {
        /* Its message may hold quotes: the log gets it whole, the record its kind. */
        fprintf(stderr, "%s\n", lamport_error_message(error));
        write_line(record, "%s,\"returned\":%" PRIu64 ",\"outcome\":\"unknown\",\"kind\":\"%s\"}\n",
                   text, returned, lamport_status_name(status));
    } else if (dice < 9) {
        write_line(record,
                   "%s,\"returned\":%" PRIu64 ",\"outcome\":\"ok\",\"first\":%" PRIu64
                   ",\"value\":%" PRIu64 ",\"previous\":%s,\"revision\":%" PRIu64
                   ",\"round_trips\":%" PRIu32 ",\"regressed\":%s}\n",
                   text, returned, lamport_update_first(update), lamport_update_value(update),
                   number(lamport_update_previous_value(update), first), lamport_update_revision(update),
                   lamport_update_round_trips(update),
                   number(lamport_update_regressed(update), second));
    } else {
        write_line(record,
                   "%s,\"returned\":%" PRIu64 ",\"outcome\":\"ok\",\"value\":%s,\"revision\":%s}\n",
                   text, returned, number(lamport_observed_value(seen), first),
                   number(lamport_observed_revision(seen), second));
    }
    lamport_update_free(update);
    lamport_observed_free(seen);
    lamport_error_free(error);
}

int main(int count, char **words) {
    struct sigaction action;
    lamport_clock_t *clock = NULL;
    uint64_t instance;
    long milliseconds;
    int record;

    if (count != 6) {
        fprintf(stderr, "usage: worker STORE PROCESS TIMEOUT_MS RECORD REST_MS\n");
        return 2;
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, NULL);
    milliseconds = atol(words[5]);
    record = open(words[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
    srand((unsigned)now());
    while (!stopped && clock == NULL) {
        lamport_error_t *error = NULL;
        if (lamport_clock_connect(words[1], words[2], (uint32_t)atol(words[3]), &clock, &error)
            != LAMPORT_STATUS_OK) {
            fprintf(stderr, "%s\n", lamport_error_message(error));
            lamport_error_free(error);
            rest(250);
        }
    }
    instance = lamport_clock_instance(clock);
    while (!stopped) {
        call(clock, words[2], instance, record);
        rest(milliseconds / 2 + rand() % (milliseconds + 1));
    }
    lamport_clock_free(clock);
    return 0;
}
