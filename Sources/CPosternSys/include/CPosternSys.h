#ifndef CPOSTERNSYS_H
#define CPOSTERNSYS_H
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
int cpostern_errno(void);
#endif
