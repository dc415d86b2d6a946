// lamport_clock.hpp: what it adds to the C ABI, on any store.
//
//     test_cpp STORE      a store whose record and neighbours (STORE-update, ...) are still empty
#include <lamport_clock.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <type_traits>

// Twice, as two files of one program would.
#include <lamport_clock.hpp>

#include "check.h"

using namespace std::chrono_literals;

// Handles have one owner, everything else is a value.
static_assert(!std::is_copy_constructible_v<lamport::clock>);
static_assert(!std::is_copy_constructible_v<lamport::local>);
static_assert(!std::is_copy_constructible_v<lamport::watch>);
static_assert(!std::is_copy_constructible_v<lamport::follower>);
static_assert(std::is_nothrow_move_constructible_v<lamport::clock>);
static_assert(std::is_nothrow_move_assignable_v<lamport::clock>);
static_assert(std::is_nothrow_move_assignable_v<lamport::watch>);
static_assert(std::is_nothrow_move_assignable_v<lamport::follower>);
static_assert(std::is_copy_assignable_v<lamport::stamp>);
static_assert(std::is_copy_assignable_v<lamport::event>);
static_assert(std::is_base_of_v<std::runtime_error, lamport::error>);

static lamport::clock shared(const char *name, const char *process = "api") {
    return lamport::clock(store(name), process, 60s);
}

// The call throws this status, with a message that has `part`.
template <typename Call>
static void check_throws(lamport_status_t status, const char *part, Call call) {
    try {
        call();
        CHECK(!"it threw nothing");
    } catch (const lamport::error &error) {
        CHECK_STATUS(error.status(), status);
        CHECK_TEXT(error.name(), lamport_status_name(status));
        CHECK_HAS(error.what(), part);
    }
}

static void test_verbs() {
    lamport::clock clock = shared("verbs"), other = shared("verbs", "other");

    CHECK(!clock.read());
    CHECK_TIME(clock.update().value, 2);
    CHECK_TIME(other.update().value, 3);
    CHECK_TIME(clock.tick().time(), 3);
    CHECK_TIME(clock.receive(8).time(), 9);
    CHECK_TIME(clock.advance(), 10);
    CHECK_TIME(clock.advance_past(3), 11);
    CHECK_TIME(clock.now(), 11);
    const lamport::update times = clock.reserve(3);
    CHECK(times.first == 13 && times.value == 15);
    const lamport::update update = other.update();
    CHECK(update.first == 16 && update.value == 16);
    CHECK(update.previous && update.previous->process == "api" && update.previous->value == 15);
    CHECK(!update.regressed && update.round_trips >= 1 && update.real_timestamp > 1e9);
    CHECK(update.stamp == lamport::stamp(16, other.process(), other.instance()));

    const std::optional<lamport::observed> seen = clock.read();
    CHECK(seen && seen->value == 16 && seen->process == "other");
    CHECK(seen && seen->instance == other.instance() && seen->revision == update.revision);
    CHECK(seen && seen->real_timestamp && *seen->real_timestamp > 1e9);
    const lamport::history history = clock.history(2);
    CHECK(history.updates.size() == 2 && history.unreadable == 0);
    CHECK(history.updates.at(0).first == 13 && history.updates.at(1).value == 16);
    const lamport::history older = clock.history_from(history.updates.at(0).revision - 1, 9);
    CHECK(older.updates.size() == 2 && !older.compacted_before && !older.unread_from);
    CHECK(older.updates.at(0).value == 2 && older.updates.at(1).value == 3);
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "revision",
                 [&] { (void)clock.history_from(UINT64_MAX >> 1, 9); });
    CHECK(clock.process() == "api" && !clock.location().empty());
    CHECK_TEXT(lamport::version(), LAMPORT_VERSION_STRING);
}

