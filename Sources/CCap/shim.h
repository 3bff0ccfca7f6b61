// As in CPosternSys: the two see the same declarations of libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/capability.h>
