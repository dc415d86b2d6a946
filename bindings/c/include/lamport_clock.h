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
 * Link with -llamport_clock; docs/C.md is the guide. These rules hold for every function here:
 *
 * Results. A function that can fail returns a status, 0 (LAMPORT_STATUS_OK) for success. It writes
 * its outputs on success only; a failure leaves them as they were.
 *
 * Errors. The last parameter of such a function, `error`, gets an object that describes the failure.
 * It is written on failure only, so let your variable start as NULL. The object is yours: free it
 * with lamport_error_free() before you pass the same variable again. Pass NULL for `error` if the
 * status alone is enough.
 *
 * Pointers. A pointer that you pass is NULL, or points to a live, properly aligned object of its type
 * for as long as the call lasts. Each function says where NULL is allowed; elsewhere it gives
 * LAMPORT_STATUS_NULL_POINTER. A handle that was freed is no longer live.
 *
 * Texts. Every text, passed or returned, is UTF-8 and ends at its first NUL. The library copies the
 * texts that it keeps.
 *
 * Getters. A getter takes an object and returns one of its properties: a number, a text or another
 * object. This text or object belongs to the object that you passed, and lives until that is freed; a
 * text that belongs to no object is static. If you pass NULL, or the object lacks the property, the
 * getter returns the value for "none": 0, NAN for the time of a wall clock, "" for a text, NULL for
 * an object.
 *
 * Buffers. A function that composes a text writes it into the `size` bytes at `buffer`: the whole
 * text with its NUL, or nothing. `*needed`, unless `needed` is NULL, gets the number of bytes that
 * the text takes, its NUL included; also if the function fails with BUFFER_TOO_SMALL. To ask for this
 * number alone, pass NULL for `buffer`.
 *
 * Freeing. An object that a function writes to your pointer is yours, until you pass it to the
 * function of its type that ends in _free. That function takes NULL too, and cannot fail. While it
 * runs, no other call on the object may be under way, and none may follow. Objects that report
 * something (errors, stamps, updates, histories, events, statistics) never change, and may outlive
 * the clock or the watch that they came from.
 *
 * Times. Logical times are integers from 0 to LAMPORT_TIME_MAX; a clock starts at 0.
 *
 * Threads. Every function may be called from any thread, and by many threads at once with the same
 * object. The library runs one thread of its own, from the first call on that needs it, and one
 * thread for each follower. All signals are blocked in these threads, SIGPIPE included. The library
 * installs no signal handler. Never call it from a signal handler of yours. Do not dlclose() the
 * library.
 *
 * Blocking. A function that blocks says so ("Blocks ..."). No other function blocks or does I/O,
 * except to read the files that settings name. No function blocks longer than the deadline of its
 * clock, or the timeout that it is given, with one exception: stopping a follower waits for its
 * callback.
 *
 * Cancellation. pthread_cancel() ends a thread only outside of the library: a thread inside a call
 * first returns from it, by the call's deadline. A cleanup handler of yours must then free the
 * objects that the call gave. A callback of a follower must not end its thread.
 *
 * Descriptors. The library owns the file descriptors that it opens. A process that closes all
 * descriptors that it does not know, as daemons do, should make its clocks afterwards. If it closes
 * the library's, calls under way fail with CLOSED within a second, and watches and followers end with
 * CLOSED too. Every clock goes on with its next call: on the same store, as a new instance, its local
 * clock from where it stood. Its updates in the background have ended.
 *
 * Fork. A child of fork() may use every clock that it inherits, and free it. The handle then stands
 * for a clock of the child's own: a new instance with its own connection, made at its first use. (A
 * handler of pthread_atfork() must not use it yet.) Its local clock begins where the parent's stood
 * at the fork. A closed clock stays closed. The parent's clock goes on: the child neither touches it
 * nor repeats its stamps. Watches and followers stay with the parent: a child frees those that it
 * inherits and begins its own. All other objects, and the texts of all objects, are plain memory, so
 * the child has them as well. Stores in memory are private to a process: the child's begins empty. As
 * long as the child lives, it holds the parent's connections open, so a server may notice only after
 * the child's end that the parent has ended.
 *
 * Panics. A defect of the library is caught and returned as LAMPORT_STATUS_PANIC; a getter then
 * returns what it returns for NULL.
 *
 * The numbers of statuses and the signatures of functions never change their meaning within one
 * soname.
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
 A form of lamport_clock_log(), for people: the stamp and a word for each cause, such as "42@api <41@api
 <40@billing;at=41". "<-" means that there is no cause, "<+3" that three causes are not named. Write it at
 the end of a line.
 */
#define LAMPORT_LOG_TEXT 0

/*
 Like LAMPORT_LOG_TEXT, but with the long texts of the stamps: for processes that share a name, such as
 forked children.
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
 The result of a function: 0 for success, otherwise the kind of failure.

 A number keeps its meaning for ever and is never given to another status. Later versions may add statuses:
 treat a number that you do not know as a failure.
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
   The value of one of the clock's keys can't be read. Nothing was overwritten.
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
   The store refused because a permission or a valid user is missing.
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
   A stamp in a message is not signed with a key of this process; the clock is unchanged.
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

 A number keeps its meaning for ever. Later versions may add kinds: ignore those that you do not know,
 since none of them is an update.
 */
