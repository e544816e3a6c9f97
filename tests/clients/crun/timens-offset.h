/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clone3() with the offsets of a new time namespace, by the series
 * timens-offset: an array with an element for each clock that has an offset.
 */

#include <time.h>

struct clone3_time_offset
{
  int32_t clockid;
  uint32_t flags;
  int64_t sec __attribute__ ((aligned (8)));
  int64_t nsec __attribute__ ((aligned (8)));
};

/* Returns -1 also if an old kernel refuses the members, with E2BIG.  */
static pid_t
syscall_clone3_time_offsets (const struct _clone3_args *args, const runtime_spec_schema_config_linux_time_offsets *offsets)
{
#ifdef __NR_clone3
  struct clone3_time_offset elements[2];
  struct
  {
    struct _clone3_args args;
    __aligned_u64 timens_offset;
    __aligned_u64 timens_offset_count;
  } with = { .args = *args, .timens_offset = (uintptr_t) elements };

  memset (elements, 0, sizeof (elements));
  if (offsets->monotonic)
    {
      struct clone3_time_offset *e = &elements[with.timens_offset_count++];
      e->clockid = CLOCK_MONOTONIC;
      e->sec = offsets->monotonic->secs;
      e->nsec = offsets->monotonic->nanosecs;
    }
  if (offsets->boottime)
    {
      struct clone3_time_offset *e = &elements[with.timens_offset_count++];
      e->clockid = CLOCK_BOOTTIME;
      e->sec = offsets->boottime->secs;
      e->nsec = offsets->boottime->nanosecs;
    }
  if (with.timens_offset_count == 0)
    with.timens_offset = 0;

  return (pid_t) syscall (__NR_clone3, &with, sizeof (with));
#else
  errno = ENOSYS;
  return -1;
#endif
}
