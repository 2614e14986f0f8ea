/** @file
 * Marks that public headers put on declarations. Nothing here has a run-time effect.
 */
#ifndef MMENGINE_EXPORT_H
#define MMENGINE_EXPORT_H

#if defined(_WIN32)
#define MM_EXPORT __declspec(dllexport)
#define MM_API
#else
/** Exported from the library that defines it. */
#define MM_EXPORT __attribute__((visibility("default")))
/** A function of the public interface. */
#define MM_API __attribute__((visibility("default")))
#endif

#if defined(__GNUC__) || defined(__clang__)
/** The caller must look at the result. */
#define MM_MUST_USE __attribute__((warn_unused_result))
/** printf-like: the format is argument `fmt`, the values begin at argument `first`. */
#define MM_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
/** One instance per thread. */
#define MM_THREAD_LOCAL _Thread_local
#else
#define MM_MUST_USE
#define MM_PRINTF(fmt, first)
#define MM_THREAD_LOCAL _Thread_local
#endif

/** The returned pointer is the caller's, although the verb in the name does not say so.
 */
#define MM_OWNED
/** The callee becomes the owner of this argument, also when the call fails. */
#define MM_TAKES

#ifdef __cplusplus
#define MM_BEGIN_DECLS extern "C" {
#define MM_END_DECLS }
#else
#define MM_BEGIN_DECLS
#define MM_END_DECLS
#endif

#endif
