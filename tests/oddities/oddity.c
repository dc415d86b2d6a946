/*
 * One case of test_oddities.py in C: `oddity NODE HEADER`, and the rest in the environment. A line for
 * each step says what came of it: "ok", or the name of the status.
 */
#include <stdio.h>

#include <lamport_clock.h>

static int tell(const char *step, lamport_status_t status) {
    printf("%s %s\n", step, lamport_status_name(status));
    fflush(stdout);
    return status == LAMPORT_STATUS_OK;
}

int main(int argc, char **argv) {
    lamport_config_t *config = lamport_config_new();
    lamport_clock_t *clock = NULL;
    lamport_update_t *update = NULL;
    lamport_stamp_t *stamp = NULL;
    lamport_observed_t *newest = NULL;
    lamport_history_t *history = NULL;
    lamport_status_t status = LAMPORT_STATUS_OK;
    if (argc != 3) {
        fprintf(stderr, "usage: oddity NODE HEADER\n");
        return 2;
    }
    if (argv[1][0] != '\0')
        status = lamport_config_set(config, "node", argv[1], NULL);
    if (status == LAMPORT_STATUS_OK)
        status = lamport_clock_open_with(config, &clock, NULL);
    if (tell("open", status)) {
        tell("update", lamport_clock_update(clock, &update, NULL));
        tell("extract", lamport_clock_extract(clock, argv[2], &stamp, NULL));
        tell("read", lamport_clock_read(clock, &newest, NULL));
        tell("history", lamport_clock_history(clock, 10, &history, NULL));
        lamport_clock_close(clock, NULL);
    }
    lamport_history_free(history);
    lamport_observed_free(newest);
    lamport_stamp_free(stamp);
    lamport_update_free(update);
    lamport_clock_free(clock);
    lamport_config_free(config);
    return 0;
}
