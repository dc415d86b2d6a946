/*
 * A clock that is told what to do, a line at a time, so that a test can break the store in between.
 *
 *     open STORE PROCESS TIMEOUT_MS     read      close       begin     (an update on a thread)
 *     update     updates COUNT          now       free        join      (its result)
 *     watch FROM (a revision, or 0)     next      (event)
 *     history FROM (likewise)           (of at most 1000 updates: where it was cut, and the values)
 *
 * The answer to each is one line: the status, then the result or the error's message; for an event
 * its kind, then what belongs to that.
 */
#include <pthread.h>

#include "check.h"

static lamport_clock_t *clock_ = NULL;
static lamport_watch_t *watch = NULL;
static pthread_t thread;
static struct {
    lamport_status_t status;
    lamport_update_t *update;
    lamport_error_t *error;
} begun;

static void *update(void *unused) {
    (void)unused;
    begun.status = lamport_clock_update(clock_, &begun.update, &begun.error);
    return NULL;
}

/* Takes the error. */
static void answer(lamport_status_t status, uint64_t result, lamport_error_t *error) {
    if (status == LAMPORT_STATUS_OK)
        printf("ok %" PRIu64 "\n", result);
    else
        printf("%s %s\n", lamport_status_name(status), lamport_error_message(error));
    lamport_error_free(error);
}

static void updates(unsigned long count) {
    lamport_error_t *error = NULL;
    lamport_status_t status = LAMPORT_STATUS_OK;
    lamport_update_t *taken = NULL;

    printf("ok");
    while (count-- > 0 && status == LAMPORT_STATUS_OK) {
        status = lamport_clock_update(clock_, &taken, &error);
        if (status == LAMPORT_STATUS_OK)
            printf(" %" PRIu64, lamport_update_value(taken));
        else
            printf(" %s %s", lamport_status_name(status), lamport_error_message(error));
        lamport_update_free(taken);
        taken = NULL;
    }
    printf("\n");
    lamport_error_free(error);
}

static void next(void) {
    lamport_event_t *event = NULL;
    lamport_error_t *error = NULL;
    const lamport_status_t status = lamport_watch_next(watch, 60000, &event, &error);
    const lamport_event_kind_t kind = lamport_event_kind(event);

    if (status != LAMPORT_STATUS_OK)
        printf("%s %s\n", lamport_status_name(status), lamport_error_message(error));
    else if (kind == LAMPORT_EVENT_UPDATED)
        printf("updated %" PRIu64 "\n", lamport_observed_value(lamport_event_update(event)));
    else
        printf("%s %" PRIu64 " %" PRIu64 " %s %s\n", lamport_event_kind_name(kind),
               lamport_event_revision(event), lamport_event_until(event),
               lamport_status_name(lamport_event_status(event)), lamport_event_message(event));
    lamport_event_free(event);
    lamport_error_free(error);
}

static void history(uint64_t from) {
    lamport_history_t *found = NULL;
    lamport_error_t *error = NULL;
    const lamport_status_t status =
        from == 0 ? lamport_clock_history(clock_, 1000, &found, &error)
                  : lamport_clock_history_from(clock_, from, 1000, &found, &error);
    size_t i;

    if (status == LAMPORT_STATUS_OK)
        printf("ok %" PRIu64, lamport_history_unread_from(found));
    else
        printf("%s %s", lamport_status_name(status), lamport_error_message(error));
    for (i = 0; i < lamport_history_count(found); i++)
        printf(" %" PRIu64, lamport_observed_value(lamport_history_at(found, i)));
    printf("\n");
    lamport_history_free(found);
    lamport_error_free(error);
}

static void obey(const char *line) {
    lamport_error_t *error = NULL;
    lamport_observed_t *observed = NULL;
    lamport_update_t *taken = NULL;
    lamport_status_t status = LAMPORT_STATUS_OK;
    uint64_t value = 0;
    char word[32] = "", store[512] = "", process[512] = "";
    unsigned long number = 0;

    sscanf(line, "%31s", word);
    if (strcmp(word, "updates") == 0) {
        sscanf(line, "%*s %lu", &number);
        updates(number);
        return;
    }
    if (strcmp(word, "next") == 0) {
        next();
        return;
    }
    if (strcmp(word, "history") == 0) {
        sscanf(line, "%*s %lu", &number);
        history(number);
        return;
    }
    if (strcmp(word, "open") == 0) {
        sscanf(line, "%*s %511s %511s %lu", store, process, &number);
        status = lamport_clock_connect(store, process, (uint32_t)number, &clock_, &error);
    } else if (strcmp(word, "update") == 0) {
        status = lamport_clock_update(clock_, &taken, &error);
    } else if (strcmp(word, "read") == 0) {
        status = lamport_clock_read(clock_, &observed, &error);
        value = lamport_observed_value(observed);
        lamport_observed_free(observed);
    } else if (strcmp(word, "watch") == 0) {
        sscanf(line, "%*s %lu", &number);
        status = lamport_clock_watch(clock_, number, &watch, &error);
    } else if (strcmp(word, "now") == 0) {
        value = lamport_clock_now(clock_);
    } else if (strcmp(word, "close") == 0) {
        status = lamport_clock_close(clock_, &error);
    } else if (strcmp(word, "free") == 0) {
        lamport_clock_free(clock_);
        clock_ = NULL;
    } else if (strcmp(word, "begin") == 0) {
        if (pthread_create(&thread, NULL, update, NULL) != 0)
            abort();
    } else if (strcmp(word, "join") == 0) {
        pthread_join(thread, NULL);
        status = begun.status;
        taken = begun.update;
        error = begun.error;
        begun.update = NULL;
        begun.error = NULL;
    } else {
        abort();
    }
    answer(status, taken == NULL ? value : lamport_update_value(taken), error);
    lamport_update_free(taken);
}

int main(void) {
    char line[2048];

    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(line);
        fflush(stdout);
    }
    lamport_watch_free(watch);
    lamport_clock_free(clock_);
    return 0;
}
