/*
 * lamport-clock: a Lamport logical clock that processes in many containers share through etcd.
 *
 *     lamport_clock_t *clock = NULL;
 *     lamport_error_t *error = NULL;
 *     uint64_t value;
 *
 *     if (lamport_clock_open("memory:", "api", 0, &clock, &error) != LAMPORT_STATUS_OK ||
 *         lamport_clock_update(clock, &value, &error) != LAMPORT_STATUS_OK) {
 *         fprintf(stderr, "%s\n", lamport_error_message(error));
 *         lamport_error_free(error);
 *     }
 *     lamport_clock_free(clock);
 *
 * Link with -llamport_clock. What holds for every function here:
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
 * Times. Logical times are integers from 0 to LAMPORT_TIME_MAX; a clock starts at 0.
 *
 * Threads. Every function may be called from any thread, and one clock from many at once, except
 * that nothing else may use an object while it is freed. The library runs one thread of its own,
 * from the first open on (in a forked child from the first call that blocks), with all signals
 * blocked, SIGPIPE included; it installs no signal handler, so never call it from one of yours. Do
 * not dlclose() the library.
 *
 * Blocking. A function that blocks says so. None blocks longer than the deadline of its clock.
 *
 * Fork. A child of fork() may go on with every clock that it inherits, and free it: the handle then
 * stands for a clock of the child's own, a new instance with its own connection, made at its first
 * use (not yet in a handler of pthread_atfork()); its local clock begins where the parent's stood at
 * the fork. A closed clock stays closed. The parent's clock is neither touched nor repeated, and goes
 * on. Stores in memory are private to a process: the child's begins empty. As long as the child lives
 * it holds the parent's connections open, so a server may notice only then that the parent has ended.
 *
 * Panics. A defect of the library is caught and returned as LAMPORT_STATUS_PANIC.
 *
 * Numbers of statuses and the functions' signatures never change their meaning within one soname.
 */


#ifndef LAMPORT_CLOCK_H
#define LAMPORT_CLOCK_H

/* Made by cbindgen from the Rust sources; edit those instead. */

#include <stddef.h>
#include <stdint.h>

/*
 The last logical time there is, 2^53 - 1: the largest integer that every JSON reader takes exactly.
 */
#define LAMPORT_TIME_MAX 9007199254740991

/*
 A buffer of this many bytes holds the name of any process, its NUL included.
 */
#define LAMPORT_PROCESS_SIZE 256

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
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lamport_status_t lamport_status_t;
#else
typedef int32_t lamport_status_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A local clock, and one record that many processes share.

 Any number of threads may use one handle at once. lamport_clock_open() gives it, and
 lamport_clock_free() takes it back.
 */
typedef struct lamport_clock_t lamport_clock_t;

/*
 Why a call failed, for the person who has to act on it. Yours: free it with
 lamport_error_free(). It holds no tie to the clock and may outlive it; any thread may read it.
 */
typedef struct lamport_error_t lamport_error_t;

/*
 An update by anyone, as it was found in the store. Yours: free it with
 lamport_observed_free(). It never changes, holds no tie to the clock and may outlive it; any
 thread may read it.
 */
typedef struct lamport_observed_t lamport_observed_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The name of a status in a log, for instance "timeout"; the same word as in the JSON output of
 the `lamport` command. "unknown" for a number that this version does not know.

 A static text; never NULL; must not be freed. Any thread; does not block.
 */
const char *lamport_status_name(int32_t status);

/*
 What a status means, in one sentence. An error's own message says more: prefer
 lamport_error_message() where there is an error.

 A static text; never NULL; must not be freed. Any thread; does not block.
 */
const char *lamport_status_text(int32_t status);

/*
 The status that came with the error; LAMPORT_STATUS_OK if `error` is NULL.

 Does not block.
 */
lamport_status_t lamport_error_status(const struct lamport_error_t *error);

/*
 What was tried, where, what came back and what to change. "" if `error` is NULL.

 Never NULL. It belongs to the error and lives until that is freed. Does not block.
 */
const char *lamport_error_message(const struct lamport_error_t *error);

/*
 Frees an error. NULL is allowed and does nothing. Does not block.
 */
void lamport_error_free(struct lamport_error_t *error);