static void test_errors() {
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "redis:", [] { lamport::clock("redis:", "api"); });
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "NUL",
                 [] { lamport::clock("memory:", std::string("a\0b", 3)); });
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "negative",
                 [] { lamport::clock("memory:", "api", -1ms); });
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "a day",
                 [] { lamport::clock("memory:", "api", std::chrono::hours(24 * 365)); });
    check_throws(LAMPORT_STATUS_UNAVAILABLE, "127.0.0.1:1",
                 [] { lamport::clock("etcd://127.0.0.1:1", "api", 1s); });

    lamport::config config;
    config.set("store", "memory:").set("node", "api").set("max_jump", "5");
    check_throws(LAMPORT_STATUS_TOO_FAR_AHEAD, "ahead",
                 [&] { lamport::clock(config).receive(100); });
    config.set("colour", "red");
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "there is no setting 'colour'",
                 [&] { lamport::clock::open(config); });

    lamport::clock clock = lamport::clock::open("memory:", "api");
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "18446744073709551615",
                 [&] { clock.receive(UINT64_MAX); });
    lamport::clock moved = std::move(clock);
    check_throws(LAMPORT_STATUS_NULL_POINTER, "'clock'", [&] { clock.tick(); });
    CHECK(clock.now() == 0 && clock.instance() == 0 && clock.process().empty());
    clock = std::move(moved);
    CHECK_TIME(clock.tick().time(), 1);
    clock.close();
    check_throws(LAMPORT_STATUS_CLOSED, "closed", [&] { clock.update(); });
    check_throws(LAMPORT_STATUS_CLOSED, "closed", [&] { (void)clock.follow([](auto &) {}); });
}

static void test_environment() {
    setenv("LAMPORT_STORE", "memory:", 1);
    setenv("NODE_NAME", "mx-nodel3", 1);
    const lamport::clock clock;
    const lamport::local local;
    unsetenv("LAMPORT_STORE");
    unsetenv("NODE_NAME");
    CHECK(clock.process() == "mx-nodel3");
    CHECK(local.process() == "mx-nodel3");
}

static void test_stamps() {
    lamport::local local("api");
    const lamport::stamp sent = local.tick();
    lamport::local other("worker");
    const lamport::stamp received = other.receive(sent);
    std::ostringstream out;

    out << sent << ' ' << received;
    CHECK(out.str() == "1@api 2@worker");
    CHECK(sent.instance() == local.instance() && other.now() == 2);
    CHECK(other.advance() == 3 && other.advance_past(7) == 8);
    CHECK(sent < received && received > sent && sent <= sent && sent >= sent && sent != received);
    CHECK(lamport::stamp::parse(sent.long_text()) == sent);
    CHECK(lamport::stamp::parse("1@api") == lamport::stamp(1, "api"));
    CHECK(lamport::stamp::parse("1@api").instance() == 0 && sent.instance() != 0);
    const std::set<lamport::stamp> ordered{received, sent, lamport::stamp(0, "z")};
    CHECK(ordered.begin()->process() == "z" && ordered.rbegin()->text() == "2@worker");
    lamport::stamp copy = sent;
    copy = received;
    CHECK(copy == received && copy.time() == 2);
    CHECK(local.log() == "2@api <-" && other.log() == "9@worker <1@api;at=2 <+1");
    CHECK(other.log(LAMPORT_LOG_JSON).find("\"lamport_after\":[\"9@worker;instance=") > 0);
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "no form", [&] { other.log(-1); });
    lamport::clock shared("memory:", "shared");
    CHECK(shared.receive(received).time() == 3 && shared.log() == "4@shared <2@worker;at=3");
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "42", [] { lamport::stamp::parse("42"); });
    std::string longest;
    for (int i = 0; i < 85; i++)
        longest += "\xe6\x9d\xb1";
    CHECK(lamport::stamp(LAMPORT_TIME_MAX, longest, UINT64_MAX).long_text().size() + 1
          == LAMPORT_STAMP_SIZE);
}

