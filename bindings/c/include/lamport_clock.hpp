// lamport-clock for C++17 and later: objects that free themselves, and exceptions, over
// lamport_clock.h.
//
//     #include <lamport_clock.hpp>
//
//     lamport::clock clock{"etcd://10.0.0.5:2379", "api"};   // or "memory:"; {}: the environment
//     std::uint64_t value = clock.update().value;            // nobody else has it
//     std::cout << clock.tick() << '\n';                     // 7@api
//
// The rules of lamport_clock.h for threads, blocking, texts and forks hold here. Ownership is
// handled for you: a handle (clock, local, watch, follower) can be moved but not copied, and frees
// its C object; all other types are values. A function that can fail throws lamport::error, with
// the status and the message of the C function of the same name. A handle that was moved from is
// NULL to C: functions that can fail throw NULL_POINTER, and getters give 0 and "". Link as for C:
// this file holds all of the C++.

#ifndef LAMPORT_CLOCK_HPP
#define LAMPORT_CLOCK_HPP

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <lamport_clock.h>

namespace lamport {

// Why a call failed: what() is for the person who has to act on it.
class error : public std::runtime_error {
  public:
    error(lamport_status_t status, const std::string &message)
        : std::runtime_error(message), status_(status) {}

    // The status: decide by this one.
    lamport_status_t status() const noexcept { return status_; }

    // The status as a word, for instance "timeout".
    const char *name() const noexcept { return lamport_status_name(status_); }

  private:
    lamport_status_t status_;
};

namespace detail {

template <auto Free> struct freer {
    template <typename T> void operator()(T *object) const noexcept { Free(object); }
};

// Deduces the type that a C function frees. Only the result type is used: this is never called.
template <typename T> T freed_by(void (*free)(T *));

// Owns a C object, and frees it with its C function.
template <auto Free> using handle = std::unique_ptr<decltype(freed_by(Free)), freer<Free>>;

// Calls a C function with these arguments and an output for the error. Throws that error on
// failure.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
    lamport_error_t *failure = nullptr;
    const lamport_status_t status = function(arguments..., &failure);
    if (status == LAMPORT_STATUS_OK)
        return;
    const handle<lamport_error_free> owned{failure};
    throw error(status, lamport_error_message(failure));
}

// Calls a C function with these arguments and an output. Returns the output.
template <typename Value, typename... Arguments> Value given(Arguments... arguments) {
    Value value{};
    call(arguments..., &value);
    return value;
}

// Calls a C function that makes an object from these arguments. The object may be NULL.
template <auto Free, typename... Arguments> handle<Free> made(Arguments... arguments) {
    return handle<Free>(given<typename handle<Free>::pointer>(arguments...));
}

// A C text ends at its first NUL: the rest of a text with a NUL inside would be lost silently.
inline const char *text(const std::string &given) {
    if (given.find('\0') != std::string::npos)
        throw error(LAMPORT_STATUS_INVALID_ARGUMENT, "a text must not contain a NUL");
    return given.c_str();
}

inline const char *text(const std::optional<std::string> &given) {
    return given ? text(*given) : nullptr;
}

inline std::uint32_t count(std::chrono::milliseconds length) {
    if (length.count() < 0)
        throw error(LAMPORT_STATUS_INVALID_ARGUMENT, "a length of time must not be negative");
    // About 50 days: a caller that waits longer can ask again.
    const auto most = static_cast<std::chrono::milliseconds::rep>(UINT32_MAX);
    return static_cast<std::uint32_t>(length.count() < most ? length.count() : most);
}

// Calls a C function that writes a text of at most `Size` bytes. Returns the text.
template <std::size_t Size, typename... Arguments> std::string written(Arguments... arguments) {
    char text[Size];
    call(arguments..., text, sizeof text, nullptr);
    return text;
}

// Zero stands for "none" in the numbers of C.
inline std::optional<std::uint64_t> unless_zero(std::uint64_t number) {
    return number == 0 ? std::nullopt : std::optional<std::uint64_t>(number);
}

// NULL stands for "none" among the objects of C.
template <typename Value, typename Object> std::optional<Value> unless_null(const Object *object) {
    return object == nullptr ? std::nullopt : std::optional<Value>(Value::of(object));
}

} // namespace detail