enum lamport_event_kind_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   No event, or an event of a kind that this version does not know.
   */
  LAMPORT_EVENT_NONE = 0,
  /*
   An update by any process: lamport_event_update() returns it.
   */
  LAMPORT_EVENT_UPDATED = 1,
  /*
   The record was deleted, at lamport_event_revision(). No clock does that.
   */
  LAMPORT_EVENT_DELETED = 2,
  /*
   A record that can't be read was written, at lamport_event_revision(). lamport_event_message() says
   what was found.
   */
  LAMPORT_EVENT_UNREADABLE = 3,
  /*
   The store compacted its history faster than the watch followed: changes from lamport_event_revision()
   up to but not including lamport_event_until() are not known. Revisions count all keys of the store, so
   there may have been no update among them.
   */
  LAMPORT_EVENT_MISSED = 4,
  /*
   The connection broke, for the reason in lamport_event_message(). The watch goes on trying, and misses
   nothing because of the break.
   */
  LAMPORT_EVENT_INTERRUPTED = 5,
  /*
   The watch has ended by itself, for the reason in lamport_event_message(). Only a callback gets this
   event, as its last one. (lamport_watch_next() returns the reason as its error.)
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
 Something that a watch saw. An event from lamport_watch_next() is yours: free it with
 lamport_event_free(). An event that a callback is called with lives as long as that call.
 */
typedef struct lamport_event_t lamport_event_t;

/*
 A watch that calls a function of yours. lamport_clock_follow() gives it, and lamport_follower_free() takes
 it back.
 */
typedef struct lamport_follower_t lamport_follower_t;

/*
 The newest updates of the record, oldest first. Yours: free it with lamport_history_free().
 */
typedef struct lamport_history_t lamport_history_t;

/*
 A local clock without a store: Lamport's clock in memory. It is for programs that order their events by
 the messages between them and share no record.

 Any number of threads may use one at once. lamport_local_open() gives it, and
 lamport_local_free() takes it back.
 */
typedef struct lamport_local_t lamport_local_t;

/*
 An update by any process, as it was found in the store. Free an update that lamport_clock_read() gave with
 lamport_observed_free(). An update that belongs to an event or to a history is freed with its owner.
 */
typedef struct lamport_observed_t lamport_observed_t;

/*
 Settings of a clock, by their names in the library's table.

 "node", "nodes", "store", "key", "timeout", "max_jump", "config", "tls_ca", "tls_cert", "tls_key", "user",
 "password_file", "allow_plaintext", "header_key_file": docs/CONFIGURATION.md describes each. Settings that
 are not given come from the environment.
 */
typedef struct lamport_config_t lamport_config_t;

/*
 A point in the total order of all events: time, then process, then instance. The order never
 contradicts causality, but two stamps in order need not be cause and effect.

 A clock gives one for each event (lamport_clock_tick(), lamport_clock_receive() and the same functions of
 lamport_local_t): free it with lamport_stamp_free(). A stamp that belongs to an update is freed with that
 update.
 */
typedef struct lamport_stamp_t lamport_stamp_t;

/*
 The counts of the updates in the background, and the other counts of the clock, at one moment.
 Yours: free it with lamport_stats_free().
 */
typedef struct lamport_stats_t lamport_stats_t;

/*
 The times that one of your updates took, and what it found in the store. lamport_clock_update() and
 lamport_clock_reserve() give it. Yours: free it with lamport_update_free().
 */
typedef struct lamport_update_t lamport_update_t;

/*
 Every update by any process, in order, for a program that asks for the next one. A program that wants a
 callback uses lamport_clock_follow().

 After the connection breaks, a watch resumes by itself, without losing or repeating an update, for as long
 as the store keeps the updates of the meantime.

 Any number of threads may use one watch at once; each event goes to one of them. A forked child gets
 CLOSED from a watch that it inherits, frees it, and begins one of its own. lamport_clock_watch() gives a
 watch, and lamport_watch_free() takes it back.
 */
typedef struct lamport_watch_t lamport_watch_t;

/*
 The function that a follower calls for each event. `event` lives as long as the call; `context` is the
 pointer that lamport_clock_follow() was given.

 It is called on a thread of the follower's own, one event at a time and in order. It may block (the events
 wait meanwhile), and it may call every function of this library, lamport_follower_stop() and
 lamport_follower_free() of its own follower included. It must return: no longjmp() and no exception may
 leave it.
 */
typedef void (*lamport_follow_callback_t)(const struct lamport_event_t *event,
                                          void *context);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The name of a status for logs, for instance "timeout"; the same word as in the JSON output of the
 `lamport` command. "unknown" for a number that this version does not know.

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
 A message for people: what was tried, where, what came back and what to change.
 */
const char *lamport_error_message(const struct lamport_error_t *error);

/*
 Frees an error.
 */
void lamport_error_free(struct lamport_error_t *error);

/*
 Makes settings, of which none is given yet: free them with lamport_config_free(). Never NULL.
 */
struct lamport_config_t *lamport_config_new(void);

/*
 Gives the setting `name` the text `value`, in place of any earlier text. If `value` is NULL, the setting
 counts as not given. An unknown name, or a value that the setting does not accept, is reported only when a
 clock is made.

 Errors: INVALID_UTF8.
 */
