/*
 * lamport-clock: a Lamport logical clock that processes in many containers share through etcd.
 *
 *     lamport_clock_t *clock = NULL;
 *     lamport_error_t *error = NULL;
 *     lamport_update_t *update = NULL;
 *
 *     if (lamport_clock_connect("memory:", "api", 0, &clock, &error) != LAMPORT_STATUS_OK ||
 *         lamport_clock_update(clock, &update, &error) != LAMPORT_STATUS_OK)
 *         fprintf(stderr, "%s\n", lamport_error_message(error));
 *     else
 *         printf("%" PRIu64 "\n", lamport_update_value(update));
 *     lamport_error_free(error);
 *     lamport_update_free(update);
 *     lamport_clock_free(clock);
 *
 * Link with -llamport_clock; docs/C.md is the guide. What holds for every function here:
 *
 * Results. A function that can fail returns a status, 0 (LAMPORT_STATUS_OK) for success. Its outputs
 * are written on success only; after a failure they are what they were.
 *
 * Errors. The last parameter of such a function, `error`, gets an object that says more. It is
 * written on failure only, so let it start as NULL. It is yours: free it with lamport_error_free()
 * before you pass the same variable again. Pass NULL for `error` if the status alone is enough.
 *
 * Pointers. A pointer is NULL or points to a live, properly aligned thing of its type for as long as
 * the call lasts. NULL where something is required gives LAMPORT_STATUS_NULL_POINTER; where NULL is
 * allowed, the function says so. A handle that was freed is no longer live.
 *
 * Texts. UTF-8 that ends at the first NUL, in and out. The library copies what it keeps.
 *
 * Getters. What an object has is returned by a function that takes the object: a number, a text or
 * another object. A text or an object belongs to the object that was asked, and lives until that is
 * freed; a text that belongs to none is static. NULL in the object's place gives what stands for
 * nothing: 0, NAN for the time of a wall clock, "" for a text, NULL for an object. The same stands for
 * what an object does not have.
 *
 * Buffers. A text that has to be composed is written into `size` bytes at `buffer`, whole with its NUL
 * or not at all. `*needed`, unless `needed` is NULL, gets the bytes that it takes, NUL included, also
 * with BUFFER_TOO_SMALL; `buffer` may be NULL to ask for that.
 *
 * Freeing. An object that is written to your pointer is yours, until you give it to the function of
 * its type that ends in _free. That takes NULL too, and cannot fail. No other call on the object may be
 * under way, and none may follow. What tells of something (errors, stamps, updates, histories, events,
 * statistics) never changes, and may outlive the clock or the watch that it came from.
 *
 * Times. Logical times are integers from 0 to LAMPORT_TIME_MAX; a clock starts at 0.
 *
 * Threads. Every function may be called from any thread, and with one object from many at once. The
 * library runs one thread of its own, from the first call on that needs it, and one for each follower,
 * with all signals blocked, SIGPIPE included; it installs no signal handler, so never call it from one
 * of yours. Do not dlclose() the library.
 *
 * Blocking. A function that blocks says so ("Blocks ..."). No other blocks or does I/O, except to read
 * the files that settings name. None blocks longer than the deadline of its clock, or the timeout that
 * it is given; stopping a follower waits for its callback.
 *
 * Cancellation. pthread_cancel() ends a thread outside of the library: one that is inside of a call
 * returns from it first, by its deadline, and what the call gave is then to be freed by a cleanup
 * handler of yours. A callback of a follower must not end its thread.
 *
 * Descriptors. The library owns those that it opens. A process that closes all that it does not know,
 * as daemons do, should make its clocks afterwards. If it closes the library's, calls under way fail
 * with CLOSED within a second, watches and followers end so, and every clock goes on with its next
 * call: as a new instance, from where its local clock stood, on the same store, its updates in the
 * background ended.
 *
 * Fork. A child of fork() may go on with every clock that it inherits, and free it: the handle then
 * stands for a clock of the child's own, a new instance with its own connection, made at its first
 * use (not yet in a handler of pthread_atfork()); its local clock begins where the parent's stood at
 * the fork. A closed clock stays closed. The parent's clock is neither touched nor repeated, and goes
 * on. Watches and followers stay with the parent: a child frees those that it inherits and begins its
 * own. Other objects, and the texts of all, are plain memory: the child has them as well. Stores in
 * memory are private to a process: the child's begins empty. As long as the child lives it holds the
 * parent's connections open, so a server may notice only then that the parent has ended.
 *
 * Panics. A defect of the library is caught and returned as LAMPORT_STATUS_PANIC; a getter then gives
 * what it gives for NULL.
 *
 * Numbers of statuses and the functions' signatures never change their meaning within one soname.
 */


#ifndef LAMPORT_CLOCK_H
#define LAMPORT_CLOCK_H

/* Made by cbindgen from the Rust sources; edit those instead. */

#include <stddef.h>
#include <stdint.h>

/*
 The version of this header. That of the library which is loaded is lamport_clock_version().
 */
#define LAMPORT_VERSION_MAJOR 0
#define LAMPORT_VERSION_MINOR 1
#define LAMPORT_VERSION_PATCH 0
#define LAMPORT_VERSION_STRING "0.1.0"

/*
 The last logical time there is, 2^53 - 1: the largest integer that every JSON reader takes exactly.
 */
#define LAMPORT_TIME_MAX 9007199254740991

/*
 A buffer of this many bytes holds the text of any stamp, in either form, its NUL included.
 */
#define LAMPORT_STAMP_SIZE 809

/*
 A buffer of this many bytes holds the value of any header, its signature and its NUL included.
 */
#define LAMPORT_HEADER_SIZE 878

