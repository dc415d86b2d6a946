/* A process that logs and talks as it is told: what tests/support/talker.py does, in C. */
#define _XOPEN_SOURCE 700

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static int starts_with(const char *line, const char *verb, const char **rest) {
    size_t length = strlen(verb);
    *rest = line + length;
    return strncmp(line, verb, length) == 0;
}

/* Whoever listens there tells it from now on what to do. */
static int connect_to(const char *port) {
    struct sockaddr_in address;
    int connection = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    return connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof address) == 0 &&
           dup2(connection, 0) == 0 && dup2(connection, 1) == 1 && close(connection) == 0;
}

int main(int count, char **arguments) {
    static char line[4096], text[LAMPORT_LOG_SIZE];
    lamport_clock_t *clock = opened("memory:", count > 1 ? arguments[1] : NULL);
    const char *rest;

    signal(SIGCHLD, SIG_IGN);
    while (checks_failed == 0 && fgets(line, sizeof line, stdin) != NULL) {
        lamport_stamp_t *arrival = NULL;

        line[strcspn(line, "\n")] = '\0';
        if (starts_with(line, "log ", &rest)) {
            CHECK_OK(lamport_clock_log(clock, LAMPORT_LOG_JSON, text, sizeof text, NULL, NULL));
            printf("{\"message\":\"%s\",%s}\n", rest, text);
        } else if (strcmp(line, "send") == 0) {
            CHECK_OK(lamport_clock_inject(clock, text, sizeof text, NULL, NULL));
            puts(text);
        } else if (starts_with(line, "receive ", &rest)) {
            CHECK_OK(lamport_clock_extract(clock, rest, &arrival, NULL));
            lamport_stamp_free(arrival);
            puts("ok");
        } else if (starts_with(line, "fork ", &rest)) {
            pid_t child = fork();
            if (CHECK(child >= 0) && child == 0)
                CHECK(connect_to(rest));
            else
                puts("ok");
        }
        fflush(stdout);
    }
    lamport_clock_free(clock);
    return checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