// The version of the library that is loaded.
inline const char *version() noexcept { return lamport_clock_version(); }

// A point in the total order of all events: time, then process, then instance.
class stamp {
  public:
    // Makes a stamp of any process from its parts.
    stamp(std::uint64_t time, const std::string &process, std::uint64_t instance = 0)
        : stamp(made(lamport_stamp_new, time, detail::text(process), instance)) {}

    // Copies a C stamp, which must not be NULL.
    static stamp of(const lamport_stamp_t *given) {
        return stamp(lamport_stamp_time(given), lamport_stamp_process(given),
                     lamport_stamp_instance(given));
    }

    // Parses "42@mx-nodel" or "42@mx-nodel;instance=00000000000000ff".
    static stamp parse(const std::string &text) {
        return made(lamport_stamp_parse, detail::text(text));
    }

    std::uint64_t time() const noexcept { return lamport_stamp_time(stamp_.get()); }
    std::string process() const { return lamport_stamp_process(stamp_.get()); }
    std::uint64_t instance() const noexcept { return lamport_stamp_instance(stamp_.get()); }

    // "42@mx-nodel", for people and logs.
    std::string text() const { return written(lamport_stamp_text); }

    // "42@mx-nodel;instance=00000000000000ff", for messages.
    std::string long_text() const { return written(lamport_stamp_long_text); }

    friend bool operator==(const stamp &a, const stamp &b) noexcept { return order(a, b) == 0; }
    friend bool operator!=(const stamp &a, const stamp &b) noexcept { return order(a, b) != 0; }
    friend bool operator<(const stamp &a, const stamp &b) noexcept { return order(a, b) < 0; }
    friend bool operator>(const stamp &a, const stamp &b) noexcept { return order(a, b) > 0; }
    friend bool operator<=(const stamp &a, const stamp &b) noexcept { return order(a, b) <= 0; }
    friend bool operator>=(const stamp &a, const stamp &b) noexcept { return order(a, b) >= 0; }

    friend std::ostream &operator<<(std::ostream &out, const stamp &stamp) {
        return out << stamp.text();
    }

  private:
    friend class clock;
    friend class local;

    explicit stamp(detail::handle<lamport_stamp_free> made) : stamp_(std::move(made)) {}

    // Makes a stamp with this C function and these arguments.
    template <typename... Arguments> static stamp made(Arguments... arguments) {
        return stamp(detail::made<lamport_stamp_free>(arguments...));
    }

    template <typename Function> std::string written(Function function) const {
        return detail::written<LAMPORT_STAMP_SIZE>(function, stamp_.get());
    }

    static int order(const stamp &a, const stamp &b) noexcept {
        return lamport_stamp_compare(a.stamp_.get(), b.stamp_.get());
    }

    // A stamp never changes, so copies share one C object.
    std::shared_ptr<const lamport_stamp_t> stamp_;
};

// An update by any process, as it was found in the store.
struct observed {
    // The first and the last time that the update took; the last one stands in the record.
    std::uint64_t first;
    std::uint64_t value;
    // The name of the process that made the update, as it was written.
    std::string process;
    // The instance of that process, if the writer says.
    std::optional<std::uint64_t> instance;
    // The time by the wall clock of the writer, in seconds of Unix time: to look at, never to
    // compare.
    std::optional<double> real_timestamp;
    // The store's revision. Updates that were served by one transaction share a revision.
    std::uint64_t revision;

    static observed of(const lamport_observed_t *seen) {
        const double when = lamport_observed_real_timestamp(seen);
        return {lamport_observed_first(seen),
                lamport_observed_value(seen),
                lamport_observed_process(seen),
                detail::unless_zero(lamport_observed_instance(seen)),
                std::isnan(when) ? std::nullopt : std::optional<double>(when),
                lamport_observed_revision(seen)};
    }
};

// The process that held the record, and the value of the record.
struct holder {
    std::string process;
    std::uint64_t value;
};