/*
 A form of lamport_clock_log(), for people: the stamp and a word for each cause,
 "42@api <41@api <40@billing;at=41", with "<-" for none and "<+3" for three that are not named. It goes
 to the end of a line.
 */
#define LAMPORT_LOG_TEXT 0

/*
 The same with long texts of the stamps, for processes that share a name, such as forked children.
 */
#define LAMPORT_LOG_LONG_TEXT 1

/*
 The members of a JSON object, without its braces: lamport, lamport_time, lamport_process,
 lamport_instance, and lamport_after, the causes.
 */
#define LAMPORT_LOG_JSON 2

/*
 A buffer of this many bytes holds what lamport_clock_log() writes, with as many causes as fit.
 */
#define LAMPORT_LOG_SIZE 4096

/*
 What a function returns: 0 if it did what it was asked, otherwise why not.

 A number keeps its meaning for ever and is never given to another. Later versions may add some:
 treat a number you do not know as a failure.
 */
enum lamport_status_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Done. The outputs are written.
   */
  LAMPORT_STATUS_OK = 0,
  /*
   A pointer that is required was NULL.
   */
  LAMPORT_STATUS_NULL_POINTER = 1,
  /*
   A text is not UTF-8.
   */
  LAMPORT_STATUS_INVALID_UTF8 = 2,
  /*
   The caller's buffer is too small for the text; the size needed was written.
   */
  LAMPORT_STATUS_BUFFER_TOO_SMALL = 3,
  /*
   A defect of this library, caught at its border. Please report it with the message.
   */
  LAMPORT_STATUS_PANIC = 4,
  /*
   An argument, a variable of the environment, a file or a text does not have the required form.
   */
  LAMPORT_STATUS_INVALID_ARGUMENT = 16,
  /*
   NODE_NAME is not one of the nodes of the node map.
   */
  LAMPORT_STATUS_UNKNOWN_NODE = 17,
  /*
   No store could be reached, or none was able to serve (no quorum, no leader).
   */
  LAMPORT_STATUS_UNAVAILABLE = 18,
  /*
   The deadline of the call passed without an answer. Nothing was handed out.
   */
  LAMPORT_STATUS_TIMEOUT = 19,
  /*
   What lies under a key of the clock can't be read. Nothing was overwritten.
   */
  LAMPORT_STATUS_CORRUPT = 20,
  /*
   The next time would lie past LAMPORT_TIME_MAX.
   */
  LAMPORT_STATUS_EXHAUSTED = 21,
  /*
   A time lies further ahead than the jump bound (LAMPORT_MAX_JUMP) allows. The clock is unchanged.
   */
  LAMPORT_STATUS_TOO_FAR_AHEAD = 22,
  /*
   The store no longer keeps the revisions asked for.
   */
  LAMPORT_STATUS_COMPACTED = 23,
  /*
   The store refused for lack of permission or of a valid user.
   */
  LAMPORT_STATUS_DENIED = 24,
  /*
   The store's space quota is used up.
   */
  LAMPORT_STATUS_NO_SPACE = 25,
  /*
   Too many callers wait in this process already.
   */
  LAMPORT_STATUS_OVERLOADED = 26,
  /*
   The clock was closed.
   */
  LAMPORT_STATUS_CLOSED = 27,
  /*
   A fault of this library or of the machine (no memory, no threads).
   */
  LAMPORT_STATUS_INTERNAL = 28,
  /*
   The store lost times that were handed out: it was restored, is another one, or keys of the
   clock were deleted. No time is handed out until `lamport repair`.
   */
  LAMPORT_STATUS_REGRESSED = 29,
  /*
   A stamp in a message is not signed by who has the key of this process; the clock is unchanged.
   */
  LAMPORT_STATUS_UNTRUSTED = 30,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lamport_status_t lamport_status_t;
#else
typedef int32_t lamport_status_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What an event is about.

 A number keeps its meaning for ever. Later versions may add some: pass over those that you do
 not know, none of them is an update.
 */
enum lamport_event_kind_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   No event, or one that this version has no word for.
   */
  LAMPORT_EVENT_NONE = 0,
  /*
   An update by anyone: lamport_event_update() is it.
   */
  LAMPORT_EVENT_UPDATED = 1,
  /*
   The record was deleted, which no clock does, at lamport_event_revision().
   */
  LAMPORT_EVENT_DELETED = 2,
  /*
   A record was written, at lamport_event_revision(), that can't be read;
   lamport_event_message() says what was found.
   */
  LAMPORT_EVENT_UNREADABLE = 3,
  /*
   The store compacted its history faster than the watch followed: what happened from
   lamport_event_revision() up to and without lamport_event_until() is not known. Revisions count
   all keys of the store, so there may have been no update among them.
   */
  LAMPORT_EVENT_MISSED = 4,
  /*
   The connection broke, for the reason in lamport_event_message(). The watch goes on trying, and
   nothing is missed by that.
   */
  LAMPORT_EVENT_INTERRUPTED = 5,
  /*
   To a callback alone, and the last one it gets: the watch has ended by itself, for the reason in
   lamport_event_message(). (lamport_watch_next() returns that reason as its error.)
   */
  LAMPORT_EVENT_ENDED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lamport_event_kind_t lamport_event_kind_t;
#else
typedef int32_t lamport_event_kind_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A local clock, and one record that many processes share.

 Any number of threads may use one handle at once. lamport_clock_connect() gives it, and
 lamport_clock_free() takes it back.
 */
typedef struct lamport_clock_t lamport_clock_t;

/*
 Why a call failed, for the person who has to act on it. Yours: free it with
 lamport_error_free().
 */
typedef struct lamport_error_t lamport_error_t;

/*
 Something that a watch saw. What lamport_watch_next() gave is yours: free it with
 lamport_event_free(). What a callback is called with lives as long as that call.
 */