/*
 Opens a clock on a store, once that store has answered.

 `store` says where the record lives: "memory:" (in this process, for this clock alone),
 "memory:name" (in this process, shared by the clocks that use the name) or
 "etcd://host:port,host:port/key" (in etcd; port 2379 and key /lamport_clock if not given). NULL:
 LAMPORT_STORE says it, or else the node map with NODE_NAME.

 `process` names this process: 1 to 255 bytes of UTF-8 without white space, control characters
 and ';'. NULL: NODE_NAME, or else "pid-" and the process's number if a store is given. Each open
 is a new instance of that process, so that two of them never make the same stamp.

 `timeout_ms` is the deadline of each call on this clock, this one included: milliseconds, from 1
 to 86400000 (a day). 0: LAMPORT_TIMEOUT, or else 5 seconds.

 The other settings (LAMPORT_KEY, LAMPORT_MAX_JUMP, LAMPORT_TLS_CA, LAMPORT_CONFIG, ...) come from
 the environment, so no other thread may change the environment meanwhile.

 On success `*clock` is yours: give it back with lamport_clock_free().

 Blocks until the store has answered, at most for the deadline. Any thread. Errors: NULL_POINTER
 (clock), INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED,
 INTERNAL.
 */
lamport_status_t lamport_clock_open(const char *store,
                                    const char *process,
                                    uint32_t timeout_ms,
                                    struct lamport_clock_t **clock,
                                    struct lamport_error_t **error);

/*
 A local event, or a message that is sent: moves the local clock on by one and gives the new time.

 Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time), EXHAUSTED.
 */
lamport_status_t lamport_clock_tick(const struct lamport_clock_t *clock,
                                    uint64_t *time,
                                    struct lamport_error_t **error);

/*
 A message arrived that was sent at logical time `message`: moves the local clock past it, to
 max(local, message) + 1, and gives the new time.

 Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time), INVALID_ARGUMENT
 (`message` is past LAMPORT_TIME_MAX), TOO_FAR_AHEAD (it lies more than the jump bound, 2^48 unless
 LAMPORT_MAX_JUMP says otherwise, ahead of the local clock), EXHAUSTED.
 After an error the clock is unchanged.
 */
lamport_status_t lamport_clock_receive(const struct lamport_clock_t *clock,
                                       uint64_t message,
                                       uint64_t *time,
                                       struct lamport_error_t **error);

/*
 Where the local clock stands. Changes nothing, and names no event.

 Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time).
 */
lamport_status_t lamport_clock_now(const struct lamport_clock_t *clock,
                                   uint64_t *time,
                                   struct lamport_error_t **error);

/*
 Takes the next time of the shared clock. Nobody else has it or will ever get it, and it is larger
 than the value of every update, anywhere, that returned before this one was called.

 Blocks for a round trip to the store, three (seldom four) under contention, and no longer than the
 deadline. Any thread; threads that call at once share a round trip. Errors: NULL_POINTER (clock,
 value), UNAVAILABLE, TIMEOUT, CORRUPT, EXHAUSTED, TOO_FAR_AHEAD (of the record), DENIED, NO_SPACE,
 REGRESSED, OVERLOADED, CLOSED, INTERNAL. After an error no time was handed out; whether the record
 moved is unknown. Calling again is safe.
 */
lamport_status_t lamport_clock_update(const struct lamport_clock_t *clock,
                                      uint64_t *value,
                                      struct lamport_error_t **error);

/*
 Takes `count` consecutive times of the shared clock in one update: `*first` through `*last`.

 They are ordered as one event at the moment of the call: handed out later they are still unique,
 but no longer in real-time order with other updates. They are plain numbers, which the library
 can't take away: fork, and either the parent or the child may hand out what is left, not both.

 `count` goes from 1 to 2^32. Blocking, threads and errors as for lamport_clock_update(), and
 NULL_POINTER (clock, first, last), INVALID_ARGUMENT (count).
 */
lamport_status_t lamport_clock_reserve(const struct lamport_clock_t *clock,
                                       uint64_t count,
                                       uint64_t *first,
                                       uint64_t *last,
                                       struct lamport_error_t **error);

/*
 Looks at the newest update of the record by anyone. `*observed` is yours: free it with
 lamport_observed_free(). It is NULL, with status OK, if there is no record yet.

 Blocks for a round trip to the store, no longer than the deadline. Any thread. Errors:
 NULL_POINTER (clock, observed), UNAVAILABLE, TIMEOUT, CORRUPT, DENIED, CLOSED, INTERNAL.
 */
