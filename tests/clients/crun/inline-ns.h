/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clone3() with the offsets of a new time namespace, by the series inline-ns:
 * two numbers of nanoseconds, and a flag for each that is given.
 */

#define CLONE_TIMENS_MONOTONIC (UINT64_C (1) << 38)
#define CLONE_TIMENS_BOOTTIME (UINT64_C (1) << 39)

/* Returns false if the offset is not one that the file timens_offsets takes, too.  */
static bool
time_offset_ns (const runtime_spec_schema_defs_linux_time_offsets *offset, int64_t *ns)
{
  return offset->nanosecs < 1000000000 && ! __builtin_mul_overflow (offset->secs, INT64_C (1000000000), ns)
         && ! __builtin_add_overflow (*ns, (int64_t) offset->nanosecs, ns);
}

/*
 * Returns -1 also if an old kernel refuses the members, with E2BIG, or the
 * flags, with EINVAL.
 */
static pid_t
syscall_clone3_time_offsets (const struct _clone3_args *args, const runtime_spec_schema_config_linux_time_offsets *offsets)
{
#ifdef __NR_clone3
  struct
  {
    struct _clone3_args args;
    int64_t monotonic_offset_ns;
    int64_t boottime_offset_ns;
  } with = { .args = *args };

  errno = ERANGE;
  if (offsets->monotonic)
    {
      with.args.flags |= CLONE_TIMENS_MONOTONIC;
      if (! time_offset_ns (offsets->monotonic, &with.monotonic_offset_ns))
        return -1;
    }
  if (offsets->boottime)
    {
      with.args.flags |= CLONE_TIMENS_BOOTTIME;
      if (! time_offset_ns (offsets->boottime, &with.boottime_offset_ns))
        return -1;
    }

  return (pid_t) syscall (__NR_clone3, &with, sizeof (with));
#else
  errno = ENOSYS;
  return -1;
#endif
}