typedef struct lamport_event_t lamport_event_t;

/*
 A watch that calls you. lamport_clock_follow() gives it, and lamport_follower_free() takes it back.
 */
typedef struct lamport_follower_t lamport_follower_t;

/*
 The newest updates of the record, oldest first. Yours: free it with lamport_history_free().
 */
typedef struct lamport_history_t lamport_history_t;

/*
 A local clock alone: Lamport's clock in memory, for programs that order their events by the
 messages between them and share no record.

 Any number of threads may use one at once. lamport_local_open() gives it, and
 lamport_local_free() takes it back.
 */
typedef struct lamport_local_t lamport_local_t;

/*
 An update by anyone, as it was found in the store. Free what lamport_clock_read() gave you with
 lamport_observed_free(); one that belongs to an event or to a history is freed with that.
 */
typedef struct lamport_observed_t lamport_observed_t;

/*
 Settings of a clock: the library's table, by name.

 "node", "nodes", "store", "key", "timeout", "max_jump", "config", "tls_ca", "tls_cert", "tls_key",
 "user", "password_file", "allow_plaintext", "header_key_file": docs/CONFIGURATION.md says what each
 is. What is not given comes from the environment.
 */
typedef struct lamport_config_t lamport_config_t;

/*
 A point in the total order of all events: time, then process, then instance. The order never
 contradicts causality, but two stamps in order need not be cause and effect.

 A clock gives one for each event (lamport_clock_tick(), lamport_clock_receive() and those of
 lamport_local_t): free it with lamport_stamp_free(). One that belongs to an update is freed with
 that.
 */
typedef struct lamport_stamp_t lamport_stamp_t;

/*
 What the updates in the background have come to, and what the clock has counted beside them, at one
 moment.
 Yours: free it with lamport_stats_free().
 */
typedef struct lamport_stats_t lamport_stats_t;

/*
 Times that one of your updates took, and what it found. lamport_clock_update() and
 lamport_clock_reserve() give it; yours: free it with lamport_update_free().
 */
typedef struct lamport_update_t lamport_update_t;

/*
 Every update by anyone, in order, for a program that asks for the next one. A program that would
 rather be called takes lamport_clock_follow().

 It resumes by itself where the connection broke, without losing or repeating an update, for as
 long as the store keeps what happened meanwhile.

 Any number of threads may use one at once; each event goes to one of them. A forked child gets
 CLOSED from a watch that it inherits, frees it, and begins one of its own. lamport_clock_watch()
 gives it, and lamport_watch_free() takes it back.
 */
typedef struct lamport_watch_t lamport_watch_t;

/*
 What a follower calls for each event. `event` lives as long as the call; `context` is what
 lamport_clock_follow() was given.

 It is called on a thread of the follower's own, one event at a time and in order. It may block (the
 events wait meanwhile), and it may call every function of this library, lamport_follower_stop()
 and lamport_follower_free() of its own follower included. It must return: no longjmp() and no
 exception out of it.
 */
typedef void (*lamport_follow_callback_t)(const struct lamport_event_t *event,
                                          void *context);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The name of a status in a log, for instance "timeout"; the same word as in the JSON output of
 the `lamport` command. "unknown" for a number that this version does not know.

 A static text.
 */
const char *lamport_status_name(int32_t status);

/*
 What a status means, in one sentence. An error's own message says more: prefer
 lamport_error_message() where there is an error.

 A static text.
 */
const char *lamport_status_text(int32_t status);

/*
 The status that came with the error.
 */
lamport_status_t lamport_error_status(const struct lamport_error_t *error);

/*
 What was tried, where, what came back and what to change.
 */
const char *lamport_error_message(const struct lamport_error_t *error);

/*
 Frees an error.
 */
void lamport_error_free(struct lamport_error_t *error);

/*
 Settings of which none is given yet: give them back with lamport_config_free(). Never NULL.
 */
struct lamport_config_t *lamport_config_new(void);

/*
 Gives the setting `name` the text `value`, in place of what it was given before; NULL: as if it had
 not been given. A name that is no setting, and a value that it does not take, are told of where a
 clock is made.

 Errors: INVALID_UTF8.
 */
lamport_status_t lamport_config_set(const struct lamport_config_t *config,
                                    const char *name,
                                    const char *value,
                                    struct lamport_error_t **error);

/*
 Takes settings back. Clocks that were made from them go on.
 */
void lamport_config_free(struct lamport_config_t *config);

/*
 Makes a clock on a store, once that store has answered.

 `store` says where the record lives: "memory:" (in this process, for this clock alone),
 "memory:name" (in this process, shared by the clocks that use the name) or
 "etcd://host:port,host:port/key" (in etcd; port 2379 and key /lamport_clock if not given). NULL:
 LAMPORT_STORE says it, or else the node map with NODE_NAME.

 `process` names this process: 1 to 255 bytes of UTF-8 without white space, control characters
 and ';'. NULL: NODE_NAME, or else the name of the host if a store is given. Each open is a new
 instance of that process, so that two of them never make the same stamp.

 `timeout_ms` is the deadline of each call on this clock, this one included: milliseconds, from 1
 to 86400000 (a day). 0: LAMPORT_TIMEOUT, or else 5 seconds.

 The other settings (LAMPORT_KEY, LAMPORT_MAX_JUMP, LAMPORT_TLS_CA, LAMPORT_CONFIG, ...) come from
 the environment, so no other thread may change the environment meanwhile. To give them here, make
 a lamport_config_t and use lamport_clock_connect_with().

 On success `*clock` is yours: give it back with lamport_clock_free().

 Blocks until the store has answered, at most for the deadline. Errors: INVALID_UTF8,
 INVALID_ARGUMENT, UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
 */