// The times that one of your updates took, and what it found in the store.
struct update {
    // The first and the last time that the update took; the last one then stood in the record.
    std::uint64_t first;
    std::uint64_t value;
    // The stamp of the update, its point in the total order: the time in it is `value`.
    lamport::stamp stamp;
    // The holder of the record before; none if there was no record.
    std::optional<holder> previous;
    // The store's revision. Updates that were served by one transaction share a revision.
    std::uint64_t revision;
    // Number of transactions that the update needed.
    std::uint32_t round_trips;
    // The highest time known, if a writer that does not follow the rule had moved the record below it.
    std::optional<std::uint64_t> regressed;
    // The time by the wall clock of the process that wrote the record, in seconds of Unix time.
    double real_timestamp;

    static update of(const lamport_update_t *taken) {
        const char *previous = lamport_update_previous_process(taken);
        const std::uint64_t value = lamport_update_previous_value(taken);
        return {lamport_update_first(taken),
                lamport_update_value(taken),
                lamport::stamp::of(lamport_update_stamp(taken)),
                previous == nullptr ? std::nullopt : std::optional<holder>({previous, value}),
                lamport_update_revision(taken),
                lamport_update_round_trips(taken),
                detail::unless_zero(lamport_update_regressed(taken)),
                lamport_update_real_timestamp(taken)};
    }
};

// The newest updates that the store still keeps, oldest first.
struct history {
    std::vector<observed> updates;
    // The revision before which the store no longer keeps any update, if the history was cut there.
    std::optional<std::uint64_t> compacted_before;
    // Number of revisions whose record can't be read.
    std::size_t unreadable;
    // If the deadline passed first: updates at this revision and before it were not read.
    // clock::history_from() goes on there.
    std::optional<std::uint64_t> unread_from;

    static history of(const lamport_history_t *found) {
        history all{{},
                    detail::unless_zero(lamport_history_compacted_before(found)),
                    lamport_history_unreadable(found),
                    detail::unless_zero(lamport_history_unread_from(found))};
        for (std::size_t i = 0; i < lamport_history_count(found); i++)
            all.updates.push_back(observed::of(lamport_history_at(found, i)));
        return all;
    }
};

// The counts of the updates in the background, and the other counts of the clock.
struct stats {
    bool running;
    std::chrono::milliseconds running_for;
    std::chrono::milliseconds interval;
    std::uint64_t updates;
    std::uint64_t failures;
    // Number of failures since the last success: 0 while all is well.
    std::uint64_t failing;
    // The newest logical time that an update took, and how long ago the newest update succeeded.
    std::optional<std::uint64_t> last_value;
    std::chrono::milliseconds since_update;
    // The error of the newest update that failed; OK and "" if none failed.
    lamport_status_t last_status;
    std::string last_message;
    // Number of messages that the clock refused because they lay too far ahead.
    std::uint64_t refused;
    // Number of folds that the clock carried out (docs/PROTOCOL.md).
    std::uint64_t folds;
    // Number of transactions that the successful updates needed.
    std::uint64_t round_trips;
    // How far the shared clock was ahead when the newest update reached it; 0 before the first.
    std::uint64_t distance;
    // Total duration of the successful updates.
    std::chrono::microseconds update_time;
};

// Something that a watch saw; see lamport_event_kind_t for the meaning of each kind.
struct event {
    lamport_event_kind_t kind;
    // The update, for LAMPORT_EVENT_UPDATED and no other kind.
    std::optional<observed> update;
    std::uint64_t revision;
    std::uint64_t until;
    lamport_status_t status;
    std::string message;

    static event of(const lamport_event_t *seen) {
        return {lamport_event_kind(seen),
                detail::unless_null<observed>(lamport_event_update(seen)),
                lamport_event_revision(seen),
                lamport_event_until(seen),
                lamport_event_status(seen),
                lamport_event_message(seen)};
    }
};

// Every update by any process, for a program that asks for the next one. As a range it gives events
// until the watch or its clock is closed:
//
//     for (const lamport::event &event : watch)
//         if (event.update) std::cout << event.update->value << '\n';
class watch {
  public:
    // The next event, if it comes within this time.
    std::optional<event> next(std::chrono::milliseconds timeout) {
        const auto found =
            detail::made<lamport_event_free>(lamport_watch_next, get(), detail::count(timeout));
        return detail::unless_null<event>(found.get());
    }