lamport_status_t lamport_config_set(const struct lamport_config_t *config,
                                    const char *name,
                                    const char *value,
                                    struct lamport_error_t **error);

/*
 Frees settings. Clocks that were made from them go on.
 */
void lamport_config_free(struct lamport_config_t *config);

/*
 Makes a clock on a store, once that store has answered.

 `store` says where the record lives: "memory:" (in this process, for this clock alone), "memory:name" (in
 this process, shared by the clocks that use the name) or "etcd://host:port,host:port/key" (in etcd; port
 2379 and key /lamport_clock if not given). If it is NULL, LAMPORT_STORE says where, or else the node map
 with NODE_NAME.

 `process` is the name of this process: 1 to 255 bytes of UTF-8 without white space, control characters and
 ';'. If it is NULL, the name is NODE_NAME, or else, if a store is given, the name of the host. Each call
 makes a new instance of that process, so that no two clocks ever make the same stamp.

 `timeout_ms` is the deadline of each call on this clock, this one included: milliseconds, from 1 to
 86400000 (a day). 0 means LAMPORT_TIMEOUT, or else 5 seconds.

 The other settings (LAMPORT_KEY, LAMPORT_MAX_JUMP, LAMPORT_TLS_CA, LAMPORT_CONFIG, ...) come from the
 environment, so no other thread may change the environment during the call. To give these settings in the
 program, make a lamport_config_t and use lamport_clock_connect_with().

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
 Makes a clock as lamport_clock_connect() does, but does not ask whether the store can be reached: for
 programs that start before their store. The first call that needs the store finds out.

 The parameters, and the ownership of `*clock`, are those of lamport_clock_connect().

 Errors: INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
 */
lamport_status_t lamport_clock_open(const char *store,
                                    const char *process,
                                    uint32_t timeout_ms,
                                    struct lamport_clock_t **clock,
                                    struct lamport_error_t **error);

/*
 Makes a clock from settings, once its store has answered. Settings that `config` does not give come from
 the environment, as for lamport_clock_connect().

 `config` stays yours, and may be freed at once. On success `*clock` is yours: give it back with
 lamport_clock_free().

 Blocks until the store has answered, at most for the deadline. Errors: INVALID_ARGUMENT,
 UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
 */
lamport_status_t lamport_clock_connect_with(const struct lamport_config_t *config,
                                            struct lamport_clock_t **clock,
                                            struct lamport_error_t **error);

/*
 Makes a clock from settings as lamport_clock_connect_with() does, but does not ask whether the store can
 be reached.

 Errors: INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
 */
lamport_status_t lamport_clock_open_with(const struct lamport_config_t *config,
                                         struct lamport_clock_t **clock,
                                         struct lamport_error_t **error);

/*
 For a local event, or a message that is sent: advances the local clock by one and gives the stamp of that
 event. On success `*stamp` is yours.

 Errors: EXHAUSTED, INTERNAL (in a forked child whose clock can't be made).
 */
lamport_status_t lamport_clock_tick(const struct lamport_clock_t *clock,
                                    struct lamport_stamp_t **stamp,
                                    struct lamport_error_t **error);

/*
 For a message that arrived and was sent at logical time `message`: moves the local clock past that time,
 to max(local, message) + 1, and gives the stamp of the arrival. On success `*stamp` is yours. A line of a
 log can't name this message, since its sender is not known: see lamport_clock_receive_stamp().

 Errors: INVALID_ARGUMENT (`message` is past LAMPORT_TIME_MAX), TOO_FAR_AHEAD (`message` lies ahead of the
 local clock, and further above the newest shared time that this clock knows than the jump bound, which is
 2^32 unless LAMPORT_MAX_JUMP says otherwise), EXHAUSTED, INTERNAL (in a forked child whose clock can't be
 made). After an error the clock is unchanged.
 */