lamport_status_t lamport_clock_connect(const char *store,
                                       const char *process,
                                       uint32_t timeout_ms,
                                       struct lamport_clock_t **clock,
                                       struct lamport_error_t **error);

/*
 Makes a clock as lamport_clock_connect() does, without asking whether its store is there: for
 programs that start before their store. The first call that needs the store finds out.

 The parameters and what is yours are those of lamport_clock_connect().

 Errors: INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
 */
lamport_status_t lamport_clock_open(const char *store,
                                    const char *process,
                                    uint32_t timeout_ms,
                                    struct lamport_clock_t **clock,
                                    struct lamport_error_t **error);

/*
 Makes a clock from settings, once its store has answered. What they do not give comes from the
 environment, as for lamport_clock_connect().

 `config` stays yours, and may be freed at once. On success `*clock` is yours: give it back with
 lamport_clock_free().

 Blocks until the store has answered, at most for the deadline. Errors: INVALID_ARGUMENT,
 UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
 */
lamport_status_t lamport_clock_connect_with(const struct lamport_config_t *config,
                                            struct lamport_clock_t **clock,
                                            struct lamport_error_t **error);

/*
 Makes a clock from settings as lamport_clock_connect_with() does, without asking whether its store
 is there.

 Errors: INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
 */
lamport_status_t lamport_clock_open_with(const struct lamport_config_t *config,
                                         struct lamport_clock_t **clock,
                                         struct lamport_error_t **error);

/*
 A local event, or a message that is sent: moves the local clock on by one and gives the stamp of
 that event. On success `*stamp` is yours.

 Errors: EXHAUSTED, INTERNAL (in a forked child whose clock can't be made).
 */
lamport_status_t lamport_clock_tick(const struct lamport_clock_t *clock,
                                    struct lamport_stamp_t **stamp,
                                    struct lamport_error_t **error);

/*
 A message arrived that was sent at logical time `message`: moves the local clock past it, to
 max(local, message) + 1, and gives the stamp of that event. On success `*stamp` is yours. A line of a
 log can't name it, for want of its sender: see lamport_clock_receive_stamp().

 Errors: INVALID_ARGUMENT (`message` is past LAMPORT_TIME_MAX), TOO_FAR_AHEAD (it lies ahead
 of the local clock, and more than the jump bound, 2^32 unless LAMPORT_MAX_JUMP says otherwise, above
 the newest shared time that this clock knows), EXHAUSTED, INTERNAL (in a forked child whose clock can't be made). After an error the clock is unchanged.
 */