    // The next event, however long it takes.
    event next() {
        for (;;)
            if (std::optional<event> found = next(std::chrono::hours(1)))
                return *std::move(found);
    }

    // Closes the watch: threads that wait in next() get CLOSED at once.
    void close() { detail::call(lamport_watch_close, get()); }

    // The revision from which a new watch would go on where this one stands.
    std::uint64_t next_revision() const noexcept { return lamport_watch_next_revision(get()); }

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using pointer = const event *;
        using reference = const event &;

        iterator() = default;

        reference operator*() const { return *event_; }
        pointer operator->() const { return &*event_; }

        iterator &operator++() {
            try {
                event_ = watch_->next();
            } catch (const error &ended) {
                if (ended.status() != LAMPORT_STATUS_CLOSED)
                    throw;
                watch_ = nullptr;
            }
            return *this;
        }

        void operator++(int) { ++*this; }

        friend bool operator==(const iterator &a, const iterator &b) noexcept {
            return a.watch_ == b.watch_;
        }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return !(a == b); }

      private:
        friend class watch;

        explicit iterator(watch *watch) : watch_(watch) { ++*this; }

        watch *watch_ = nullptr;
        std::optional<event> event_;
    };

    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }

    // The C handle. This object still owns it.
    lamport_watch_t *get() const noexcept { return watch_.get(); }

  private:
    friend class clock;

    using handle = detail::handle<lamport_watch_free>;

    explicit watch(handle begun) : watch_(std::move(begun)) {}

    handle watch_;
};

// A watch that calls a function for each event, on a thread of its own. Once it is stopped or
// destroyed, the function is not under way and is not called again. If the function itself stops or
// destroys the follower, that call is the last. An exception that leaves the function ends the
// program, as one that leaves a std::thread does.
class follower {
  public:
    using function = std::function<void(const event &)>;

    follower(follower &&) noexcept = default;
    // Not the default: it would free the old function while the old follower may still call it.
    follower &operator=(follower &&other) noexcept {
        const follower old(std::move(*this));
        context_ = std::move(other.context_);
        follower_ = std::move(other.follower_);
        return *this;
    }

    void stop() { detail::call(lamport_follower_stop, get()); }

    // The C handle. This object still owns it.
    lamport_follower_t *get() const noexcept { return follower_.get(); }

  private:
    friend class clock;

    using context = std::shared_ptr<function>;

    follower(const lamport_clock_t *clock, function called, std::uint64_t from)
        : context_(std::make_unique<context>(std::make_shared<function>(std::move(called)))),
          follower_(detail::made<lamport_follower_free>(lamport_clock_follow, clock, from, pass_on,
                                                        context_.get())) {}

    static void pass_on(const lamport_event_t *seen, void *given) noexcept {
        // Keeps the function alive during the call, which may destroy its own follower.
        const context called = *static_cast<const context *>(given);
        (*called)(event::of(seen));
    }

    // Declared before the follower, so it is freed after it: until then the function may be called.
    std::unique_ptr<context> context_;
    detail::handle<lamport_follower_free> follower_;
};

// Settings of a clock, by the names of the table in docs/CONFIGURATION.md.
class config {
  public:
    config() : config_(lamport_config_new()) {}

    config &set(const std::string &name, const std::string &value) {
        detail::call(lamport_config_set, get(), detail::text(name), detail::text(value));
        return *this;
    }

    // The C handle. This object still owns it.
    lamport_config_t *get() const noexcept { return config_.get(); }

  private:
    detail::handle<lamport_config_free> config_;
};

// A local clock, and one record that many processes share. Any number of threads may use one at once.
class clock {
  public:
    // Makes a clock, once its store has answered. Arguments that are not given, and a timeout of 0,
    // are taken from the environment.
    explicit clock(const std::optional<std::string> &store = std::nullopt,
                   const std::optional<std::string> &process = std::nullopt,
                   std::chrono::milliseconds timeout = std::chrono::milliseconds::zero())
        : clock(detail::made<lamport_clock_free>(
              lamport_clock_connect, detail::text(store), detail::text(process),
              detail::count(timeout))) {}

