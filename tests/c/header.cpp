// The header from C++: it compiles, it links (extern "C"), and statuses are their own type.
#include <lamport_clock.h>

#include <cstdint>
#include <cstdio>

// Twice, as two libraries of one program would.
#include <lamport_clock.h>

int main() {
    lamport_clock_t *clock = nullptr;
    lamport_error_t *error = nullptr;
    lamport_update_t *update = nullptr;

    lamport_status_t status = lamport_clock_connect("memory:", "c++", 0, &clock, &error);
    if (status == LAMPORT_STATUS_OK)
        status = lamport_clock_update(clock, &update, &error);
    const std::uint64_t value = lamport_update_value(update);
    std::printf("%s %d\n", lamport_status_name(status), static_cast<int>(value));
    lamport_update_free(update);
    lamport_error_free(error);
    lamport_clock_free(clock);
    return status == LAMPORT_STATUS_OK && value == 2 ? 0 : 1;
}