lamport_status_t lamport_clock_receive(const struct lamport_clock_t *clock,
                                       uint64_t message,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 As lamport_clock_tick(), for the time alone: allocates nothing, and takes some nanoseconds.

 Errors as for lamport_clock_tick().
 */
lamport_status_t lamport_clock_advance(const struct lamport_clock_t *clock,
                                       uint64_t *time,
                                       struct lamport_error_t **error);

/*
 As lamport_clock_receive(), for the time alone.

 Errors as for lamport_clock_receive().
 */
lamport_status_t lamport_clock_advance_past(const struct lamport_clock_t *clock,
                                            uint64_t message,
                                            uint64_t *time,
                                            struct lamport_error_t **error);

/*
 Where the local clock stands. Changes nothing, and names no event.
 */
uint64_t lamport_clock_now(const struct lamport_clock_t *clock);

/*
 The name of the process that the clock belongs to; a forked child's is its parent's.
 */
const char *lamport_clock_process(const struct lamport_clock_t *clock);

/*
 The instance of the process that the clock belongs to: 64 random bits, drawn when it was opened and
 never 0. They tell apart two instances under one name. A forked child has others than its parent, and
 0 only if its clock can't be made, which the other calls then say.
 */
uint64_t lamport_clock_instance(const struct lamport_clock_t *clock);

/*
 Where updates go at present, for people to read: "memory:" or the endpoint in use. Of any length;
 its form may change, and between two calls it may need more.

 Errors: BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_clock_location(const struct lamport_clock_t *clock,
                                        char *buffer,
                                        size_t size,
                                        size_t *needed,
                                        struct lamport_error_t **error);

/*
 Takes the next time of the shared clock. Nobody else has it or will ever get it, and it is larger
 than the value of every update, anywhere, that returned before this one was called.

 On success `*update` is yours, with the time and what the update found. `update` may be NULL, for
 programs that only move the clocks on.

 Blocks for a round trip to the store, two in rare cases, and no longer than the deadline; threads
 that call at once share a round trip. Errors: UNAVAILABLE, TIMEOUT, CORRUPT, EXHAUSTED,
 TOO_FAR_AHEAD (of the record), DENIED, NO_SPACE, REGRESSED, OVERLOADED, CLOSED, INTERNAL. After an
 error no time was handed out; whether the record moved is unknown. Calling again is safe.
 */
lamport_status_t lamport_clock_update(const struct lamport_clock_t *clock,
                                      struct lamport_update_t **update,
                                      struct lamport_error_t **error);

/*
 Takes `count` consecutive times of the shared clock, from 1 to 2^32, in one update. On success
 `*update` is yours: the times go from lamport_update_first() through lamport_update_value().

 They are ordered as one event at the moment of the call: handed out later they are still unique,
 but no longer in real-time order with other updates. They are plain numbers, which the library
 can't take away: fork, and either the parent or the child may hand out what is left, not both.

 Blocks as lamport_clock_update() does. Its errors, and INVALID_ARGUMENT (count).
 */
lamport_status_t lamport_clock_reserve(const struct lamport_clock_t *clock,
                                       uint64_t count,
                                       struct lamport_update_t **update,
                                       struct lamport_error_t **error);

/*
 Looks at the newest update of the record by anyone. `*observed` is yours, and NULL, with status
 OK, if there is no record yet.

 Blocks for a round trip to the store, no longer than the deadline. Errors: UNAVAILABLE, TIMEOUT,
 CORRUPT, EXHAUSTED, DENIED, REGRESSED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_read(const struct lamport_clock_t *clock,
                                    struct lamport_observed_t **observed,
                                    struct lamport_error_t **error);

/*
 Ends the clock: later calls that need the store (update, reserve, read) return CLOSED, and so, at
 once, do threads that wait in one. The local clock (tick, receive, now) goes on. To close again
 does nothing.

 The handle stays valid until it is freed: to end a clock that other threads use, close it, join
 them, then free it.

 Blocks until the record shows what this clock took last, so that legacy writers see it, and no
 longer than the deadline.
 */
lamport_status_t lamport_clock_close(const struct lamport_clock_t *clock,
                                     struct lamport_error_t **error);

/*
 Frees a clock, closed or not. What lamport_clock_close() waits for is left to the library's thread.
 A forked child frees its own handles; that leaves the parent's clock alone.
 */
void lamport_clock_free(struct lamport_clock_t *clock);

/*
 The version of the library that is loaded, for instance "0.1.0". A static text.
 */
const char *lamport_clock_version(void);

/*
 The last time that the update took, the one in the record.
 */
uint64_t lamport_observed_value(const struct lamport_observed_t *observed);

/*
 The first time that the update took: the value itself, unless it reserved several.
 */
uint64_t lamport_observed_first(const struct lamport_observed_t *observed);

/*
 Who took it, as its writer wrote it: UTF-8, of any length, for programs of other makes write
 this too.
 */
const char *lamport_observed_process(const struct lamport_observed_t *observed);

/*
 Which instance of that process it was; 0 if its writer does not say.
 */
uint64_t lamport_observed_instance(const struct lamport_observed_t *observed);

/*
 When, by the wall clock of its writer: Unix time in seconds, to look at and never to compare.
 Not a number if its writer does not say.
 */
double lamport_observed_real_timestamp(const struct lamport_observed_t *observed);

/*
 The store's revision of the update; updates that were served together share it.
 */
uint64_t lamport_observed_revision(const struct lamport_observed_t *observed);

/*
 Frees what lamport_clock_read() gave.
 */
void lamport_observed_free(struct lamport_observed_t *observed);

/*
 The first time that was taken.
 */
uint64_t lamport_update_first(const struct lamport_update_t *update);

/*
 The last time that was taken, which the record then held: the only one where one was taken.
 */
uint64_t lamport_update_value(const struct lamport_update_t *update);

/*
 The update as a point in the total order, at lamport_update_value(). It belongs to `update`.
 */
const struct lamport_stamp_t *lamport_update_stamp(const struct lamport_update_t *update);

/*
 Who held the record before, as its writer wrote it: UTF-8, of any length. NULL if there was no
 record.
 */
const char *lamport_update_previous_process(const struct lamport_update_t *update);

/*
 At what value; 0 if there was no record.
 */
uint64_t lamport_update_previous_value(const struct lamport_update_t *update);

/*
 The store's revision of the update; updates that were served together share it.
 */
uint64_t lamport_update_revision(const struct lamport_update_t *update);

/*
 How many transactions it took.
 */
uint32_t lamport_update_round_trips(const struct lamport_update_t *update);

/*
 The highest time known, if the record stood below it: a writer that does not follow the rule had
 moved it back, and the update started above it all the same. 0 if nobody had.
 */
uint64_t lamport_update_regressed(const struct lamport_update_t *update);

/*
 When, by the wall clock of the process that wrote the record: Unix time in seconds, to look at
 and never to compare.
 */
double lamport_update_real_timestamp(const struct lamport_update_t *update);

/*
 Frees an update; its times stay taken.
 */
void lamport_update_free(struct lamport_update_t *update);

/*
 Follows every update by anyone: with `from` 0 those that are committed after this call returned,
 otherwise those from revision `from` on which the store still keeps.

 The watch may outlive the clock's handle, but ends when the clock is closed or freed. On success
 `*watch` is yours.

 Blocks for a round trip to the store (none with a `from`), no longer than the deadline. Errors:
 UNAVAILABLE, TIMEOUT, DENIED, REGRESSED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_watch(const struct lamport_clock_t *clock,
                                     uint64_t from,
                                     struct lamport_watch_t **watch,
                                     struct lamport_error_t **error);

/*
 Waits at most `timeout_ms` milliseconds for the next event. `*event` is yours, and NULL, with
 status OK, if none came in that time; nothing is lost by giving up and asking again.

 Blocks for the timeout, whatever the deadline of the clock; 0 only looks. Errors: CLOSED (the watch
 or its clock was closed, or belongs to the process that this one was forked from); where going on
 is pointless until somebody mends the store, DENIED, REGRESSED (also after a repair: begin a new
 watch then) and the like; INTERNAL.
 */
lamport_status_t lamport_watch_next(const struct lamport_watch_t *watch,
                                    uint32_t timeout_ms,
                                    struct lamport_event_t **event,
                                    struct lamport_error_t **error);

/*
 The revision from which a new watch would go on where this one stands, for programs that note how
 far they came: nothing is missed. Updates that were served together share a revision, so after some
 of them it tells those again.
 */
uint64_t lamport_watch_next_revision(const struct lamport_watch_t *watch);

/*
 Ends the watch: later calls of lamport_watch_next() return CLOSED, and so, at once, do threads that
 wait in one. To close again does nothing. The handle stays valid until it is freed.
 */
lamport_status_t lamport_watch_close(const struct lamport_watch_t *watch,
                                     struct lamport_error_t **error);

/*
 Frees a watch, closed or not. A forked child frees those that it inherits.
 */
void lamport_watch_free(struct lamport_watch_t *watch);

/*
 What the event is about.
 */
lamport_event_kind_t lamport_event_kind(const struct lamport_event_t *event);

/*
 The name of a kind of events in a log, for instance "updated"; the same word as in the JSON output
 of `lamport watch`. "unknown" for a number that this version does not know.

 A static text.
 */
const char *lamport_event_kind_name(int32_t kind);

/*
 The update, if the event is one (LAMPORT_EVENT_UPDATED); otherwise NULL. It belongs to the event.
 */
const struct lamport_observed_t *lamport_event_update(const struct lamport_event_t *event);

/*
 The store's revision of an update, a deletion or a record that can't be read, and the first one
 that was missed. 0 for the other kinds.
 */
uint64_t lamport_event_revision(const struct lamport_event_t *event);

/*
 Where the watch goes on after LAMPORT_EVENT_MISSED. 0 for the other kinds.
 */
uint64_t lamport_event_until(const struct lamport_event_t *event);

/*
 Why a record can't be read, the connection broke or the watch ended. LAMPORT_STATUS_OK for the
 other kinds.
 */
lamport_status_t lamport_event_status(const struct lamport_event_t *event);

/*
 The same for people. "" for the other kinds.
 */
const char *lamport_event_message(const struct lamport_event_t *event);

/*
 Frees what lamport_watch_next() gave.
 */
void lamport_event_free(struct lamport_event_t *event);

/*
 Calls `callback` with `context` for each event of a watch that begins as lamport_clock_watch()
 with `from` does, on a thread of its own that has all signals blocked.

 The first call may come before this function has returned. If the watch ends by itself (the clock
 is closed or freed, the store refuses), the last one tells LAMPORT_EVENT_ENDED. What `context`
 points to must live until the follower is stopped; the library does nothing with it. On success
 `*follower` is yours.

 A follower stays with its process: in a forked child it calls nobody, and is to be freed. Stop it
 before the program's end destroys what `callback` uses.

 Blocks as lamport_clock_watch() does, with its errors.
 */
lamport_status_t lamport_clock_follow(const struct lamport_clock_t *clock,
                                      uint64_t from,
                                      lamport_follow_callback_t callback,
                                      void *context,
                                      struct lamport_follower_t **follower,
                                      struct lamport_error_t **error);

/*
 Stops a follower: once this has returned, its callback is not under way and is not called again.
 Called from that callback itself it returns at once, and that call is the last. To stop again does
 nothing.

 Blocks until a call under way has returned, so hold no lock that the callback waits for, and let no
 two callbacks stop each other.
 */
lamport_status_t lamport_follower_stop(const struct lamport_follower_t *follower,
                                       struct lamport_error_t **error);

/*
 Stops a follower as lamport_follower_stop() does, which blocks, and frees it. Its own callback may
 do that, and a forked child does it with those that it inherits.
 */
void lamport_follower_free(struct lamport_follower_t *follower);

/*
 The newest updates that the store still keeps, at most `limit` of them. On success `*history` is
 yours.

 Blocks for a round trip for each transaction in the history, all of them together no longer than
 the deadline. Errors: UNAVAILABLE, TIMEOUT, DENIED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_history(const struct lamport_clock_t *clock,
                                       size_t limit,
                                       struct lamport_history_t **history,
                                       struct lamport_error_t **error);

/*
 How many updates there are.
 */
size_t lamport_history_count(const struct lamport_history_t *history);

/*
 The update at `index`, from 0, the oldest, up; NULL past the end. It belongs to `history`.
 */
const struct lamport_observed_t *lamport_history_at(const struct lamport_history_t *history,
                                                    size_t index);

/*
 The store no longer keeps what came before this revision: the history was cut there. 0 if it was
 not, but ends at `limit` or at the first update.
 */
uint64_t lamport_history_compacted_before(const struct lamport_history_t *history);

/*
 How many revisions held a record that can't be read; they are left out.
 */
size_t lamport_history_unreadable(const struct lamport_history_t *history);

/*
 The deadline came before `limit`: what was written at this revision and before it was not read. 0 if
 all was.
 */
uint64_t lamport_history_unread_from(const struct lamport_history_t *history);

/*
 Frees a history and the updates in it.
 */
void lamport_history_free(struct lamport_history_t *history);

/*
 Starts to update the clock every `interval_ms` milliseconds in the background, a little sooner or
 later, the first time at once: so that its local clock stays near the others', and they learn of
 it. 10 to 86400000 (a day); 0: 2000, as the deployed script does.

 An update that fails is counted, and the next one comes later, until one succeeds. To start again
 with the same interval does nothing, with another one it begins anew. It ends with
 lamport_clock_stop(), and when the clock is closed or freed. In a forked child nothing runs until
 the child starts it.

 The library's thread does the work. Errors: INVALID_ARGUMENT (interval_ms), CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_start(const struct lamport_clock_t *clock,
                                     uint64_t interval_ms,
                                     struct lamport_error_t **error);

/*
 Stops the updates in the background: once this has returned none begins, and one that is under way
 is given up. To stop again does nothing; to start again goes on.
 */
lamport_status_t lamport_clock_stop(const struct lamport_clock_t *clock,
                                    struct lamport_error_t **error);

/*
 What the updates in the background have come to, over the whole life of the clock, however often
 they were started and stopped, and what it has counted beside them (a forked child counts its own).
 On success `*stats` is yours.
 */
lamport_status_t lamport_clock_stats(const struct lamport_clock_t *clock,
                                     struct lamport_stats_t **stats,
                                     struct lamport_error_t **error);

/*
 Whether updates go on: 1 if they do, else 0.
 */
int32_t lamport_stats_running(const struct lamport_stats_t *stats);

/*
 For how long they have gone on, in milliseconds; 0 if they don't.
 */
uint64_t lamport_stats_running_for_ms(const struct lamport_stats_t *stats);

/*
 The interval that was asked for last, in milliseconds; 0 if none was.
 */
uint64_t lamport_stats_interval_ms(const struct lamport_stats_t *stats);

/*
 How many updates succeeded.
 */
uint64_t lamport_stats_updates(const struct lamport_stats_t *stats);

/*
 How many failed.
 */
uint64_t lamport_stats_failures(const struct lamport_stats_t *stats);

/*
 How many failed with this status; 0 for one that no update fails with.
 */
uint64_t lamport_stats_failures_with(const struct lamport_stats_t *stats,
                                     int32_t status);

/*
 How many failed since one succeeded last: 0 while all is well.
 */
uint64_t lamport_stats_failing(const struct lamport_stats_t *stats);

/*
 The newest time that an update of the background took; 0 before the first.
 */
uint64_t lamport_stats_last_value(const struct lamport_stats_t *stats);

/*
 How long ago that was, in milliseconds; 0 before the first.
 */
uint64_t lamport_stats_since_update_ms(const struct lamport_stats_t *stats);

/*
 Why the newest one that failed did; it stays when all is well again. LAMPORT_STATUS_OK if none
 did.
 */
lamport_status_t lamport_stats_last_status(const struct lamport_stats_t *stats);

/*
 The same for people; "" if none failed.
 */
const char *lamport_stats_last_message(const struct lamport_stats_t *stats);

/*
 How many messages the clock refused since they lay further ahead than its max_jump allows
 (TOO_FAR_AHEAD), whether or not anything runs in the background.
 */
uint64_t lamport_stats_refused(const struct lamport_stats_t *stats);

/*
 How many folds the clock carried out (docs/PROTOCOL.md), after whichever updates of its.
 */
uint64_t lamport_stats_folds(const struct lamport_stats_t *stats);

/*
 How many transactions the updates took that succeeded.
 */
uint64_t lamport_stats_round_trips(const struct lamport_stats_t *stats);

/*
 How far the shared clock was ahead of the local one when the newest update reached it, in logical
 time; 0 before the first.
 */
uint64_t lamport_stats_distance(const struct lamport_stats_t *stats);

/*
 How long all updates that succeeded took together, in microseconds.
 */
uint64_t lamport_stats_update_time_us(const struct lamport_stats_t *stats);

/*
 How many updates succeeded and took no longer than so many microseconds; counted by 500, 1000, 2500,
 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 and 5000000, the last of these that `us`
 reaches; 0 below all of them.
 */
uint64_t lamport_stats_updates_within_us(const struct lamport_stats_t *stats,
                                         uint64_t us);

/*
 Frees what lamport_clock_stats() gave.
 */
void lamport_stats_free(struct lamport_stats_t *stats);

/*
 A stamp of anybody's, from its parts. `instance` is 0 where it is not known. On success
 `*stamp` is yours.

 Errors: INVALID_UTF8, INVALID_ARGUMENT (`time` is past LAMPORT_TIME_MAX, or `process` can't be the
 name of a process).
 */
lamport_status_t lamport_stamp_new(uint64_t time,
                                   const char *process,
                                   uint64_t instance,
                                   struct lamport_stamp_t **stamp,
                                   struct lamport_error_t **error);

/*
 The stamp that a text stands for: "42@mx-nodel", which leaves the instance at 0, or
 "42@mx-nodel;instance=00000000000000ff".

 On success `*stamp` is yours. Errors: INVALID_UTF8, INVALID_ARGUMENT.
 */
lamport_status_t lamport_stamp_parse(const char *text,
                                     struct lamport_stamp_t **stamp,
                                     struct lamport_error_t **error);

/*
 When, in logical time.
 */
uint64_t lamport_stamp_time(const struct lamport_stamp_t *stamp);

/*
 Which process.
 */
const char *lamport_stamp_process(const struct lamport_stamp_t *stamp);

/*
 Which instance of that process; 0 if it is not known.
 */
uint64_t lamport_stamp_instance(const struct lamport_stamp_t *stamp);

/*
 The short text of a stamp, "42@mx-nodel", for people and logs. LAMPORT_STAMP_SIZE bytes are always
 enough.

 Errors: BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_stamp_text(const struct lamport_stamp_t *stamp,
                                    char *buffer,
                                    size_t size,
                                    size_t *needed,
                                    struct lamport_error_t **error);

/*
 The long text of a stamp, "42@mx-nodel;instance=00000000000000ff", which says all of it: for
 messages (the value of the header `lamport`). LAMPORT_STAMP_SIZE bytes are always enough.

 Errors: BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_stamp_long_text(const struct lamport_stamp_t *stamp,
                                         char *buffer,
                                         size_t size,
                                         size_t *needed,
                                         struct lamport_error_t **error);

/*
 Compares two stamps by the total order: -1 if `a` comes before `b`, 0 if they are the same, 1 if
 it comes after. NULL comes before every stamp.
 */
int32_t lamport_stamp_compare(const struct lamport_stamp_t *a,
                              const struct lamport_stamp_t *b);

/*
 Frees a stamp that is yours, and none that an update lends.
 */
void lamport_stamp_free(struct lamport_stamp_t *stamp);

/*
 Makes a local clock, which starts at 0. It needs no store, no connection and no thread.

 `process` names this process, as for lamport_clock_connect(). NULL: NODE_NAME, or else the name of
 the host. How far ahead a message may lie is LAMPORT_MAX_JUMP's to say. Each open is a new instance
 of that process. No other thread may change the environment meanwhile.

 On success `*local` is yours: give it back with lamport_local_free().

 Errors: INVALID_UTF8, INVALID_ARGUMENT, INTERNAL.
 */
lamport_status_t lamport_local_open(const char *process,
                                    struct lamport_local_t **local,
                                    struct lamport_error_t **error);

/*
 A local event, or a message that is sent: moves the clock on by one and gives the stamp of that
 event. On success `*stamp` is yours.

 Errors: EXHAUSTED, INTERNAL (in a forked child that gets no random number).
 */
lamport_status_t lamport_local_tick(const struct lamport_local_t *local,
                                    struct lamport_stamp_t **stamp,
                                    struct lamport_error_t **error);

/*
 A message arrived that was sent at logical time `message`: as lamport_clock_receive().

 Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED, INTERNAL (in a forked child that gets no random
 number). After an error the clock is unchanged.
 */
lamport_status_t lamport_local_receive(const struct lamport_local_t *local,
                                       uint64_t message,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 As lamport_local_tick(), for the time alone: allocates nothing, and takes some nanoseconds.

 Errors: EXHAUSTED.
 */
lamport_status_t lamport_local_advance(const struct lamport_local_t *local,
                                       uint64_t *time,
                                       struct lamport_error_t **error);

/*
 As lamport_local_receive(), for the time alone.

 Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED. After an error the clock is unchanged.
 */
lamport_status_t lamport_local_advance_past(const struct lamport_local_t *local,
                                            uint64_t message,
                                            uint64_t *time,
                                            struct lamport_error_t **error);

/*
 Where the clock stands. Changes nothing, and names no event.
 */
uint64_t lamport_local_now(const struct lamport_local_t *local);

/*
 The name of the process that the clock belongs to; a forked child's is its parent's.
 */
const char *lamport_local_process(const struct lamport_local_t *local);

/*
 The instance of that process, as lamport_clock_instance(): 0 only in a forked child that gets no
 random number.
 */
uint64_t lamport_local_instance(const struct lamport_local_t *local);

/*
 Frees a local clock. A forked child frees its own handles.
 */
void lamport_local_free(struct lamport_local_t *local);

/*
 A message is about to leave: ticks, and writes the value of its header `lamport` into `size` bytes at
 `buffer`: the stamp's long text, signed where LAMPORT_HEADER_KEY_FILE names a key. It is visible ASCII.
 For a child process it is the value of the variable LAMPORT_STAMP.

 LAMPORT_HEADER_SIZE bytes are always enough; a buffer that is too small costs a tick. Errors:
 BUFFER_TOO_SMALL, and those of lamport_clock_tick().
 */
lamport_status_t lamport_clock_inject(const struct lamport_clock_t *clock,
                                      char *buffer,
                                      size_t size,
                                      size_t *needed,
                                      struct lamport_error_t **error);

/*
 A message arrived with this value of the header `lamport`: moves the local clock past its stamp, and
 gives the stamp of that event. Where several stand in it, with commas between them, each that counts
 moves it, the newest last. On success `*stamp` is yours.

 A header comes from outside: an error is worth counting, and no reason to refuse the message. Errors:
 INVALID_UTF8, INVALID_ARGUMENT (it is no stamp), UNTRUSTED (the clock has a key, and it is not signed
 with that), and those of lamport_clock_receive(). After an error the clock is unchanged.
 */
lamport_status_t lamport_clock_extract(const struct lamport_clock_t *clock,
                                       const char *header,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 As lamport_clock_inject(), of a clock without a store.
 */
lamport_status_t lamport_local_inject(const struct lamport_local_t *local,
                                      char *buffer,
                                      size_t size,
                                      size_t *needed,
                                      struct lamport_error_t **error);

/*
 As lamport_clock_extract(), of a clock without a store.
 */
lamport_status_t lamport_local_extract(const struct lamport_local_t *local,
                                       const char *header,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 An event that is written down: ticks, and writes its stamp with its causes into `size` bytes at
 `buffer`, in the form LAMPORT_LOG_TEXT, LAMPORT_LOG_LONG_TEXT or LAMPORT_LOG_JSON. The causes are the
 clock's line before and the messages that arrived since, with the local time at which each arrived: of
 those with a stamp (lamport_clock_extract(), lamport_clock_receive_stamp()) the newest 16, and how
 many there were besides. The first line of a forked child comes after where its parent's clock stood.

 Call it for each line, and write that line. Where the buffer is small the oldest messages are only
 counted; LAMPORT_LOG_SIZE bytes are always enough. A buffer that is too small even then costs the line.
 Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT (there is no such form), and those of lamport_clock_tick().
 */
lamport_status_t lamport_clock_log(const struct lamport_clock_t *clock,
                                   int32_t form,
                                   char *buffer,
                                   size_t size,
                                   size_t *needed,
                                   struct lamport_error_t **error);

/*
 A message arrived that carried this stamp: as lamport_clock_receive(), and the next line names it. On
 success `*stamp` is yours.

 Errors as for lamport_clock_receive().
 */
lamport_status_t lamport_clock_receive_stamp(const struct lamport_clock_t *clock,
                                             const struct lamport_stamp_t *message,
                                             struct lamport_stamp_t **stamp,
                                             struct lamport_error_t **error);

/*
 As lamport_clock_log(), of a clock without a store.
 */
lamport_status_t lamport_local_log(const struct lamport_local_t *local,
                                   int32_t form,
                                   char *buffer,
                                   size_t size,
                                   size_t *needed,
                                   struct lamport_error_t **error);

/*
 As lamport_clock_receive_stamp(), of a clock without a store.
 */
lamport_status_t lamport_local_receive_stamp(const struct lamport_local_t *local,
                                             const struct lamport_stamp_t *message,
                                             struct lamport_stamp_t **stamp,
                                             struct lamport_error_t **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LAMPORT_CLOCK_H */
