#include "include/uapi/linux/sched.h"
struct clone_args args;