static void test_watch() {
    lamport::clock clock = shared("watch");
    lamport::watch watch = clock.watch();

    CHECK(!watch.next(0ms));
    for (int i = 0; i < 5; i++)
        clock.update();
    const lamport::event first = watch.next();
    CHECK(first.kind == LAMPORT_EVENT_UPDATED && first.update && first.update->value == 2);
    CHECK(first.status == LAMPORT_STATUS_OK && first.message.empty() && first.until == 0);
    CHECK(watch.next_revision() > first.revision);

    // As a range, which ends when the watch is closed.
    std::uint64_t newest = 0;
    int count = 0;
    for (const lamport::event &event : watch) {
        CHECK(event.update && event.update->value > newest);
        newest = event.update ? event.update->value : newest;
        if (++count == 4)
            watch.close();
    }
    CHECK(count == 4 && newest == 10);
    check_throws(LAMPORT_STATUS_CLOSED, "closed", [&] { watch.next(); });

    // From the other end: a thread that waits.
    lamport::watch again = clock.watch(first.revision);
    std::thread reads([&] {
        count = 0;
        for (auto event = again.begin(); event != again.end(); ++event)
            count += event->update.has_value();
    });
    clock.close();
    reads.join();
    CHECK(count <= 5);
}

// Lets a test wait for what a callback heard.
struct gate {
    std::mutex lock;
    std::condition_variable changed;
    std::uint64_t newest = 0;

    void open(std::uint64_t value) {
        const std::lock_guard<std::mutex> held(lock);
        newest = value;
        changed.notify_all();
    }

    void wait(std::uint64_t value) {
        std::unique_lock<std::mutex> held(lock);
        CHECK(changed.wait_for(held, 60s, [&] { return newest >= value; }));
    }
};

static void test_follow() {
    lamport::clock clock = shared("follow");
    gate heard;
    const auto kept = std::make_shared<std::atomic<int>>(0);
    std::optional<lamport::follower> follower = clock.follow([&heard, kept](const lamport::event &e) {
        ++*kept;
        heard.open(e.update ? e.update->value : 0);
    });
    for (int i = 0; i < 5; i++)
        clock.update();
    heard.wait(10);
    lamport::follower moved = *std::move(follower);
    follower.reset();
    clock.update();
    heard.wait(12);
    moved.stop();
    clock.update();
    CHECK(*kept == 6);

    // One in place of another: the old one is stopped, and lets go of what it held.
    moved = clock.follow([&heard](const lamport::event &e) { heard.open(e.update ? 1000 : 0); });
    CHECK(kept.use_count() == 1);
    clock.update();
    heard.wait(1000);
}

static void test_a_callback_that_destroys_its_follower() {
    lamport::clock clock = shared("destroys");
    std::mutex lock;
    std::optional<lamport::follower> follower;
    gate heard;
    const std::string captured(100, 'x');
    {
        const std::lock_guard<std::mutex> held(lock);
        follower = clock.follow([&, captured](const lamport::event &) {
            const std::lock_guard<std::mutex> held_too(lock);
            follower.reset();
            // What the function captured is still there.
            heard.open(captured.size());
        });
    }
    for (int i = 0; i < 5; i++)
        clock.update();
    heard.wait(100);
    const std::lock_guard<std::mutex> held(lock);
    CHECK(!follower);
}

static void test_background() {
    lamport::clock clock = shared("background");
    lamport::watch watch = clock.watch();

    CHECK(!clock.stats().running && !clock.stats().last_value);
    check_throws(LAMPORT_STATUS_INVALID_ARGUMENT, "out of range", [&] { clock.start(1ms); });
    clock.start(10ms);
    for (int i = 0; i < 3; i++)
        CHECK(watch.next().kind == LAMPORT_EVENT_UPDATED);
    clock.stop();
    const lamport::stats stats = clock.stats();
    CHECK(!stats.running && stats.interval == 10ms && stats.updates >= 2);
    CHECK(stats.last_value && *stats.last_value >= 4 && stats.failures == 0 && stats.failing == 0);
    CHECK(stats.last_status == LAMPORT_STATUS_OK && stats.last_message.empty());
    CHECK(stats.refused == 0);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: test_cpp STORE\n");
        return 2;
    }
    base = argv[1];
    test_verbs();
    test_errors();
    test_environment();
    test_stamps();
    test_watch();
    test_follow();
    test_background();
    test_a_callback_that_destroys_its_follower();
    return report();
}