    // Makes a clock without asking whether its store can be reached.
    static clock open(const std::optional<std::string> &store = std::nullopt,
                      const std::optional<std::string> &process = std::nullopt,
                      std::chrono::milliseconds timeout = std::chrono::milliseconds::zero()) {
        return clock(detail::made<lamport_clock_free>(
            lamport_clock_open, detail::text(store), detail::text(process),
            detail::count(timeout)));
    }

    // The same two, from settings.
    explicit clock(const config &settings)
        : clock(detail::made<lamport_clock_free>(lamport_clock_connect_with, settings.get())) {}
    static clock open(const config &settings) {
        return clock(detail::made<lamport_clock_free>(lamport_clock_open_with, settings.get()));
    }

    // For a local event, or a message that is sent.
    stamp tick() { return stamp::made(lamport_clock_tick, get()); }

    // For a message that arrived and was sent at this time, or with this stamp.
    stamp receive(std::uint64_t message) {
        return stamp::made(lamport_clock_receive, get(), message);
    }
    stamp receive(const stamp &message) {
        return stamp::made(lamport_clock_receive_stamp, get(), message.stamp_.get());
    }

    // For an event that is written to a log: its stamp and its causes, in one of the forms
    // LAMPORT_LOG_...
    std::string log(std::int32_t form = LAMPORT_LOG_TEXT) {
        return detail::written<LAMPORT_LOG_SIZE>(lamport_clock_log, get(), form);
    }

    // For a message that leaves, and for one that arrived with this value of the header `lamport`.
    std::string inject() {
        return detail::written<LAMPORT_HEADER_SIZE>(lamport_clock_inject, get());
    }
    stamp extract(const std::string &header) {
        return stamp::made(lamport_clock_extract, get(), detail::text(header));
    }

    // tick() and receive() for the time alone, which allocate nothing.
    std::uint64_t advance() { return detail::given<std::uint64_t>(lamport_clock_advance, get()); }
    std::uint64_t advance_past(std::uint64_t message) {
        return detail::given<std::uint64_t>(lamport_clock_advance_past, get(), message);
    }

    // The current time of the local clock. Does not change it.
    std::uint64_t now() const noexcept { return lamport_clock_now(get()); }

    // Takes the next time of the shared clock, which no other caller has. Blocks.
    lamport::update update() { return taken(lamport_clock_update); }

    // Takes consecutive times, `first` through `value`. Blocks.
    lamport::update reserve(std::uint64_t count) { return taken(lamport_clock_reserve, count); }

    // The newest update by any process; nothing if there is no record yet. Blocks.
    std::optional<observed> read() const {
        const auto seen = detail::made<lamport_observed_free>(lamport_clock_read, get());
        return detail::unless_null<observed>(seen.get());
    }

    // The newest updates that the store still keeps. Blocks.
    lamport::history history(std::size_t limit) const {
        return found(lamport_clock_history, limit);
    }

    // The newest updates up to and including this revision: goes on where a history was cut. Blocks.
    lamport::history history_from(std::uint64_t revision, std::size_t limit) const {
        return found(lamport_clock_history_from, revision, limit);
    }

    // Follows every update from now on, or from a revision on. Blocks.
    lamport::watch watch(std::uint64_t from = 0) const {
        return lamport::watch(detail::made<lamport_watch_free>(lamport_clock_watch, get(), from));
    }

    // Follows as watch() does, and calls `called` for each event. The first call may come before
    // this has returned. Blocks.
    [[nodiscard]] lamport::follower follow(follower::function called, std::uint64_t from = 0) const {
        return lamport::follower(get(), std::move(called), from);
    }

    // Starts updates in the background, which run until stop(), close() or the end of this object.
    // An interval of 0 means 2 s.
    void start(std::chrono::milliseconds interval = std::chrono::milliseconds::zero()) {
        detail::call(lamport_clock_start, get(), detail::count(interval));
    }
    void stop() { detail::call(lamport_clock_stop, get()); }