lamport_status_t lamport_clock_read(const struct lamport_clock_t *clock,
                                    struct lamport_observed_t **observed,
                                    struct lamport_error_t **error);

/*
 The name of the process that the clock belongs to, into `buffer` of `size` bytes.

 The text with its NUL is written whole or not at all. `*needed`, unless `needed` is NULL, gets
 the bytes it takes, NUL included, also with BUFFER_TOO_SMALL; `buffer` may be NULL to ask for
 that. LAMPORT_PROCESS_SIZE bytes are always enough.

 Does not block. Any thread. Errors: NULL_POINTER (clock), BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_clock_process(const struct lamport_clock_t *clock,
                                       char *buffer,
                                       size_t size,
                                       size_t *needed,
                                       struct lamport_error_t **error);

/*
 The life of the process that the clock belongs to: 64 random bits, drawn when it was opened and
 never 0. They tell apart two lives under one name. A forked child has others than its parent.

 Does not block. Any thread. Errors: NULL_POINTER (clock, instance).
 */
lamport_status_t lamport_clock_instance(const struct lamport_clock_t *clock,
                                        uint64_t *instance,
                                        struct lamport_error_t **error);

/*
 Where updates go at present, for people to read: "memory:" or the endpoint in use. Its form may
 change. Into `buffer` of `size` bytes, as for lamport_clock_process(), but of any length; between
 two calls it may change and need more.

 Does not block. Any thread. Errors: NULL_POINTER (clock), BUFFER_TOO_SMALL.
 */
lamport_status_t lamport_clock_location(const struct lamport_clock_t *clock,
                                        char *buffer,
                                        size_t size,
                                        size_t *needed,
                                        struct lamport_error_t **error);

/*
 Ends the clock: later calls that need the store (update, reserve, read) return CLOSED, and so, at
 once, do threads that wait in one. The local clock (tick, receive, now) goes on. To close again
 does nothing.

 The handle stays valid until it is freed: to end a clock that other threads use, close it, join
 them, then free it.

 Does not block. Any thread. Errors: NULL_POINTER (clock).
 */
lamport_status_t lamport_clock_close(const struct lamport_clock_t *clock,
                                     struct lamport_error_t **error);

/*
 Frees a clock, closed or not. NULL is allowed and does nothing. Nothing can fail here, and
 nothing is left in the store.

 No other call on this handle may be under way, and none may follow. Does not block. Any thread. A
 forked child frees its own handles; that leaves the parent's clock alone.
 */
void lamport_clock_free(struct lamport_clock_t *clock);

/*
 The version of the library that is loaded, for instance "0.1.0".

 A static text; never NULL; must not be freed. Any thread; does not block.
 */
const char *lamport_clock_version(void);

/*
 The last time that the update took, the one in the record; 0 if `observed` is NULL.

 Does not block.
 */
uint64_t lamport_observed_value(const struct lamport_observed_t *observed);

/*
 The first time that the update took: the value itself, unless it reserved several. 0 if
 `observed` is NULL.

 Does not block.
 */
uint64_t lamport_observed_first(const struct lamport_observed_t *observed);

/*
 Who took it, as its writer wrote it: UTF-8, of any length, for programs of other makes write
 this too. "" if `observed` is NULL.

 Never NULL. It belongs to `observed` and lives until that is freed. Does not block.
 */
const char *lamport_observed_process(const struct lamport_observed_t *observed);

/*
 Which life of that process it was; 0 if its writer does not say, or if `observed` is NULL.

 Does not block.
 */
uint64_t lamport_observed_instance(const struct lamport_observed_t *observed);

/*
 When, by the wall clock of its writer: Unix time in seconds, to look at and never to compare.
 Not a number if its writer does not say, or if `observed` is NULL.

 Does not block.
 */
double lamport_observed_real_timestamp(const struct lamport_observed_t *observed);

/*
 The store's revision of the update; updates that were served together share it. 0 if `observed`
 is NULL.

 Does not block.
 */
uint64_t lamport_observed_revision(const struct lamport_observed_t *observed);

/*
 Frees what lamport_clock_read() gave. NULL is allowed and does nothing. Does not block.
 */
void lamport_observed_free(struct lamport_observed_t *observed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LAMPORT_CLOCK_H */