lamport_status_t lamport_clock_receive(const struct lamport_clock_t *clock,
                                       uint64_t message,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 Like lamport_clock_tick(), but gives only the time: allocates nothing, and takes some nanoseconds.

 Errors as for lamport_clock_tick().
 */
lamport_status_t lamport_clock_advance(const struct lamport_clock_t *clock,
                                       uint64_t *time,
                                       struct lamport_error_t **error);

/*
 Like lamport_clock_receive(), but gives only the time.

 Errors as for lamport_clock_receive().
 */
lamport_status_t lamport_clock_advance_past(const struct lamport_clock_t *clock,
                                            uint64_t message,
                                            uint64_t *time,
                                            struct lamport_error_t **error);

/*
 The current time of the local clock. Does not change it, and is no event.
 */
uint64_t lamport_clock_now(const struct lamport_clock_t *clock);

/*
 The name of the process that the clock belongs to. A forked child keeps the name of its parent.
 */
const char *lamport_clock_process(const struct lamport_clock_t *clock);

/*
 The instance of the process that the clock belongs to: 64 random bits, never 0, which are drawn when the
 clock is opened. They tell apart two instances of the same name. A forked child has another instance than
 its parent. The result is 0 only if the child's clock can't be made; the other calls then say why.
 */
uint64_t lamport_clock_instance(const struct lamport_clock_t *clock);

/*
 The place where updates go at present, for people to read: "memory:" or the endpoint in use. The text may
 be of any length, and its form may change. It may grow between two calls, and then needs a larger buffer.

 Errors: BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_clock_location(const struct lamport_clock_t *clock,
                                        char *buffer,
                                        size_t size,
                                        size_t *needed,
                                        struct lamport_error_t **error);

/*
 Takes the next time of the shared clock. No other caller has this time or will ever get it. It is larger
 than the value of every update, anywhere, that returned before this call began.

 On success `*update` is yours: it holds the time, and what the update found in the store. `update` may be
 NULL, for programs that only advance the clocks.

 Blocks for a round trip to the store, two in rare cases, and no longer than the deadline. Threads that
 call at the same time share a round trip. Errors: UNAVAILABLE, TIMEOUT, CORRUPT, EXHAUSTED, TOO_FAR_AHEAD
 (the record lies too far ahead), DENIED, NO_SPACE, REGRESSED, OVERLOADED, CLOSED, INTERNAL. After an error
 no time was handed out; whether the record moved is unknown. Calling again is safe.
 */
lamport_status_t lamport_clock_update(const struct lamport_clock_t *clock,
                                      struct lamport_update_t **update,
                                      struct lamport_error_t **error);

/*
 Takes `count` consecutive times of the shared clock, from 1 to 2^32, in one update. On success
 `*update` is yours: the times go from lamport_update_first() through lamport_update_value().

 The times are ordered as one event at the moment of the call. If you hand them out later, they are still
 unique, but no longer in real-time order with other updates. They are plain numbers, which the library
 can't take back: after a fork, either the parent or the child may hand out the rest, not both.

 Blocks as lamport_clock_update() does. Errors: those of lamport_clock_update(), and INVALID_ARGUMENT
 (`count`).
 */
lamport_status_t lamport_clock_reserve(const struct lamport_clock_t *clock,
                                       uint64_t count,
                                       struct lamport_update_t **update,
                                       struct lamport_error_t **error);

/*
 Reads the newest update of the record, by any process. On success `*observed` is yours. If there is no
 record yet, it is NULL, and the status is OK.

 Blocks for a round trip to the store, no longer than the deadline. Errors: UNAVAILABLE, TIMEOUT,
 CORRUPT, EXHAUSTED, DENIED, REGRESSED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_read(const struct lamport_clock_t *clock,
                                    struct lamport_observed_t **observed,
                                    struct lamport_error_t **error);

/*
 Closes the clock: later calls that need the store (update, reserve, read) return CLOSED, and threads that
 wait in such a call return CLOSED at once. The local clock (tick, receive, now) goes on. A second close
 does nothing.

 The handle stays valid until it is freed. To end a clock that other threads use, close it, join these
 threads, then free it.

 Blocks until the record shows the last time that this clock took, so that legacy writers see it, but no
 longer than the deadline.
 */
lamport_status_t lamport_clock_close(const struct lamport_clock_t *clock,
                                     struct lamport_error_t **error);

/*
 Frees a clock, closed or not. Does not wait as lamport_clock_close() does: the library's thread brings the
 record up to date. A forked child frees its own copies of the handles, which does not affect the parent's
 clock.
 */
void lamport_clock_free(struct lamport_clock_t *clock);

/*
 The version of the library that is loaded, for instance "0.1.0". A static text.
 */
const char *lamport_clock_version(void);

/*
 The last time that the update took, which is the one in the record.
 */
uint64_t lamport_observed_value(const struct lamport_observed_t *observed);

/*
 The first time that the update took: the value itself, unless it reserved several.
 */
uint64_t lamport_observed_first(const struct lamport_observed_t *observed);

/*
 The name of the process that made the update, as it was written: UTF-8, of any length, since other
 programs write records too.
 */
const char *lamport_observed_process(const struct lamport_observed_t *observed);

/*
 The instance of that process; 0 if the writer did not say.
 */
uint64_t lamport_observed_instance(const struct lamport_observed_t *observed);

/*
 The time by the wall clock of the writer: Unix time in seconds, to look at and never to compare. NAN if
 the writer did not say.
 */
double lamport_observed_real_timestamp(const struct lamport_observed_t *observed);

/*
 The store's revision of the update. Updates that were served by one transaction share a revision.
 */
uint64_t lamport_observed_revision(const struct lamport_observed_t *observed);

/*
 Frees an update that lamport_clock_read() gave.
 */
void lamport_observed_free(struct lamport_observed_t *observed);

/*
 The first time that was taken.
 */
uint64_t lamport_update_first(const struct lamport_update_t *update);

/*
 The last time that was taken, which the record then held. If only one time was taken, it is that one.
 */
uint64_t lamport_update_value(const struct lamport_update_t *update);

/*
 The stamp of the update, its point in the total order: the time in it is lamport_update_value(). It
 belongs to `update`.
 */
const struct lamport_stamp_t *lamport_update_stamp(const struct lamport_update_t *update);

/*
 The name of the process that held the record before, as it was written: UTF-8, of any length. NULL if
 there was no record, and for NULL.
 */
const char *lamport_update_previous_process(const struct lamport_update_t *update);

/*
 The value that the record held before; 0 if there was no record.
 */
uint64_t lamport_update_previous_value(const struct lamport_update_t *update);

/*
 The store's revision of the update. Updates that were served by one transaction share a revision.
 */
uint64_t lamport_update_revision(const struct lamport_update_t *update);

/*
 Number of transactions that the update needed.
 */
uint32_t lamport_update_round_trips(const struct lamport_update_t *update);

/*
 The highest time known, if a writer that does not follow the rule had moved the record below it. The
 update started above this time all the same. 0 if the record was not moved back.
 */
uint64_t lamport_update_regressed(const struct lamport_update_t *update);

/*
 The time by the wall clock of the process that wrote the record: Unix time in seconds, to look at and
 never to compare.
 */
double lamport_update_real_timestamp(const struct lamport_update_t *update);

/*
 Frees an update; its times stay taken.
 */
void lamport_update_free(struct lamport_update_t *update);

/*
 Follows every update by any process. If `from` is 0, it gives those that are committed after this call has
 returned; otherwise those from revision `from` on that the store still keeps.

 The watch may outlive the clock's handle, but ends when the clock is closed or freed. On success
 `*watch` is yours.

 Blocks for a round trip to the store (for none if `from` is not 0), no longer than the deadline. Errors:
 UNAVAILABLE, TIMEOUT, DENIED, REGRESSED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_watch(const struct lamport_clock_t *clock,
                                     uint64_t from,
                                     struct lamport_watch_t **watch,
                                     struct lamport_error_t **error);

/*
 Waits at most `timeout_ms` milliseconds for the next event. On success `*event` is yours. If no event came
 in that time, it is NULL, and the status is OK; nothing is lost, and you may ask again.

 Blocks for the timeout, whatever the deadline of the clock; with 0 it only looks whether an event is
 ready. Errors: CLOSED (the watch or its clock was closed, or the watch belongs to the process that this
 one was forked from); INTERNAL; and DENIED, REGRESSED and the like, where going on is pointless until
 somebody mends the store. A watch returns REGRESSED also after a repair: begin a new watch then.
 */
lamport_status_t lamport_watch_next(const struct lamport_watch_t *watch,
                                    uint32_t timeout_ms,
                                    struct lamport_event_t **event,
                                    struct lamport_error_t **error);

/*
 The revision from which a new watch would go on where this one stands. A program that saves it misses
 nothing. Updates that were served by one transaction share a revision: if this watch has given only some
 of them, the new one gives those again.
 */
uint64_t lamport_watch_next_revision(const struct lamport_watch_t *watch);

/*
 Closes the watch: later calls of lamport_watch_next() return CLOSED, and threads that wait in one return
 CLOSED at once. A second close does nothing. The handle stays valid until it is freed.
 */
lamport_status_t lamport_watch_close(const struct lamport_watch_t *watch,
                                     struct lamport_error_t **error);

/*
 Frees a watch, closed or not. A forked child frees the watches that it inherits.
 */
void lamport_watch_free(struct lamport_watch_t *watch);

/*
 What the event is about.
 */
lamport_event_kind_t lamport_event_kind(const struct lamport_event_t *event);

/*
 The name of a kind of event for logs, for instance "updated"; the same word as in the JSON output of
 `lamport watch`. "unknown" for a number that this version does not know.

 A static text.
 */
const char *lamport_event_kind_name(int32_t kind);

/*
 The update, if the event is one (LAMPORT_EVENT_UPDATED); otherwise NULL. It belongs to the event.
 */
const struct lamport_observed_t *lamport_event_update(const struct lamport_event_t *event);

/*
 The store's revision of an update, a deletion or a record that can't be read; for LAMPORT_EVENT_MISSED,
 the first revision that was missed. 0 for the other kinds.
 */
uint64_t lamport_event_revision(const struct lamport_event_t *event);

/*
 The revision at which the watch goes on after LAMPORT_EVENT_MISSED. 0 for the other kinds.
 */
uint64_t lamport_event_until(const struct lamport_event_t *event);

/*
 The reason why a record can't be read, the connection broke or the watch ended. LAMPORT_STATUS_OK for the
 other kinds.
 */
lamport_status_t lamport_event_status(const struct lamport_event_t *event);

/*
 The message of that reason, for people. "" for the other kinds.
 */
const char *lamport_event_message(const struct lamport_event_t *event);

/*
 Frees an event that lamport_watch_next() gave.
 */
void lamport_event_free(struct lamport_event_t *event);

/*
 Follows the record as lamport_clock_watch() with this `from` does, and calls `callback` with `context` for
 each event. The calls come from a thread of the follower's own that has all signals blocked.

 The first call may come before this function has returned. If the watch ends by itself (the clock is
 closed or freed, the store refuses), the last call gets LAMPORT_EVENT_ENDED. The object behind `context`
 must live until the follower is stopped; the library does nothing with it. On success `*follower` is
 yours.

 A follower stays with its process: in a forked child it calls no function, and the child must free it.
 Stop a follower before the end of the program destroys what `callback` uses.

 Blocks as lamport_clock_watch() does. Errors: those of lamport_clock_watch().
 */
lamport_status_t lamport_clock_follow(const struct lamport_clock_t *clock,
                                      uint64_t from,
                                      lamport_follow_callback_t callback,
                                      void *context,
                                      struct lamport_follower_t **follower,
                                      struct lamport_error_t **error);

/*
 Stops a follower: once this has returned, its callback is not under way and is not called again. If the
 callback itself stops its follower, this returns at once, and that call of the callback is the last. A
 second stop does nothing.

 Blocks until a callback that is under way has returned. So hold no lock that the callback waits for, and
 let no two callbacks stop each other.
 */
lamport_status_t lamport_follower_stop(const struct lamport_follower_t *follower,
                                       struct lamport_error_t **error);

/*
 Stops a follower as lamport_follower_stop() does, which blocks, and frees it. The follower's own callback
 may call this. A forked child calls this for the followers that it inherits.
 */
void lamport_follower_free(struct lamport_follower_t *follower);

/*
 The newest updates that the store still keeps, at most `limit` of them. On success `*history` is
 yours.

 Blocks for one round trip for each transaction in the history, in total no longer than the deadline. If
 the deadline comes first, the history holds what was read until then, and lamport_history_unread_from()
 says where to go on. Errors: UNAVAILABLE, TIMEOUT, DENIED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_history(const struct lamport_clock_t *clock,
                                       size_t limit,
                                       struct lamport_history_t **history,
                                       struct lamport_error_t **error);

/*
 Like lamport_clock_history(), but for the newest updates up to and including `revision`: goes on where a
 history was cut. Revision 0 counts as 1.

 Blocks as lamport_clock_history() does. Errors: those of lamport_clock_history(), and INVALID_ARGUMENT
 (the store has not come as far as `revision`).
 */
lamport_status_t lamport_clock_history_from(const struct lamport_clock_t *clock,
                                            uint64_t revision,
                                            size_t limit,
                                            struct lamport_history_t **history,
                                            struct lamport_error_t **error);

/*
 Number of updates in the history.
 */
size_t lamport_history_count(const struct lamport_history_t *history);

/*
 The update at `index`: the oldest one is at 0. NULL past the end. It belongs to `history`.
 */
const struct lamport_observed_t *lamport_history_at(const struct lamport_history_t *history,
                                                    size_t index);

/*
 The revision before which the store no longer keeps any update: the history was cut there. 0 if it was not
 cut, so that it ends at `limit` or at the first update.
 */
uint64_t lamport_history_compacted_before(const struct lamport_history_t *history);

/*
 Number of revisions whose record can't be read. The history leaves them out.
 */
size_t lamport_history_unreadable(const struct lamport_history_t *history);

/*
 If the deadline passed before `limit` was reached: updates at this revision and before it were not read.
 lamport_clock_history_from() goes on there. 0 if all were read.
 */
uint64_t lamport_history_unread_from(const struct lamport_history_t *history);

/*
 Frees a history and the updates in it.
 */
void lamport_history_free(struct lamport_history_t *history);

/*
 Starts updates in the background: the first one at once, then one every `interval_ms` milliseconds, a
 little sooner or later. They keep the local clock near the others', and let the other processes learn of
 it. `interval_ms` is 10 to 86400000 (a day); 0 means 2000, as in the deployed script.

 An update that fails is counted, and the next ones come later until one succeeds. A second call with the
 same interval does nothing; with another interval the updates begin anew. They end with
 lamport_clock_stop(), and when the clock is closed or freed. In a forked child none run until the child
 starts them.

 The library's thread does the work. Errors: INVALID_ARGUMENT (interval_ms), CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_start(const struct lamport_clock_t *clock,
                                     uint64_t interval_ms,
                                     struct lamport_error_t **error);

/*
 Stops the updates in the background: no update begins after this has returned, and one that is under way
 is abandoned. A second call does nothing. lamport_clock_start() resumes the updates.
 */
lamport_status_t lamport_clock_stop(const struct lamport_clock_t *clock,
                                    struct lamport_error_t **error);

/*
 Gives the counts of the updates in the background, and the other counts of the clock. They cover the whole
 life of the clock, however often the updates were started and stopped. A forked child counts its own. On
 success `*stats` is yours.
 */
lamport_status_t lamport_clock_stats(const struct lamport_clock_t *clock,
                                     struct lamport_stats_t **stats,
                                     struct lamport_error_t **error);

/*
 Whether updates run in the background: 1 if they do, else 0.
 */
int32_t lamport_stats_running(const struct lamport_stats_t *stats);

/*
 How long the updates in the background have been running, in milliseconds; 0 if none run.
 */
uint64_t lamport_stats_running_for_ms(const struct lamport_stats_t *stats);

/*
 The interval that was requested last, in milliseconds; 0 if updates were never started.
 */
uint64_t lamport_stats_interval_ms(const struct lamport_stats_t *stats);

/*
 Number of updates in the background that succeeded.
 */
uint64_t lamport_stats_updates(const struct lamport_stats_t *stats);

/*
 Number of updates in the background that failed.
 */
uint64_t lamport_stats_failures(const struct lamport_stats_t *stats);

/*
 Number of updates that failed with this status; 0 for a status that no update fails with.
 */
uint64_t lamport_stats_failures_with(const struct lamport_stats_t *stats,
                                     int32_t status);

/*
 Number of failures since the last success: 0 while all is well.
 */
uint64_t lamport_stats_failing(const struct lamport_stats_t *stats);

/*
 The newest logical time that an update in the background took; 0 before the first.
 */
uint64_t lamport_stats_last_value(const struct lamport_stats_t *stats);

/*
 How long ago the newest update in the background succeeded, in milliseconds; 0 before the first.
 */
uint64_t lamport_stats_since_update_ms(const struct lamport_stats_t *stats);

/*
 The status of the newest update that failed. It stays after later updates succeed. LAMPORT_STATUS_OK if
 none failed.
 */
lamport_status_t lamport_stats_last_status(const struct lamport_stats_t *stats);

/*
 The error message of the newest update that failed; "" if none failed.
 */
const char *lamport_stats_last_message(const struct lamport_stats_t *stats);

/*
 Number of messages that the clock refused because they lay further ahead than its max_jump allows
 (TOO_FAR_AHEAD), whether or not anything runs in the background.
 */
uint64_t lamport_stats_refused(const struct lamport_stats_t *stats);

/*
 Number of folds that the clock carried out (see docs/PROTOCOL.md), after any of its updates.
 */
uint64_t lamport_stats_folds(const struct lamport_stats_t *stats);

/*
 Number of transactions that the successful updates needed.
 */
uint64_t lamport_stats_round_trips(const struct lamport_stats_t *stats);

/*
 How far the shared clock was ahead of the local one when the newest update reached it, in logical
 time; 0 before the first.
 */
uint64_t lamport_stats_distance(const struct lamport_stats_t *stats);

/*
 Total duration of the successful updates, in microseconds.
 */
uint64_t lamport_stats_update_time_us(const struct lamport_stats_t *stats);

/*
 Number of successful updates that took no longer than the longest of these bounds up to `us`, in
 microseconds: 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 and 5000000. 0
 if `us` is below all of them.
 */
uint64_t lamport_stats_updates_within_us(const struct lamport_stats_t *stats,
                                         uint64_t us);

/*
 Frees the statistics that lamport_clock_stats() gave.
 */
void lamport_stats_free(struct lamport_stats_t *stats);

/*
 Makes a stamp of any process from its parts. `instance` is 0 if it is not known. On success `*stamp` is
 yours.

 Errors: INVALID_UTF8, INVALID_ARGUMENT (`time` is past LAMPORT_TIME_MAX, or `process` can't be the
 name of a process).
 */
lamport_status_t lamport_stamp_new(uint64_t time,
                                   const char *process,
                                   uint64_t instance,
                                   struct lamport_stamp_t **stamp,
                                   struct lamport_error_t **error);

/*
 Makes a stamp from its text: "42@mx-nodel", which leaves the instance at 0, or
 "42@mx-nodel;instance=00000000000000ff".

 On success `*stamp` is yours. Errors: INVALID_UTF8, INVALID_ARGUMENT.
 */
lamport_status_t lamport_stamp_parse(const char *text,
                                     struct lamport_stamp_t **stamp,
                                     struct lamport_error_t **error);

/*
 The logical time of the stamp.
 */
uint64_t lamport_stamp_time(const struct lamport_stamp_t *stamp);

/*
 The name of its process.
 */
const char *lamport_stamp_process(const struct lamport_stamp_t *stamp);

/*
 The instance of that process; 0 if it is not known.
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
 The long text of a stamp, "42@mx-nodel;instance=00000000000000ff", which contains all of its parts. It is
 for messages (the value of the header `lamport`). LAMPORT_STAMP_SIZE bytes are always enough.

 Errors: BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_stamp_long_text(const struct lamport_stamp_t *stamp,
                                         char *buffer,
                                         size_t size,
                                         size_t *needed,
                                         struct lamport_error_t **error);

/*
 Compares two stamps by the total order: -1 if `a` comes before `b`, 0 if they are the same, 1 if `a` comes
 after `b`. NULL comes before every stamp.
 */
int32_t lamport_stamp_compare(const struct lamport_stamp_t *a,
                              const struct lamport_stamp_t *b);

/*
 Frees a stamp that is yours. Never free a stamp that an update lends.
 */
void lamport_stamp_free(struct lamport_stamp_t *stamp);

/*
 Makes a local clock, which starts at 0. It needs no store, no connection and no thread.

 `process` is the name of this process, by the rules of lamport_clock_connect(). If it is NULL, the name is
 NODE_NAME, or else the name of the host. LAMPORT_MAX_JUMP limits how far ahead a message may lie. Each
 call makes a new instance of that process. No other thread may change the environment during the call.

 On success `*local` is yours: give it back with lamport_local_free().

 Errors: INVALID_UTF8, INVALID_ARGUMENT, INTERNAL.
 */
lamport_status_t lamport_local_open(const char *process,
                                    struct lamport_local_t **local,
                                    struct lamport_error_t **error);

/*
 For a local event, or a message that is sent: advances the clock by one and gives the stamp of that event.
 On success `*stamp` is yours.

 Errors: EXHAUSTED, INTERNAL (in a forked child that gets no random number for its instance).
 */
lamport_status_t lamport_local_tick(const struct lamport_local_t *local,
                                    struct lamport_stamp_t **stamp,
                                    struct lamport_error_t **error);

/*
 For a message that arrived and was sent at logical time `message`: works like lamport_clock_receive().

 Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED, INTERNAL (in a forked child that gets no random number
 for its instance). After an error the clock is unchanged.
 */
lamport_status_t lamport_local_receive(const struct lamport_local_t *local,
                                       uint64_t message,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 Like lamport_local_tick(), but gives only the time: allocates nothing, and takes some nanoseconds.

 Errors: EXHAUSTED.
 */
lamport_status_t lamport_local_advance(const struct lamport_local_t *local,
                                       uint64_t *time,
                                       struct lamport_error_t **error);

/*
 Like lamport_local_receive(), but gives only the time.

 Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED. After an error the clock is unchanged.
 */
lamport_status_t lamport_local_advance_past(const struct lamport_local_t *local,
                                            uint64_t message,
                                            uint64_t *time,
                                            struct lamport_error_t **error);

/*
 The current time of the clock. Does not change it, and is no event.
 */
uint64_t lamport_local_now(const struct lamport_local_t *local);

/*
 The name of the process that the clock belongs to. A forked child keeps the name of its parent.
 */
const char *lamport_local_process(const struct lamport_local_t *local);

/*
 The instance of that process, as for lamport_clock_instance(). It is 0 only in a forked child that gets no
 random number.
 */
uint64_t lamport_local_instance(const struct lamport_local_t *local);

/*
 Frees a local clock. A forked child frees its own copies of the handles.
 */
void lamport_local_free(struct lamport_local_t *local);

/*
 For a message that is about to leave: ticks, and writes the value of its header `lamport` into the `size`
 bytes at `buffer`. The value is the stamp's long text, signed if LAMPORT_HEADER_KEY_FILE names a key. It
 is visible ASCII. To pass the stamp to a child process, make it the value of the variable LAMPORT_STAMP.

 LAMPORT_HEADER_SIZE bytes are always enough. A call with a buffer that is too small ticks all the same.
 Errors: BUFFER_TOO_SMALL, and those of lamport_clock_tick().
 */
lamport_status_t lamport_clock_inject(const struct lamport_clock_t *clock,
                                      char *buffer,
                                      size_t size,
                                      size_t *needed,
                                      struct lamport_error_t **error);

/*
 For a message that arrived with this value of the header `lamport`: moves the local clock past the stamp
 in it, and gives the stamp of the arrival. If the value holds several stamps, separated by commas, each
 one that the clock accepts moves it, the newest last. On success `*stamp` is yours.

 A header comes from outside: an error is worth counting, but no reason to refuse the message. Errors:
 INVALID_UTF8, INVALID_ARGUMENT (the value is no stamp), UNTRUSTED (the clock has a key, and the value is
 not signed with it), and those of lamport_clock_receive(). After an error the clock is unchanged.
 */
lamport_status_t lamport_clock_extract(const struct lamport_clock_t *clock,
                                       const char *header,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 Like lamport_clock_inject(), for a clock without a store.
 */
lamport_status_t lamport_local_inject(const struct lamport_local_t *local,
                                      char *buffer,
                                      size_t size,
                                      size_t *needed,
                                      struct lamport_error_t **error);

/*
 Like lamport_clock_extract(), for a clock without a store.
 */
lamport_status_t lamport_local_extract(const struct lamport_local_t *local,
                                       const char *header,
                                       struct lamport_stamp_t **stamp,
                                       struct lamport_error_t **error);

/*
 For an event that is written to a log: ticks, and writes the event's stamp and its causes into the `size`
 bytes at `buffer`, in the form LAMPORT_LOG_TEXT, LAMPORT_LOG_LONG_TEXT or LAMPORT_LOG_JSON. The causes are
 the clock's line before and the messages that arrived since. Of the messages with a stamp
 (lamport_clock_extract(), lamport_clock_receive_stamp()) the newest 16 are named, with the local time at
 which each arrived; all others are counted. The first line of a forked child names the stamp at which its
 parent's clock stood at the fork.

 Call it once for each line, and write that line. If the buffer is small, the oldest messages are only
 counted; LAMPORT_LOG_SIZE bytes are always enough. If the buffer is too small even then, the line is lost.
 Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT (there is no such form), and those of lamport_clock_tick().
 */
lamport_status_t lamport_clock_log(const struct lamport_clock_t *clock,
                                   int32_t form,
                                   char *buffer,
                                   size_t size,
                                   size_t *needed,
                                   struct lamport_error_t **error);

/*
 For a message that arrived and carried the stamp `message`: works like lamport_clock_receive(), and the
 next line of lamport_clock_log() names the message. On success `*stamp` is yours.

 Errors as for lamport_clock_receive().
 */
lamport_status_t lamport_clock_receive_stamp(const struct lamport_clock_t *clock,
                                             const struct lamport_stamp_t *message,
                                             struct lamport_stamp_t **stamp,
                                             struct lamport_error_t **error);

/*
 Like lamport_clock_log(), for a clock without a store.
 */
lamport_status_t lamport_local_log(const struct lamport_local_t *local,
                                   int32_t form,
                                   char *buffer,
                                   size_t size,
                                   size_t *needed,
                                   struct lamport_error_t **error);

/*
 Like lamport_clock_receive_stamp(), for a clock without a store.
 */
lamport_status_t lamport_local_receive_stamp(const struct lamport_local_t *local,
                                             const struct lamport_stamp_t *message,
                                             struct lamport_stamp_t **stamp,
                                             struct lamport_error_t **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LAMPORT_CLOCK_H */