    // The counts of the updates in the background, and the other counts of the clock.
    lamport::stats stats() const {
        const auto owned = detail::made<lamport_stats_free>(lamport_clock_stats, get());
        const lamport_stats_t *found = owned.get();
        return {lamport_stats_running(found) != 0,
                std::chrono::milliseconds(lamport_stats_running_for_ms(found)),
                std::chrono::milliseconds(lamport_stats_interval_ms(found)),
                lamport_stats_updates(found),
                lamport_stats_failures(found),
                lamport_stats_failing(found),
                detail::unless_zero(lamport_stats_last_value(found)),
                std::chrono::milliseconds(lamport_stats_since_update_ms(found)),
                lamport_stats_last_status(found),
                lamport_stats_last_message(found),
                lamport_stats_refused(found),
                lamport_stats_folds(found),
                lamport_stats_round_trips(found),
                lamport_stats_distance(found),
                std::chrono::microseconds(lamport_stats_update_time_us(found))};
    }

    std::string process() const { return lamport_clock_process(get()); }
    std::uint64_t instance() const noexcept { return lamport_clock_instance(get()); }
    std::string location() const {
        for (std::size_t needed = LAMPORT_STAMP_SIZE;;) {
            std::string text(needed, '\0');
            try {
                detail::call(lamport_clock_location, get(), text.data(), text.size(), &needed);
                text.resize(needed - 1);
                return text;
            } catch (const error &failed) {
                // Between two calls the location may change and need a larger buffer.
                if (failed.status() != LAMPORT_STATUS_BUFFER_TOO_SMALL)
                    throw;
            }
        }
    }

    // Closes the clock: threads that wait for the store get CLOSED at once. The local clock goes
    // on. Blocks until the record is up to date.
    void close() { detail::call(lamport_clock_close, get()); }

    // The C handle. This object still owns it.
    lamport_clock_t *get() const noexcept { return clock_.get(); }

  private:
    using handle = detail::handle<lamport_clock_free>;

    explicit clock(handle opened) : clock_(std::move(opened)) {}

    template <typename Function, typename... Arguments>
    lamport::history found(Function function, Arguments... arguments) const {
        const auto owned = detail::made<lamport_history_free>(function, get(), arguments...);
        return lamport::history::of(owned.get());
    }

    template <typename Function, typename... Arguments>
    lamport::update taken(Function function, Arguments... arguments) {
        const auto taken = detail::made<lamport_update_free>(function, get(), arguments...);
        return lamport::update::of(taken.get());
    }

    handle clock_;
};

// A local clock without a store. Any number of threads may use one at once.
class local {
  public:
    // Makes a clock for the process of this name, or for the one that the environment names.
    explicit local(const std::optional<std::string> &process = std::nullopt)
        : local_(detail::made<lamport_local_free>(lamport_local_open, detail::text(process))) {}

    // These work like the functions of clock.
    stamp tick() { return stamp::made(lamport_local_tick, get()); }
    stamp receive(std::uint64_t message) {
        return stamp::made(lamport_local_receive, get(), message);
    }
    stamp receive(const stamp &message) {
        return stamp::made(lamport_local_receive_stamp, get(), message.stamp_.get());
    }
    std::string log(std::int32_t form = LAMPORT_LOG_TEXT) {
        return detail::written<LAMPORT_LOG_SIZE>(lamport_local_log, get(), form);
    }
    std::string inject() {
        return detail::written<LAMPORT_HEADER_SIZE>(lamport_local_inject, get());
    }
    stamp extract(const std::string &header) {
        return stamp::made(lamport_local_extract, get(), detail::text(header));
    }
    std::uint64_t advance() { return detail::given<std::uint64_t>(lamport_local_advance, get()); }
    std::uint64_t advance_past(std::uint64_t message) {
        return detail::given<std::uint64_t>(lamport_local_advance_past, get(), message);
    }
    std::uint64_t now() const noexcept { return lamport_local_now(get()); }
    std::string process() const { return lamport_local_process(get()); }
    std::uint64_t instance() const noexcept { return lamport_local_instance(get()); }

    // The C handle. This object still owns it.
    lamport_local_t *get() const noexcept { return local_.get(); }

  private:
    detail::handle<lamport_local_free> local_;
};

} // namespace lamport

#endif
