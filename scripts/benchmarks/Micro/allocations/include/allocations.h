// Counts what this process takes from the heap: malloc(3) and its like are defined here, in front of libc's.
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

// How many blocks have been taken since the process began.
unsigned long allocations_count(void);

#endif
